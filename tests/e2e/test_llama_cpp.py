"""Real input: two models of a real llama.cpp server in one zoo.yaml, with a budget for one of them."""

import psutil
import pytest

from tests.e2e.driver import alive, free_memory, free_ports, listens, poll

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1800)]  # the first run builds llama.cpp

openai = pytest.importorskip("openai", reason="needs the dependency group e2e")

MIB = 1024 * 1024
CONTEXT = 524288  # 256 bytes of KV cache each: 128 MiB

ZOO = """\
active: a
budget: {{ram: 300MiB, ram_reserve: 64MiB}}
status: {{listen: "127.0.0.1:{status}"}}
gateway: false
defaults:
  memory: {{ram: 240MiB}}
  ready: {{http: /health, deadline: 1m}}
  stop: {{grace: 20s}}
models:
  a:
    command: >-
      {server} -m {gguf_a} --alias llama-a --host ${{HOST}} --port ${{PORT}} -c {context} -b 32 -ub 32
      --parallel 1 --no-webui --cache-ram 0 --fit off
    port: {a}
  b:
    command: >-
      {server} -m {gguf_b} --alias llama-b --host ${{HOST}} --port ${{PORT}} -c {context} -b 32 -ub 32
      --parallel 1 --no-webui --cache-ram 0 --fit off
    port: {b}
"""


@pytest.fixture
def zoo(zoosup, llama, ggufs):
    status, a, b = free_ports(3)
    gguf_a, gguf_b = ggufs
    places = {"server": llama, "gguf_a": gguf_a, "gguf_b": gguf_b, "context": CONTEXT}
    text = ZOO.format(status=status, a=a, b=b, **places)
    zoo = zoosup(text, status)
    zoo.ports = {"a": a, "b": b}
    zoo.start()
    return zoo


def client(zoo, name):
    return openai.OpenAI(base_url=f"http://127.0.0.1:{zoo.ports[name]}/v1", api_key="none", max_retries=0)


def say_hello(zoo, name):
    with client(zoo, name) as api:
        messages = [{"role": "user", "content": "hello"}]
        return api.chat.completions.create(model=f"llama-{name}", messages=messages, max_tokens=8)


def held(pid):
    return psutil.Process(pid).memory_info().rss


def test_switching_two_real_models_in_a_budget_for_one(zoo):
    done = zoo.cli("wait", "a", "--for", "ready", "--timeout", "60s")
    assert 0 == done.returncode, done.stderr
    first = zoo.pid("a")
    answer_a = say_hello(zoo, "a")
    assert 8 == answer_a.usage.completion_tokens
    footprint = held(first)
    assert footprint > 128 * MIB
    before = free_memory()

    zoo.edit(("active: a", "active: b"))
    poll(lambda: zoo.model("b")["pid"], "b to be started")
    second = zoo.pid("b")
    assert not alive(first), "b was started while a still lived"
    assert not listens(zoo.ports["a"])

    assert 0 == zoo.cli("wait", "b", "--for", "ready", "--timeout", "60s").returncode
    assert "llama-b" == say_hello(zoo, "b").model
    assert "stopped" == zoo.model("a")["phase"]
    assert [second] == [pid for pid in zoo.descendants() if "llama-server" in psutil.Process(pid).name()]
    # One left and one of its like came: if a's memory were not back, twice as much would be held.
    poll(lambda: free_memory() > before - footprint / 2, "a's memory to be back")


def test_the_memory_of_a_stopped_model_is_back(zoo):
    zoo.wait_phase("a", "ready")
    footprint, before = held(zoo.pid("a")), free_memory()
    zoo.edit(("active: a", "active: []"))
    zoo.wait_phase("a", "stopped")
    assert not listens(zoo.ports["a"])
    poll(lambda: free_memory() - before > footprint * 0.7, "the memory to be back")  # others move it too


def test_the_second_model_streams(zoo):
    zoo.wait_phase("a", "ready")
    zoo.edit(("active: a", "active: b"))
    zoo.wait_phase("b", "ready")
    with client(zoo, "b") as api:
        chunks = list(
            api.chat.completions.create(
                model="llama-b",
                messages=[{"role": "user", "content": "hello"}],
                max_tokens=16,
                stream=True,
                stream_options={"include_usage": True},
            )
        )
    assert 16 == chunks[-1].usage.completion_tokens
    assert "length" == [c.choices[0].finish_reason for c in chunks if c.choices][-1]


def test_two_models_that_do_not_fit_together_wait_in_order_of_priority(zoo):
    zoo.edit(("active: a", "active: [a, b]"))
    zoo.wait_phase("a", "ready")
    waiting = zoo.wait_phase("b", "pending")
    assert zoo.pid("a")
    assert "480" in waiting["message"] or "240" in waiting["message"]
    assert not listens(zoo.ports["b"])


def test_weights_that_can_not_be_loaded_bring_the_old_model_back(zoo, ggufs):
    zoo.wait_phase("a", "ready")
    text = zoo.file.read_text()
    broken = zoo.file.with_name("broken.gguf")
    broken.write_bytes(b"GGUF" + b"\0" * 64)
    zoo.edit((str(ggufs[1]), str(broken)), ("active: a", "active: b"))
    zoo.wait(
        lambda s: (
            any(c["type"] == "Switched" and c["reason"] == "RolledBack" for c in s["conditions"])
            or any(c["reason"] == "RolledBack" for m in s["models"].values() for c in m["conditions"])
        ),
        "the switch to be rolled back",
    )
    zoo.wait_phase("a", "ready")
    assert 8 == say_hello(zoo, "a").usage.completion_tokens
    assert text != zoo.file.read_text()
