"""Conversations over a switch, on the real llama-server: its own count of reused tokens is the oracle."""

import asyncio
import contextlib
import json
import os
import subprocess
import zlib
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from tests.containers.fixtures import docker, docker_session, engine, podman, podman_session  # noqa: F401 - fixtures
from tests.containers.images import program_root
from tests.e2e.driver import DEADLINE, free_ports, listens, poll
from tests.host.sessions.slot_double import SlotDouble
from zoosup.core.sessions.slots import prompts_of

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1800)]  # the first run builds llama.cpp

pytest.importorskip("gguf", reason="needs the dependency group e2e")

ZOO = """\
active: []
budget: {{ram: 300MiB, ram_reserve: 64MiB}}
status: {{listen: "127.0.0.1:{status}"}}
gateway: {{listen: "127.0.0.1:{gateway}"}}
defaults:
  memory: {{ram: 240MiB}}
  on_demand: true
  restart: {{policy: never}}
models:
  a:
    sessions: {{keep: true, limit: 20GiB}}
    command: {server} -m {gguf_a} {words}
  b:
    command: {server} -m {gguf_b} {words}
"""
WORDS = "--host ${HOST} --port ${PORT} -c 16384 -np 2 --no-kv-unified -b 64 -ub 64 --no-webui --cache-ram 0 --fit off"
LLAMA = "zoosup-test/llama:1"
LONG = "the quick brown fox jumps over the lazy dog " * 20
OTHER = "a stitch in time saves nine and nobody knows why " * 20
"""Prompts of some 900 tokens, a byte each, with nothing but their first token in common."""


@pytest.fixture
def zoo(zoosup, llama, ggufs):
    status, gateway = free_ports(2)
    places = {"server": llama, "gguf_a": ggufs[0], "gguf_b": ggufs[1], "words": WORDS}
    zoo = zoosup(ZOO.format(status=status, gateway=gateway, **places), status)
    zoo.start()
    zoo.gateway()
    return zoo


def post(url, body):
    request = Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"})
    try:
        with urlopen(request, timeout=DEADLINE) as answer:
            return answer.status, json.load(answer)
    except HTTPError as error:
        return error.code, json.load(error)


def ask(zoo, model, prompt, **more):
    """The tokens of the prompt that the server reused, by its own word."""
    body = {"model": model, "prompt": prompt, "max_tokens": 2, "temperature": 0} | more
    status, answer = post(f"{zoo.gateway()}/v1/completions", body)
    assert 200 == status, answer
    assert answer["usage"]["prompt_tokens_details"]["cached_tokens"] == answer["timings"]["cache_n"]
    return answer["timings"]["cache_n"]


def edit(zoo, *replacements):
    """Change the file, and wait until it is in force."""
    zoo.edit(*replacements)
    assert 0 == zoo.cli("reload").returncode


def visit_b(zoo):
    ask(zoo, "b", "hello")
    zoo.wait_phase("a", "stopped")


def files(zoo):
    return sorted((zoo.state / "sessions" / "a").glob("*.bin"))


def sessions(zoo):
    done = zoo.cli("events", "--json", "-m", "a")
    return [
        each["reason"] for each in map(json.loads, done.stdout.splitlines()) if each["type"] == "Sessions"
    ]


def test_a_conversation_goes_on_after_a_switch(zoo):
    assert 0 == ask(zoo, "a", LONG)
    visit_b(zoo)
    assert len(LONG) <= ask(zoo, "a", LONG + "and then ")
    assert ["Saved", "Restored"] == sessions(zoo)


def test_it_goes_on_with_the_servers_own_defaults(zoo):
    """All slots in one cache, and idle ones moved to a cache in RAM as soon as another is used."""
    edit(zoo, (" -np 2 --no-kv-unified", ""), (" --cache-ram 0", ""))
    ask(zoo, "a", LONG)
    visit_b(zoo)
    assert len(LONG) <= ask(zoo, "a", LONG + "and then ")


def test_each_slot_has_its_own(zoo):
    for prompt in (LONG, OTHER):
        assert ask(zoo, "a", prompt) < 10
    visit_b(zoo)
    assert 2 == len(files(zoo))
    for prompt in (LONG, OTHER):
        assert len(prompt) <= ask(zoo, "a", prompt + "and then ")


def test_it_goes_on_in_the_next_zoosup(zoo):
    ask(zoo, "a", LONG)
    assert 0 == zoo.terminate()
    assert 1 == len(files(zoo))
    zoo.start()
    zoo.gateway()
    assert len(LONG) <= ask(zoo, "a", LONG + "and then ")


def test_a_short_one_is_not_worth_it(zoo):
    ask(zoo, "a", "hello")
    visit_b(zoo)
    assert [] == files(zoo)
    assert [] == sessions(zoo)


def test_what_is_killed_saves_nothing_and_starts_well(zoo):
    ask(zoo, "a", LONG)
    os.kill(zoo.pid("a"), 9)
    zoo.wait_phase("a", "failed")
    assert [] == files(zoo)
    zoo.cli("restart", "a")
    assert 0 == ask(zoo, "a", LONG)


@pytest.mark.parametrize("kept", [0, 4000, -1000], ids=["empty", "cut", "cut at its end"])
def test_a_damaged_file_costs_its_conversation_and_nothing_else(zoo, kept):
    ask(zoo, "a", LONG)
    visit_b(zoo)
    [file] = files(zoo)
    file.write_bytes(file.read_bytes()[:kept])
    assert 0 == ask(zoo, "a", LONG)
    assert ["Saved", "NotRestored"] == sessions(zoo)
    assert [] == files(zoo)


def test_a_file_that_ends_its_server_costs_one_start(zoo):
    """llama-server aborts on a file that lacks its end; here it is named as if it were whole."""
    edit(zoo, ("policy: never", "policy: always"))
    ask(zoo, "a", LONG)
    visit_b(zoo)
    [file] = files(zoo)
    data = file.read_bytes()[:-1000]
    mark = zlib.crc32(data, zlib.crc32(data, len(data)))
    file.with_name(f"{file.name.rpartition('-')[0]}-{mark:08x}.bin").write_bytes(data)
    file.unlink()
    assert 0 == ask(zoo, "a", LONG)
    assert 1 == zoo.model("a")["restarts"]
    assert [] == files(zoo)


def test_other_weights_are_another_conversation(zoo, ggufs, tmp_path):
    weights = tmp_path / "a.gguf"
    weights.write_bytes(ggufs[0].read_bytes())
    edit(zoo, (str(ggufs[0]), str(weights)))
    ask(zoo, "a", LONG)
    visit_b(zoo)
    weights.write_bytes(ggufs[1].read_bytes())
    assert 0 == ask(zoo, "a", LONG)


def test_the_oldest_go_beyond_the_limit(zoo):
    edit(zoo, ("limit: 20GiB", "limit: 400KiB"))  # one has some 250
    for prompt in (LONG, OTHER):
        ask(zoo, "a", prompt)
    visit_b(zoo)
    assert 1 == len(files(zoo))


def test_what_is_kept_goes_with_the_model_or_by_hand(zoo):
    ask(zoo, "a", LONG)
    visit_b(zoo)
    assert "a  " in zoo.cli("sessions").stdout
    assert 0 == zoo.cli("sessions", "clear", "a").returncode
    assert "nothing is kept\n" == zoo.cli("sessions", "list").stdout
    ask(zoo, "a", LONG)
    visit_b(zoo)
    assert 1 == len(files(zoo))
    edit(zoo, ("  a:\n", "  c:\n"))
    poll(lambda: not (zoo.state / "sessions" / "a").exists(), "what was kept to be removed")


def test_where_nothing_is_reused_twice_it_is_given_up(zoo):
    """A client that forbids the server to reuse anything stands for an architecture that can't."""
    long = LONG * 5
    ask(zoo, "a", long)
    for _ in range(2):
        visit_b(zoo)
        assert 0 == ask(zoo, "a", long, cache_prompt=False)
        poll(lambda: "NoEffect" == sessions(zoo)[-1], "the effect to be seen")
    poll(lambda: any(each["type"] == "SessionsKept" for each in zoo.model("a")["conditions"]), "a word on it")
    visit_b(zoo)
    ask(zoo, "a", long)
    [condition] = [each for each in zoo.model("a")["conditions"] if each["type"] == "SessionsKept"]
    assert ("NoEffect", False) == (condition["reason"], condition["status"])
    assert ["Saved", "Restored", "NoEffect", "Saved", "Restored", "NoEffect"] == sessions(zoo)


def test_the_words_are_shown(zoo):
    shown = zoo.cli("plan", "--commands").stdout.splitlines()
    assert shown[0].endswith(f"--slot-save-path {zoo.state}/sessions/a")
    assert "--slot-save-path" not in shown[1]


@pytest.mark.parametrize("by", ["api", "client"])
def test_a_container_keeps_them_as_well(zoosup, engine, llama, ggufs, pytestconfig, by):  # noqa: F811
    engine.import_image(program_root(pytestconfig.cache.mkdir("containers"), llama), LLAMA)
    status, gateway = free_ports(2)
    volume, inside = f"{ggufs[0].parent}:/w:ro", f"/llama-server -m /w/{ggufs[0].name}"
    if by == "client":
        words = f"{' '.join(engine.client)} run --rm --network host -v {volume} {LLAMA} {inside}"
        served = f"command: {words} {WORDS}\n    env: {json.dumps(engine.env)}"
    else:
        fields = {"image": LLAMA, "args": f"{inside} {WORDS}", "volumes": [volume], "engine": engine.address}
        served = f"container: {json.dumps(fields)}"
    places = {"server": llama, "gguf_a": ggufs[0], "gguf_b": ggufs[1], "words": WORDS}
    text = ZOO.replace("command: {server} -m {gguf_a} {words}", "SERVED")
    zoo = zoosup(text.format(status=status, gateway=gateway, **places).replace("SERVED", served), status)
    zoo.start()
    ask(zoo, "a", LONG)
    visit_b(zoo)
    assert 1 == len(files(zoo))
    assert len(LONG) <= ask(zoo, "a", LONG + "and then ")
    zoo.terminate()


# The double that other tests use


@contextlib.contextmanager
def real(llama, gguf, folder):
    """A server with two slots, of which the first that is asked holds LONG."""
    [port] = free_ports(1)
    words = WORDS.replace("${HOST}", "127.0.0.1").replace("${PORT}", str(port)).split()
    with subprocess.Popen(
        [llama, "-m", gguf, *words, "--metrics", "--slot-save-path", folder],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        try:
            poll(lambda: listens(port), "the server to listen")
            url = f"http://127.0.0.1:{port}"
            poll(lambda: 200 == post(f"{url}/completion", {"prompt": LONG, "n_predict": 2})[0], "an answer")
            yield url
        finally:
            process.kill()


def observed(url, folder):
    """What a server answers to each thing that it is asked, as far as zoosup looks at it."""
    with urlopen(f"{url}/slots") as answer:
        slots = json.load(answer)
    yield sorted(("id_task" in each, "n_prompt_tokens" in each, each["is_processing"]) for each in slots)
    with urlopen(f"{url}/metrics") as answer:
        yield all(prompts_of(answer.read().decode()))
    held = next(each["id"] for each in slots if "id_task" in each)

    def act(action, slot, name):
        status, answer = post(f"{url}/slots/{slot}?action={action}", {"filename": name})
        count = answer.get("n_saved", answer.get("n_restored"))
        return status, answer.get("error", {}).get("message"), count is None or count >= 512

    yield act("save", held, "x.bin")
    yield act("save", 9, "y.bin")
    yield act("restore", 1 - held, "x.bin")
    for name, data in {"empty": b"", "noise": b"noise" * 9}.items():
        (folder / name).write_bytes(data)
        yield act("restore", 1 - held, name)
    yield act("restore", 9, "x.bin")
    yield act("restore", held, "missing")


async def test_the_double_answers_as_the_real_one(llama, ggufs, tmp_path):
    folders = tmp_path / "real", tmp_path / "double"
    for folder in folders:
        folder.mkdir()
    double = SlotDouble(folders[1])
    double.held, double.prompts = {0: None, 1: 900}, (900, 1.5)
    await double.start()
    told = await asyncio.to_thread(list, observed(f"http://127.0.0.1:{double.port}", Path(folders[1])))
    await double.stop()
    with real(llama, ggufs[0], folders[0]) as url:
        assert list(observed(url, folders[0])) == told
