"""On demand, with real llama.cpp models in a budget for one of them, and clients that are served all the while.

What other houses get wrong at this level, and where it is shown that this one does not:

Eternal Zoo
  stops the old model before it looks at the memory            test_what_can_never_fit_…
  holds the queue for minutes after a model that exits at once test_a_model_that_can_not_be_loaded_…
  lists models by a flag in a file, notices no crash           test_a_model_killed_in_mid_stream_…
  answers one request at a time                                test_clients: test_forty_requests_at_once_…
  kills a stream for a switch that was asked for before it     test_a_stream_is_finished_before_…
  drops parameters, rewrites statuses                          test_clients: test_tools_…, test_curl_sees_…
  answers an unknown name with its first model                 test_clients: test_an_unknown_model_…
llama-swap
  checks no memory                                             test_what_can_never_fit_…
  unloads a model whose client has timed out                   test_a_client_that_gives_up_…
  starves a model behind two overlapping clients               test_overlapping_clients_…
  refuses the eleventh request                                 test_clients: test_forty_requests_at_once_…
  ends a dead model's stream as if it were complete            test_a_model_killed_in_mid_stream_…
  says "unspecific error" of a failed start                    test_a_model_that_can_not_be_loaded_…
  spawns once a request in a crash loop                        test_a_model_that_can_not_be_loaded_…
  buffers whole answers                                        test_clients: test_an_answer_of_a_quarter_…
  orphans its models when killed, then fails on their ports    test_a_killed_zoosup_…
  stops every model for any edit                               test_an_alias_is_added_…
  leaves both running when an unload meets a start             test_a_stream_is_finished_before_…
Not at this level: back-off and max_inflight (tests/runtime/leasing/test_leases.py), children that ignore SIGTERM
(tests/peers), the estimate and several GPUs (tests/core), a probe that hangs (tests/faults).
"""

import json
import os
import re
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.e2e.driver import alive, free_ports, poll

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1800)]  # the first run builds llama.cpp

openai = pytest.importorskip("openai", reason="needs the dependency group e2e")

from tests.e2e.gateway_clients import HELLO, ask, client, curl  # noqa: E402

LONG = 3000
"""Tokens of a stream: some seconds of a llama-server."""

FLAGS = (
    "--threads 1 --host ${HOST} --port ${PORT} -c 65536 -b 32 -ub 32 --parallel 4 --no-webui --cache-ram 0"
    " --fit off"
)  # one thread: several spin for each other on a busy host

ZOO = """\
active: []
budget: {{ram: 300MiB, ram_reserve: 64MiB}}
gateway: {{listen: "127.0.0.1:0", patience: 500ms, min_residency: 100ms}}
status: {{listen: "127.0.0.1:{status}"}}
defaults:
  on_demand: true
  idle_timeout: 10m
  memory: {{ram: 240MiB}}
  ready: {{http: /health, deadline: 1m}}
  stop: {{grace: 30s}}
  restart: {{initial: 30s}}
models:
  a: {{command: "{server} {flags} -m {gguf_a} --alias a"}}
  b: {{command: "{server} {flags} -m {gguf_b} --alias b"}}
  giant: {{command: "{server} {flags} -m {gguf_b}", memory: {{ram: 1GiB}}}}
  broken: {{command: "{server} {flags} -m {broken}"}}
  slow: {{command: [python, -m, zoosup.demo, --port, "${{PORT}}", --load-time, 1500ms]}}
  late: {{command: [python, -m, zoosup.demo, --port, "${{PORT}}", --load-time, 3s]}}
"""


@pytest.fixture
def zoo(zoosup, llama, ggufs, tmp_path):
    [status] = free_ports(1)
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(b"GGUF" + b"\0" * 64)
    text = ZOO.format(
        status=status, server=llama, flags=FLAGS, gguf_a=ggufs[0], gguf_b=ggufs[1], broken=broken
    )
    zoo = zoosup(text, status)
    zoo.start()
    zoo.gateway()
    return zoo


class Stream:
    """A client that reads a long answer of one model in a thread of its own."""

    def __init__(self, zoo, model, tokens=LONG):
        self.begun, self.chunks, self.error, self.finish, self.ended_at = (
            threading.Event(),
            0,
            None,
            None,
            0.0,
        )
        self._zoo, self._model, self._most = zoo, model, tokens
        self.tokens = 0
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()
        assert self.begun.wait(60), "the stream has not begun"

    def _read(self):
        try:
            with client(self._zoo) as api:
                for chunk in api.chat.completions.create(
                    model=self._model, messages=HELLO, max_tokens=self._most, stream=True,
                    extra_body={"ignore_eos": True}, stream_options={"include_usage": True},
                ):  # fmt: skip
                    self.chunks += 1
                    self.tokens = chunk.usage.completion_tokens if chunk.usage else 0
                    self.finish = (chunk.choices and chunk.choices[0].finish_reason) or self.finish
                    if self.chunks > 2:
                        self.begun.set()
        except openai.OpenAIError as error:
            self.error = error
        finally:
            self.ended_at = time.monotonic()
            self.begun.set()

    @property
    def open(self):
        return self._thread.is_alive()

    def end(self):
        """Wait for it to be over."""
        self._thread.join(60)
        assert not self.open
        return self


def phases(zoo):
    return {name: model["phase"] for name, model in zoo.status()["models"].items()}


def test_a_request_starts_its_model_from_nothing_and_idleness_stops_it(zoo):
    assert {"stopped"} == set(phases(zoo).values())
    assert 4 == ask(zoo, "a", extra_body={"ignore_eos": True}).usage.completion_tokens
    pid = zoo.pid("a")
    zoo.edit(("idle_timeout: 10m", "idle_timeout: 1s"))
    zoo.wait_phase("a", "stopped")
    assert not alive(pid)
    assert "a" == ask(zoo, "a").model


def test_a_stream_is_finished_before_its_model_makes_room_and_both_clients_are_answered(zoo):
    stream = Stream(zoo, "a")
    first = zoo.pid("a")
    answer = ask(zoo, "b")
    answered_at = time.monotonic()
    stream.end()
    assert (None, "length") == (stream.error, stream.finish)
    assert LONG == stream.tokens
    assert stream.ended_at < answered_at
    assert "b" == answer.model
    assert not alive(first)
    assert "ready" == phases(zoo)["b"]


def test_overlapping_clients_of_one_model_do_not_starve_another(zoo):
    over = threading.Event()

    def keep_asking():
        latest, streams = Stream(zoo, "a"), 1
        while not over.is_set():
            following = Stream(zoo, "a")
            latest.end()
            latest, streams = following, streams + 1
        assert None is latest.end().error
        return streams

    with ThreadPoolExecutor(1) as pool:
        overlapping = pool.submit(keep_asking)
        try:
            poll(lambda: zoo.model("a")["inflight"], "the first to be answered")
            with client(zoo, timeout=30) as api:
                answer = api.chat.completions.create(model="b", messages=HELLO, max_tokens=4)
        finally:
            over.set()
        assert overlapping.result(60) > 1
    assert "b" == answer.model


def test_what_can_never_fit_is_refused_with_the_sum_and_the_running_model_serves_on(zoo):
    ask(zoo, "a")
    pid = zoo.pid("a")
    with pytest.raises(openai.APIStatusError) as refused:
        ask(zoo, "giant")
    assert (424, "insufficient_memory") == (refused.value.status_code, refused.value.code)
    assert "1 GiB" in refused.value.message
    assert "300" in refused.value.message
    assert "false" == refused.value.response.headers["x-should-retry"]
    ask(zoo, "a")
    assert pid == zoo.pid("a")


def test_a_model_that_can_not_be_loaded_is_refused_with_its_last_words_and_not_spawned_for_each_request(zoo):
    began = time.monotonic()
    with pytest.raises(openai.APIStatusError) as refused:
        ask(zoo, "broken")
    assert time.monotonic() - began < 20
    assert (503, "model_backoff") == (refused.value.status_code, refused.value.code)
    assert "error loading model" in refused.value.message
    assert 1 <= int(refused.value.response.headers["retry-after"]) <= 40
    before = zoo.model("broken")["restarts"]
    for _ in range(5):
        with pytest.raises(openai.APIStatusError):
            ask(zoo, "broken")
    assert before == zoo.model("broken")["restarts"]


def test_a_client_that_gives_up_while_its_model_loads_finds_it_loaded(zoo):
    with client(zoo, timeout=0.5) as api, pytest.raises(openai.APITimeoutError):
        api.chat.completions.create(model="slow", messages=HELLO)
    pid = zoo.pid("slow")
    zoo.wait_phase("slow", "ready")
    time.sleep(1.5)  # llama-swap unloads 1 s after ready
    began = time.monotonic()
    ask(zoo, "slow", max_tokens=1)
    assert time.monotonic() - began < 1
    assert pid == zoo.pid("slow")
    assert 0 == zoo.model("slow")["waiting"]


def test_a_streaming_client_is_told_what_it_waits_for(zoo):
    body = json.dumps({"model": "late", "messages": HELLO, "stream": True})
    answer = curl(f"{zoo.gateway()}/v1/chat/completions", "--json", body)
    assert (0, 200) == (answer.code, answer.status)
    assert answer.body.startswith(b": loading late: ")
    assert answer.body.endswith(b"data: [DONE]\n\n")


def test_a_model_killed_in_mid_stream_is_an_error_to_its_client_and_is_back_for_the_next(zoo):
    stream = Stream(zoo, "a", tokens=10 * LONG)
    pid = zoo.pid("a")
    os.kill(pid, signal.SIGKILL)
    stream.end()
    # Within a chunk nothing can be said any more: a connection that is reset is all that the client sees.
    assert isinstance(stream.error, openai.APIConnectionError) or "upstream_error" == stream.error.code
    assert None is stream.finish
    assert "a" == ask(zoo, "a").model
    assert pid != zoo.pid("a")


def test_to_curl_a_model_killed_in_mid_stream_is_no_clean_end(zoo):
    ask(zoo, "a")
    body = json.dumps({
        "model": "a", "messages": HELLO, "stream": True, "max_tokens": 10 * LONG, "ignore_eos": True
    })  # fmt: skip
    with ThreadPoolExecutor(1) as pool:
        reading = pool.submit(curl, f"{zoo.gateway()}/v1/chat/completions", "--json", body)
        poll(lambda: zoo.model("a")["inflight"], "the stream to begin")
        time.sleep(0.3)
        os.kill(zoo.pid("a"), signal.SIGKILL)
        answer = reading.result(60)
    assert 0 != answer.code
    assert b"[DONE]" not in answer.body


def test_a_killed_zoosup_is_replaced_and_the_same_model_serves_on(zoo):
    ask(zoo, "a")
    pid = zoo.pid("a")
    stream = Stream(zoo, "a", tokens=10 * LONG)
    zoo.process.kill()
    zoo.process.wait()
    assert isinstance(stream.end().error, openai.OpenAIError)
    assert None is stream.finish
    zoo.start()
    zoo.wait(lambda s: s["pid"] == zoo.process.pid and s["gateway"], "the new zoosup to have taken over")
    assert "a" == ask(zoo, "a").model
    assert pid == zoo.pid("a")
    assert "b" == ask(zoo, "b").model
    poll(lambda: not alive(pid), "the adopted model to make room")


def test_an_alias_is_added_and_cuts_no_stream(zoo):
    stream = Stream(zoo, "a")
    pid, address = zoo.pid("a"), zoo.gateway()
    zoo.edit(('--alias a"', '--alias a", aliases: [gpt-4o-mini]'), ("patience: 500ms", "patience: 1s"))
    zoo.wait(lambda s: s["config"]["generation"] == 2, "the edit to be applied")
    answer = ask(zoo, "gpt-4o-mini")
    assert stream.open, "the stream has to outlast the edit"
    stream.end()
    assert (None, "length") == (stream.error, stream.finish)
    assert "a" == answer.model
    assert (pid, address) == (zoo.pid("a"), zoo.gateway())


def test_a_model_taken_out_of_the_file_finishes_its_stream(zoo):
    stream = Stream(zoo, "a")
    pid = zoo.pid("a")
    zoo.file.write_text(re.sub("(?m)^  a: .*$", "", zoo.file.read_text()))
    poll(lambda: curl(f"{zoo.gateway()}/v1/models/a").status == 404, "the edit to be applied")
    assert stream.open, "the stream has to outlast the edit"
    stream.end()
    assert (None, "length") == (stream.error, stream.finish)
    poll(lambda: not alive(pid), "the model to be stopped")
