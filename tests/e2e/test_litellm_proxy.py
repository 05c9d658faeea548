"""A proxy of proxies: the openai package asks LiteLLM's proxy, and that asks zoosup."""

import os

import pytest

from tests.e2e import litellm_proxy
from tests.e2e.driver import free_ports

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.timeout(900),  # the first run makes a virtual environment
]

openai = pytest.importorskip("openai", reason="needs the dependency group e2e")

HI = [{"role": "user", "content": "hi"}]
DEMO = "python -m zoosup.demo --port ${PORT} --ram 8MiB --token-delay 2ms --model-id"

ZOO = """\
active: []
budget: {{ram: 1GiB, ram_reserve: 64MiB}}
gateway: {{listen: "127.0.0.1:0"}}
status: {{listen: "127.0.0.1:{status}"}}
defaults: {{on_demand: true, memory: {{ram: 64MiB}}}}
models:
  lent: {{command: "{demo} lent"}}
  vectors: {{command: "{demo} vectors", task: embed}}
"""


@pytest.fixture(scope="module")
def program():
    try:
        return litellm_proxy.litellm()
    except litellm_proxy.CannotInstallError as error:
        if os.environ.get("CI"):
            pytest.fail(str(error))
        pytest.skip(str(error))


def said(api, model, **options):
    return api.chat.completions.create(model=model, messages=HI, **options)


def test_it_is_answered_streams_embeds_and_understands_a_refusal(program, zoosup):
    [status] = free_ports(1)
    zoo = zoosup(ZOO.format(status=status, demo=DEMO), status)
    zoo.start()
    with (
        litellm_proxy.proxy(program, zoo.gateway()) as url,
        openai.OpenAI(base_url=f"{url}/v1", api_key=litellm_proxy.KEY, max_retries=0) as api,
    ):
        for model in ("chat", "chat-by-ollama"):
            whole = said(api, model)
            assert whole.choices[0].message.content.endswith("lent heard: hi")
            assert whole.usage.completion_tokens > 8
            chunks = list(said(api, model, stream=True))
            words = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
            assert whole.choices[0].message.content == words
        assert 64 == len(api.embeddings.create(model="vectors", input=["one"]).data[0].embedding)
        with pytest.raises(openai.NotFoundError, match="there is no model 'nobody'"):
            said(api, "nobody")
    assert "ready" == zoo.model("lent")["phase"]
