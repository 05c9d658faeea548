"""Ollama's own package against the gateway of a real zoosup: demonstration servers every day, a real llama.cpp e2e."""

import asyncio
import base64
import json
import time

import ollama
import pytest

from tests.e2e.driver import Zoosup, alive, free_ports, poll

HI = [{"role": "user", "content": "hi"}]
DEMO = "python -m zoosup.demo --port ${PORT} --ram 8MiB --token-delay 2ms --model-id"

ZOO = """\
active: kept
budget: {{ram: 1GiB, ram_reserve: 64MiB}}
gateway: {{listen: "127.0.0.1:0", access_log: text}}
status: {{listen: "127.0.0.1:{status}"}}
defaults:
  memory: {{ram: 64MiB}}
models:
  kept: {{command: "{demo} kept", aliases: ["llama3.2:3b"]}}
  lent: {{command: "{demo} lent", on_demand: true, description: for a while}}
  vectors: {{command: "{demo} vectors", on_demand: true, task: embed}}
"""


@pytest.fixture(scope="module")
def zoo(tmp_path_factory):
    [status] = free_ports(1)
    zoo = Zoosup(tmp_path_factory.mktemp("ollama"), ZOO.format(status=status, demo=DEMO), status)
    zoo.start()
    try:
        zoo.wait(lambda s: s["converged"], "the zoo to be as its file says")
        yield zoo
    finally:
        zoo.clean_up()


@pytest.fixture
def client(zoo):
    with ollama.Client(zoo.gateway()) as made:
        yield made


def test_a_chat_starts_its_model_and_streams(zoo, client):
    parts = list(client.chat("lent:latest", HI, stream=True, options={"num_ctx": 4096}))
    words = [part.message.content for part in parts]
    assert "".join(words).endswith("lent heard: hi")
    assert len(words) > 8
    assert (1, len(words) - 1) == (parts[-1].prompt_eval_count, parts[-1].eval_count)
    assert ("stop", True) == (parts[-1].done_reason, parts[-1].done)
    assert parts[-1].total_duration >= parts[-1].eval_duration > 0
    poll(
        lambda: f"tokens=1+{len(words) - 1} end=answered" in zoo.log.read_text(), "the line of the access log"
    )


def test_a_whole_answer_may_have_a_limit(client):
    answer = client.generate("llama3.2:3b", "why is the sky blue?", options={"num_predict": 3})
    assert ("This is zoosup's", "length", 3) == (answer.response, answer.done_reason, answer.eval_count)


async def test_many_at_once_are_all_answered(zoo):
    async with ollama.AsyncClient(zoo.gateway()) as api:

        async def said(number):
            message = {"role": "user", "content": f"number {number}"}
            return "".join(
                [part.message.content async for part in await api.chat("lent", [message], stream=True)]
            )

        answers = await asyncio.gather(*map(said, range(20)))
    assert [] == [number for number in range(20) if not answers[number].endswith(f"number {number}")]


def test_texts_are_embedded(client):
    found = client.embed("vectors", ["one", "two"], dimensions=16)
    assert [16, 16] == [len(each) for each in found.embeddings]
    assert found.embeddings[0] == pytest.approx(client.embed("vectors", "one", dimensions=16).embeddings[0])
    assert 64 == len(client.embeddings("vectors", "one").embedding)


def test_what_there_is_and_what_runs(client):
    client.chat("lent", HI, keep_alive="1h")
    assert ["kept", "lent", "vectors"] == [each.model for each in client.list().models]
    running = {each.model: each for each in client.ps().models}
    assert 3500 < running["lent"].expires_at.timestamp() - time.time() <= 3600
    assert running["kept"].expires_at.year > 2300
    assert ["completion", "tools"] == client.show("llama3.2:3b").capabilities


def test_a_model_is_given_back_after_the_answer_or_without_one(zoo, client):
    for give_back in (
        lambda: client.chat("lent", HI, keep_alive=0),
        lambda: client.generate("lent", keep_alive=0),
    ):
        assert "load" == client.generate("lent", keep_alive=-1).done_reason
        assert "lent" in [each.model for each in client.ps().models]
        pid = zoo.pid("lent")
        give_back()
        poll(lambda pid=pid: not alive(pid), "its process to be gone")
    assert "Idle" in zoo.cli("events").stdout


def test_refusals_are_in_its_words(client):
    with pytest.raises(ollama.ResponseError, match="there is no model 'nobody'; known are kept") as refused:
        client.chat("nobody", HI)
    assert 404 == refused.value.status_code
    with pytest.raises(ollama.ResponseError, match="kept is not on_demand"):
        client.generate("kept", keep_alive=0)
    with pytest.raises(ollama.ResponseError, match="vectors is for embed, and /api/chat is for chat"):
        client.chat("vectors", HI)


# a real model

LLAMA = """\
active: []
budget: {{ram: 1GiB, ram_reserve: 64MiB}}
gateway: {{listen: "127.0.0.1:0"}}
status: {{listen: "127.0.0.1:{status}"}}
defaults: {{on_demand: true, memory: {{ram: 128MiB}}}}
models:
  llama:
    command: >-
      {server} -m {gguf} --host ${{HOST}} --port ${{PORT}} -c 2048 -b 32 -ub 32 --parallel 2 --no-webui
      --chat-template-file {template} --cache-ram 0 --fit off
  vectors:
    task: embed
    command: >-
      {server} -m {gguf} --embeddings --pooling mean --host ${{HOST}} --port ${{PORT}} -c 512 --no-webui
      --cache-ram 0 --fit off
"""

TEMPLATE = "{% for message in messages %}{{ message.content }}\n{% endfor %}"
"""Nothing before the answer: a grammar takes no beginning in which this model's tokens put a blank."""

SCHEMA = {
    "type": "object",
    "properties": {"colour": {"enum": ["red", "blue"]}},
    "required": ["colour"],
    "additionalProperties": False,
}


@pytest.fixture(scope="module")
def real(tmp_path_factory, llama, ggufs):
    [status] = free_ports(1)
    home = tmp_path_factory.mktemp("llama")
    (home / "words.jinja").write_text(TEMPLATE)
    text = LLAMA.format(status=status, server=llama, gguf=ggufs[0], template=home / "words.jinja")
    zoo = Zoosup(home, text, status)
    zoo.start()
    try:
        with ollama.Client(zoo.gateway()) as made:
            yield made
    finally:
        zoo.clean_up()


e2e = [pytest.mark.e2e, pytest.mark.timeout(1800)]  # the first run builds llama.cpp


class TestRealModel:
    pytestmark = e2e

    def test_it_streams_within_the_limit_and_says_what_it_took(self, real):
        options = {"num_predict": 12, "temperature": 0, "seed": 1, "repeat_penalty": 1.1, "num_ctx": 99}
        parts = list(real.chat("llama", HI, stream=True, options=options))
        last = parts[-1]
        assert ("length", 12) == (last.done_reason, last.eval_count)
        assert last.prompt_eval_count > 0
        assert min(last.prompt_eval_duration, last.eval_duration, last.load_duration) > 0
        again = real.chat("llama", HI, options=options)
        assert "".join(part.message.content for part in parts) == again.message.content

    def test_a_prompt_raw_or_not(self, real):
        options = {"num_predict": 4, "temperature": 0}
        for raw in (False, True):
            answer = real.generate("llama", "one two", raw=raw, options=options)
            assert (4, True) == (answer.eval_count, answer.done)

    @pytest.mark.parametrize("streams", [False, True])
    def test_a_schema_is_kept_to(self, real, streams):
        options = {"num_predict": 256, "temperature": 0}
        answer = real.chat("llama", HI, format=SCHEMA, stream=streams, options=options)
        text = "".join(part.message.content for part in answer) if streams else answer.message.content
        assert json.loads(text)["colour"] in {"red", "blue"}

    def test_texts_are_embedded(self, real):
        found = real.embed("vectors", ["one", "two"])
        assert [64, 64] == [len(each) for each in found.embeddings]
        assert 1 == pytest.approx(sum(number * number for number in found.embeddings[0]), rel=1e-3)
        assert found.prompt_eval_count > 0

    def test_what_is_known_of_it(self, real):
        shown = real.show("llama:latest")
        assert ("llama", 1024) == (
            shown.modelinfo["general.architecture"],
            shown.modelinfo["llama.context_length"],
        )
        assert ("gguf", "llama") == (shown.details.format, shown.details.family)
        [entry] = [each for each in real.list().models if each.model == "llama"]
        assert entry.size > 100_000

    def test_its_own_refusal_is_told_in_ollamas_words(self, real):
        picture = base64.b64encode(b"\x89PNG\r\n\x1a\n").decode()
        with pytest.raises(ollama.ResponseError, match=r"(?i)image|mmproj") as refused:
            real.chat("llama", [HI[0] | {"images": [picture]}])
        assert refused.value.status_code in {400, 500}
