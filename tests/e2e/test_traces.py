"""Traces of a real zoosup: what its collector is sent, what its models are told, and a collector that hangs."""

import json
import socket
import sys
import time
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from tests.e2e.driver import DEADLINE, Zoosup, free_ports, poll
from tests.e2e.otlp_collector import Collector, collecting

RECORDER = Path(__file__).with_name("recording_server.py")
ROUTE = "POST /v1/chat/completions"
SPAN = "00f067aa0ba902b7"

ZOO = """\
active: []
budget: {{ram: 400MiB, ram_reserve: 64MiB}}
status: {{listen: "127.0.0.1:{status}"}}
gateway: {{listen: "127.0.0.1:{gateway}", min_residency: 0s, patience: 0s}}
defaults:
  memory: {{ram: 60MiB}}
  on_demand: true
  stop: {{grace: 5s}}
models:
  recorder: {{command: [{python}, {recorder}, "${{PORT}}"], ready: {{http: /x}}}}
  slow:
    command: [{python}, -m, zoosup.demo, --port, "${{PORT}}", --load-time, 60s]
  huge: {{command: [{python}, {recorder}, "${{PORT}}"], memory: {{ram: 900MiB}}}}
"""


def make(zoosup: Any, collector: Collector, **more: str) -> tuple[Zoosup, int]:
    status, gateway = free_ports(2)
    places = {"python": json.dumps(sys.executable), "recorder": json.dumps(str(RECORDER))}
    zoo: Zoosup = zoosup(ZOO.format(status=status, gateway=gateway, **places), status)
    zoo.env |= {
        "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{collector.port}",
        "OTEL_BSP_SCHEDULE_DELAY": "50",
        **more,
    }
    zoo.start()
    zoo.gateway()
    return zoo, gateway


def request(gateway: int, model: str, trace: str) -> Request:
    body = {"model": model, "messages": [{"role": "user", "content": "hello"}]}
    headers = {
        "Content-Type": "application/json",
        "traceparent": f"00-{trace}-{SPAN}-01",
        "tracestate": "vendor=1",
    }
    return Request(f"http://127.0.0.1:{gateway}/v1/chat/completions", json.dumps(body).encode(), headers)


def ask(gateway: int, model: str, trace: str) -> int:
    try:
        with urlopen(request(gateway, model, trace), timeout=DEADLINE) as answer:
            answer.read()
            return answer.status
    except HTTPError as error:
        return error.code


def last_headers(gateway: int) -> dict[str, str]:
    """What the recorder was sent by the last POST."""
    with urlopen(f"http://127.0.0.1:{gateway}/upstream/recorder/last", timeout=DEADLINE) as answer:
        return json.load(answer)["headers"]


@pytest.mark.e2e
def test_a_start_on_demand_a_refusal_and_a_client_that_goes(zoosup):
    started, refused, cancelled = "1" * 32, "2" * 32, "3" * 32
    with collecting() as collector:
        zoo, gateway = make(zoosup, collector)
        assert 200 == ask(gateway, "recorder", started)
        told = last_headers(gateway)
        assert 424 == ask(gateway, "huge", refused)
        _ask_and_go(zoo, gateway, cancelled)
        poll(lambda: all(ROUTE in collector.trace(each) for each in (started, refused, cancelled)), "spans")
        assert {"zoosup"} == collector.services

        spans = collector.trace(started)
        assert {ROUTE, "wait", "start", "answer"} == set(spans)
        top, wait, start, answer = spans[ROUTE], spans["wait"], spans["start"], spans["answer"]
        assert (SPAN, top.id, wait.id, top.id) == (top.parent, wait.parent, start.parent, answer.parent)
        assert (f"00-{started}-{answer.id}-01", "vendor=1") == (told["traceparent"], told["tracestate"])
        assert top.began <= wait.began <= start.began < start.ended <= wait.ended <= answer.began
        took = start.attributes["zoosup.start.seconds"]
        assert (start.ended - start.began) / 1e9 == pytest.approx(took, rel=0.2, abs=0.05)
        assert (1, 1, 200, ("first byte",)) == (
            answer.attributes["gen_ai.usage.input_tokens"],
            answer.attributes["gen_ai.usage.output_tokens"],
            answer.attributes["http.response.status_code"],
            answer.events,
        )

        top = collector.trace(refused)[ROUTE]
        assert (424, "insufficient_memory", "huge") == (
            top.attributes["http.response.status_code"],
            top.attributes["error.type"],
            top.attributes["gen_ai.request.model"],
        )

        spans = collector.trace(cancelled)
        assert {ROUTE, "wait", "start"} == set(spans)
        assert "cancelled" == spans[ROUTE].attributes["error.type"]
        assert 0 == zoo.terminate()


def _ask_and_go(zoo: Zoosup, gateway: int, trace: str) -> None:
    """A client that hangs up while its model loads."""
    whole = request(gateway, "slow", trace)
    with socket.create_connection(("127.0.0.1", gateway)) as client:
        head = [f"{name}: {value}\r\n" for name, value in whole.header_items()]
        length = f"Host: localhost\r\nContent-Length: {len(whole.data)}\r\n\r\n"
        client.sendall(f"POST {whole.selector} HTTP/1.1\r\n{''.join(head)}{length}".encode() + whole.data)
        zoo.wait_phase("slow", "starting")


@pytest.mark.e2e
@pytest.mark.parametrize("hangs", [True, False], ids=["hangs", "away"])
def test_a_collector_that_hangs_or_is_away_costs_nothing(zoosup, hangs):
    with collecting(answers=False) as collector:
        if not hangs:
            (collector.port,) = free_ports(1)
        zoo, gateway = make(zoosup, collector, OTEL_EXPORTER_OTLP_TIMEOUT="600")
        assert 200 == ask(gateway, "recorder", "1" * 32)
        poll(lambda: collector.received or not hangs, "the first spans")
        began = time.monotonic()
        assert 50 * [200] == [ask(gateway, "recorder", f"{number:032x}") for number in range(2, 52)]
        zoo.cli("unload", "recorder")
        zoo.wait_phase("recorder", "stopped")
        assert 0 == zoo.terminate()
        assert time.monotonic() - began < 60, "something has waited for the collector"
        assert collector.received <= 1


@pytest.mark.e2e
def test_without_a_word_of_a_collector_nothing_is_loaded_or_sent(zoosup):
    with collecting() as collector:
        zoo, gateway = make(zoosup, collector, OTEL_SDK_DISABLED="true")
        assert 200 == ask(gateway, "recorder", "1" * 32)
        assert f"00-{'1' * 32}-{SPAN}-01" == last_headers(gateway)["traceparent"]
        maps = Path(f"/proc/{zoo.process.pid}/maps")
        assert not maps.exists() or "google/_upb" not in maps.read_text()
        assert 0 == zoo.terminate()
        assert 0 == collector.received
