"""Every client that people have, against the gateway of an installed zoosup: what they ask and get is unchanged."""

import asyncio
import base64
import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path

import psutil
import pytest

from tests.e2e.driver import Zoosup, free_ports, poll

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1800)]  # the first run builds llama.cpp

openai = pytest.importorskip("openai", reason="needs the dependency group e2e")
anthropic = pytest.importorskip("anthropic", reason="needs the dependency group e2e")
websockets = pytest.importorskip("websockets.sync.client", reason="needs the dependency group e2e")

from tests.e2e.gateway_clients import HELLO, ask, client, curl  # noqa: E402
from tests.e2e.recording_server import ARGUMENTS  # noqa: E402

PAGE = "https://chat.example.org"
MIB = 1 << 20

ZOO = """\
active: [demo, recorder]
budget: {{ram: 1GiB, ram_reserve: 64MiB}}
gateway: {{listen: "127.0.0.1:0", cors: ["{page}"]}}
status: {{listen: "127.0.0.1:{status}"}}
defaults:
  memory: {{ram: 64MiB}}
models:
  demo:
    command: [python, -m, zoosup.demo, --port, "${{PORT}}", --ram, 8MiB, --token-delay, 2ms]
    aliases: [gpt-4o-mini]
  recorder:
    command: [python, {recorder}, "${{PORT}}"]
  llama:
    on_demand: true
    command: >-
      {server} -m {gguf} --alias llama --host ${{HOST}} --port ${{PORT}} -c 4096 -b 32 -ub 32 --parallel 4
      --no-webui --cache-ram 0 --fit off
  embedder:
    on_demand: true
    task: embed
    command: >-
      {server} -m {gguf} --embeddings --pooling mean --host ${{HOST}} --port ${{PORT}} -c 512 --no-webui
      --cache-ram 0 --fit off
"""

TOOL = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "Größe 1.0e2",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}

LITELLM = """
import json, sys
import litellm

api = {"api_base": sys.argv[1] + "/v1", "api_key": "none", "model": "openai/llama", "max_tokens": 6}
hello = [{"role": "user", "content": "hello"}]
whole = litellm.completion(messages=hello, **api)
chunks = list(litellm.completion(messages=hello, stream=True, **api))
try:
    litellm.completion(messages=hello, **api | {"model": "openai/nobody"}, max_retries=0)
    unknown = "answered"
except litellm.NotFoundError as error:
    unknown = str(error)
print(json.dumps([whole.usage.completion_tokens, chunks[-1].choices[0].finish_reason, unknown]))
"""


@pytest.fixture(scope="module")
def zoo(tmp_path_factory, llama, ggufs):
    [status] = free_ports(1)
    recorder = Path(__file__).with_name("recording_server.py")
    text = ZOO.format(page=PAGE, status=status, server=llama, gguf=ggufs[0], recorder=recorder)
    zoo = Zoosup(tmp_path_factory.mktemp("clients"), text, status)
    zoo.start()
    try:
        zoo.wait(lambda s: s["converged"], "the zoo to be as its file says")
        yield zoo
    finally:
        zoo.clean_up()


def recorded(zoo):
    """The last request that the recorder was sent: its headers, its body."""
    last = json.loads(curl(f"{zoo.gateway()}/upstream/recorder/last").body)
    return last["headers"], base64.b64decode(last["body"])


def sent(zoo, **request):
    """What the openai package has put on the wire for a request to the recorder, and the answer."""
    with client(zoo) as api:
        raw = api.chat.completions.with_raw_response.create(model="recorder", messages=HELLO, **request)
        return raw.http_request.content, raw.parse()


def test_the_openai_package_is_answered_by_a_real_model_that_was_not_running(zoo):
    answer = ask(zoo, "llama", max_tokens=8, extra_body={"ignore_eos": True})
    assert 8 == answer.usage.completion_tokens
    assert "llama" == answer.model


def test_the_openai_package_streams(zoo):
    with client(zoo) as api:
        chunks = list(
            api.chat.completions.create(
                model="llama", messages=HELLO, max_tokens=16, stream=True,
                stream_options={"include_usage": True}, extra_body={"ignore_eos": True},
            )
        )  # fmt: skip
    assert 16 == chunks[-1].usage.completion_tokens
    assert ["length"] == [
        c.choices[0].finish_reason for c in chunks if c.choices and c.choices[0].finish_reason
    ]


async def test_forty_requests_at_once_of_the_async_openai_package_are_all_answered(zoo):
    url = f"{zoo.gateway()}/v1"

    async def words(api, number):
        stream = await api.chat.completions.create(
            model="gpt-4o-mini", messages=[{"role": "user", "content": f"number {number}"}], stream=True
        )
        return "".join([c.choices[0].delta.content or "" async for c in stream])

    async with openai.AsyncOpenAI(base_url=url, api_key="none", max_retries=0) as api:
        said = await asyncio.gather(*(words(api, number) for number in range(40)))
    assert [] == [number for number in range(40) if not said[number].endswith(f"number {number}")]


def test_the_openai_package_embeds_in_either_encoding(zoo):
    with client(zoo) as api:
        packed = api.embeddings.create(model="embedder", input=["one", "two"])
        plain = api.embeddings.create(model="embedder", input=["one", "two"], encoding_format="float")
    assert [64, 64] == [len(each.embedding) for each in plain.data]
    assert plain.data[1].embedding == pytest.approx(packed.data[1].embedding, abs=1e-6)


def test_a_model_is_never_asked_for_what_it_is_not_for(zoo):
    with pytest.raises(openai.BadRequestError) as refused:
        ask(zoo, "embedder")
    assert "model_task_mismatch" == refused.value.code


def test_the_openai_package_lists_the_models_with_their_states(zoo):
    with client(zoo) as api:
        listed = {model.id: model for model in api.models.list()}
        one = api.models.retrieve("gpt-4o-mini")
    assert {"demo", "recorder", "llama", "embedder"} == set(listed)
    assert (["gpt-4o-mini"], "ready") == (listed["demo"].aliases, listed["demo"].state)
    assert "embed" == listed["embedder"].task
    assert "demo" == one.id


def test_tools_and_every_sampling_parameter_pass_byte_for_byte_and_so_does_the_call(zoo):
    wire, answer = sent(
        zoo, tools=[TOOL], tool_choice="auto", temperature=0.1, top_p=0.95, seed=7, stop=["\n"],
        extra_body={"min_p": 1e-7, "unknown_to_anyone": [None, True]},
    )  # fmt: skip
    headers, body = recorded(zoo)
    assert wire == body
    assert str(len(wire)) == headers["content-length"]
    assert ARGUMENTS == answer.choices[0].message.tool_calls[0].function.arguments


def test_an_image_of_two_megabytes_in_a_chat_passes_byte_for_byte(zoo):
    image = base64.b64encode(os.urandom(2 * MIB)).decode()
    parts = [
        {"type": "text", "text": "what is this?"},
        {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{image}"}},
    ]
    with client(zoo) as api:
        raw = api.chat.completions.with_raw_response.create(
            model="recorder", messages=[{"role": "user", "content": parts}]
        )
    assert raw.http_request.content == recorded(zoo)[1]


def test_an_audio_file_passes_in_a_form(zoo):
    with client(zoo) as api:
        heard = api.audio.transcriptions.create(model="demo", file=("a.wav", os.urandom(300_000)))
        spoken = api.audio.speech.create(model="demo", voice="alloy", input="one two").read()
    assert heard.text.endswith("heard 300000 bytes")
    assert b"RIFF" == spoken[:4]


def test_a_picture_is_made_and_changed(zoo):
    with client(zoo) as api:
        made = api.images.generate(model="demo", prompt="blue")
        picture = base64.b64decode(made.data[0].b64_json)
        changed = api.images.edit(model="demo", prompt="red", image=("p.png", picture, "image/png"))
    assert picture.startswith(b"\x89PNG")
    assert picture != base64.b64decode(changed.data[0].b64_json)


def test_the_openai_package_gets_responses(zoo):
    with client(zoo) as api:
        whole = api.responses.create(model="demo", input="hi")
        events = list(api.responses.create(model="demo", input="hi", stream=True))
    assert whole.output_text.endswith("heard: hi")
    assert "response.completed" == events[-1].type


@pytest.mark.parametrize("model", ["llama", "demo"])
def test_the_anthropic_package_is_answered_streams_and_counts(zoo, model):
    # Greedy: llama.cpp leaves message_start out where the first token is half a character, as random ones are.
    request = {"model": model, "max_tokens": 5, "messages": HELLO, "extra_body": {"temperature": 0}}
    with anthropic.Anthropic(base_url=zoo.gateway(), api_key="none", max_retries=0) as api:
        whole = api.messages.create(**request)
        with api.messages.stream(**request) as stream:
            said = "".join(stream.text_stream)
            end = stream.get_final_message()
        count = api.messages.count_tokens(model=model, messages=HELLO)
    assert ("message", "assistant") == (whole.type, whole.role)
    assert end.content[0].text == said
    assert end.content[0].text
    assert 1 <= end.usage.output_tokens <= 5
    assert count.input_tokens > 0


def test_the_anthropic_package_reads_a_refusal_as_its_own(zoo):
    with (
        anthropic.Anthropic(base_url=zoo.gateway(), api_key="none", max_retries=0) as api,
        pytest.raises(anthropic.NotFoundError) as refused,
    ):
        api.messages.create(model="nobody", max_tokens=1, messages=HELLO)
    assert "not_found_error" == refused.value.body["error"]["type"]


@pytest.mark.skipif(find_spec("litellm") is None, reason="needs the dependency group e2e")
def test_litellm_is_answered_streams_and_understands_a_refusal(zoo):
    done = subprocess.run(  # by itself: it takes seconds to import, and warns
        [sys.executable, "-c", LITELLM, zoo.gateway()],
        env=os.environ | {"LITELLM_LOCAL_MODEL_COST_MAP": "True"}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    tokens, finish, unknown = json.loads(done.stdout.splitlines()[-1])
    assert 1 <= tokens <= 6
    assert finish in {"length", "stop"}
    assert "there is no model 'nobody'" in unknown


def test_javascripts_packages_are_answered_stream_and_understand_refusals(zoo, node_packages):
    script = Path(__file__).with_name("javascript_clients.cjs")
    done = subprocess.run(
        ["node", script, node_packages, zoo.gateway()], capture_output=True, text=True, check=False
    )
    assert 0 == done.returncode, done.stderr
    openai, ollama = json.loads(done.stdout).values()
    assert {"demo", "recorder", "llama", "embedder"} == set(openai["ids"]) == set(ollama["models"])
    assert (5, [64, 64]) == (openai["limit"], openai["sizes"])
    assert openai["words"].endswith("heard: hello")
    assert openai["usage"]["completion_tokens"] == len(openai["words"].split())
    assert openai["response"].endswith("heard: hi")
    assert (404, "model_not_found") == (openai["unknown"]["status"], openai["unknown"]["code"])
    assert ("length", 5, True) == tuple(
        ollama["last"][each] for each in ("done_reason", "eval_count", "done")
    )
    assert ("This is zoosup's", [64, 64], ["embedding"]) == tuple(
        ollama[each] for each in ("answer", "sizes", "capabilities")
    )
    assert "llama" in ollama["running"]
    assert (404, "unload") == (ollama["unknown"]["status"], ollama["unloaded"])


LLM_MODELS = """\
- {{model_id: zoo, model_name: llama, api_base: "{url}/v1"}}
- {{model_id: zoo-demo, model_name: gpt-4o-mini, api_base: "{url}/v1"}}
"""


@pytest.mark.skipif(find_spec("llm") is None, reason="needs the dependency group e2e")
def test_llm_of_the_command_line_is_answered(zoo, tmp_path):
    (tmp_path / "extra-openai-models.yaml").write_text(LLM_MODELS.format(url=zoo.gateway()))
    env = os.environ | {"LLM_USER_PATH": str(tmp_path), "OPENAI_API_KEY": "none"}

    def llm(*words):
        return subprocess.run(
            [sys.executable, "-m", "llm", *words], env=env, capture_output=True, text=True, check=False
        )

    for streams in ((), ("--no-stream",)):
        done = llm("-m", "zoo-demo", *streams, "how are you?")
        assert (0, True) == (done.returncode, done.stdout.strip().endswith("heard: how are you?")), (
            done.stderr
        )
    limited = llm("-m", "zoo-demo", "-o", "max_tokens", "3", "hello")
    assert (0, "This is zoosup's") == (limited.returncode, limited.stdout.strip()), limited.stderr
    noise = llm(
        "-m", "zoo", "-o", "max_tokens", "4", "hello"
    )  # a real model, whose words may be none that print
    assert 0 == noise.returncode, noise.stderr


def test_curl_sees_a_models_own_status_headers_and_body(zoo):
    body = json.dumps({"model": "recorder", "drink": "teapot"})
    answer = curl(f"{zoo.gateway()}/chat/completions", "--json", body)
    assert (0, 418) == (answer.code, answer.status)
    assert b'{"error":   "short and stout"}' == answer.body
    assert "one, two" == answer.headers["x-own"]


def test_curl_sees_a_real_models_own_refusal(zoo):
    body = json.dumps({"model": "llama", "messages": "not a list"})
    answer = curl(f"{zoo.gateway()}/v1/chat/completions", "--json", body)
    assert 400 <= answer.status < 600
    assert "error" in json.loads(answer.body)


def test_curl_asks_for_the_head_alone_and_for_the_options(zoo):
    url = zoo.gateway()
    head = curl(f"{url}/upstream/recorder/last", "--head")
    assert (0, 200, "12345", b"") == (head.code, head.status, head.headers["content-length"], head.body)
    own = curl(f"{url}/v1/models", "--head")
    assert (0, 200, b"") == (own.code, own.status, own.body)
    options = curl(f"{url}/upstream/recorder/last", "--request", "OPTIONS")
    assert (204, "BREW, GET") == (options.status, options.headers["allow"])


@pytest.mark.parametrize(
    ("origin", "told"),
    [
        pytest.param(PAGE, PAGE, id="the one in the file"),
        pytest.param("https://evil.example", None, id="another"),
    ],
)
def test_a_page_asks_first(zoo, origin, told):
    ask_first = ("--header", "Access-Control-Request-Method: POST", "--request", "OPTIONS")
    answer = curl(f"{zoo.gateway()}/v1/chat/completions", "--header", f"Origin: {origin}", *ask_first)
    assert (204, told) == (answer.status, answer.headers.get("access-control-allow-origin"))
    allowed = curl(f"{zoo.gateway()}/v1/models", "--header", f"Origin: {origin}")
    assert (200 if told else 403, told) == (
        allowed.status, allowed.headers.get("access-control-allow-origin"),
    )  # fmt: skip


def test_an_unknown_model_is_a_404_with_the_known_names_and_never_another_model(zoo):
    with pytest.raises(openai.NotFoundError) as refused:
        ask(zoo, "gpt-5")
    assert "model_not_found" == refused.value.code
    assert "demo, recorder, llama, embedder" in refused.value.message
    assert "false" == refused.value.response.headers["x-should-retry"]


def test_a_websocket_passes_both_ways(zoo):
    url = f"{zoo.gateway().replace('http', 'ws', 1)}/upstream/gpt-4o-mini/ws"
    long = "ü" * 100_000
    with websockets.connect(url) as connection:
        connection.send("hello")
        connection.send(b"\0\xff")
        connection.send(long)
        assert ["hello", b"\0\xff", long] == [connection.recv() for _ in range(3)]
        assert connection.ping().wait(10)
    assert 1000 == connection.protocol.close_code


def test_an_answer_of_a_quarter_of_a_gigabyte_passes_and_is_held_nowhere(zoo, tmp_path):
    target, supervisor = tmp_path / "zeros", psutil.Process(zoo.process.pid)
    before = supervisor.memory_info().rss
    with target.open("wb") as file:
        reading = subprocess.Popen(
            ["curl", "--silent", "--limit-rate", "200M", f"{zoo.gateway()}/upstream/recorder/zeros/256"],
            stdout=file,
        )  # fmt: skip
        most = before
        while reading.poll() is None:
            most = max(most, supervisor.memory_info().rss)
    assert (0, 256 * MIB) == (reading.returncode, target.stat().st_size)
    assert most - before < 32 * MIB
    target.unlink()


def recorder_alone(status):
    """A file with nothing but the recorder running."""
    text = ZOO.format(
        page=PAGE, status=status, server="llama-server", gguf="none.gguf",
        recorder=Path(__file__).with_name("recording_server.py"),
    )  # fmt: skip
    return text.replace("[demo, recorder]", "recorder")


def test_pictures_of_many_at_once_leave_nothing_behind(zoosup, tmp_path):
    [status] = free_ports(1)
    zoo = zoosup(recorder_alone(status), status)
    zoo.start()
    zoo.wait_phase("recorder", "ready")
    body, supervisor = tmp_path / "body", psutil.Process(zoo.process.pid)
    picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64," + "QUJD" * 2_500_000}}
    body.write_text(json.dumps({"messages": [{"role": "user", "content": [picture]}], "model": "recorder"}))
    url = f"{zoo.gateway()}/v1/chat/completions"
    options = ("-H", "Content-Type: application/json", "-H", "Expect:", "--data-binary", f"@{body}")
    before = supervisor.memory_info().rss
    with ThreadPoolExecutor(8) as clients:
        answers = list(clients.map(lambda _: curl(url, *options), range(24)))
    assert {200} == {answer.status for answer in answers}
    poll(lambda: supervisor.memory_info().rss - before < 12 * MIB, "the memory of their bodies to be back")


def test_a_key_is_asked_for_and_goes_no_further(zoosup):
    [status] = free_ports(1)
    text = recorder_alone(status).replace("cors:", 'api_keys: ["${env.FIRST_KEY}", second], cors:')
    zoo = zoosup(text, status)
    zoo.env["FIRST_KEY"] = "first"
    zoo.start()
    zoo.wait_phase("recorder", "ready")
    for url in ("/v1/models", "/upstream/recorder/last", "/upstream/nobody/", "/v1/models/recorder"):
        refused = curl(f"{zoo.gateway()}{url}")
        assert (401, 'Bearer realm="zoosup"') == (refused.status, refused.headers["www-authenticate"])
        assert "invalid_api_key" == json.loads(refused.body)["error"]["code"]
    with client(zoo, api_key="wrong") as api, pytest.raises(openai.AuthenticationError):
        api.models.list()
    with client(zoo, api_key="first") as api:
        api.chat.completions.create(model="recorder", messages=HELLO)
    seen = curl(f"{zoo.gateway()}/upstream/recorder/last", "--header", "x-api-key: second")
    assert "authorization" not in json.loads(seen.body)["headers"]
    assert "first" not in zoo.cli("status", "--json").stdout
