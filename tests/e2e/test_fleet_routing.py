"""Three zoosups that share one file: any of their gateways answers for any model. Real processes and connections.

What carries their words is the test's (`fleet_courier`); who answered is read off the answer, and from the processes.
"""

import json
import os
import signal
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from http.client import HTTPConnection, HTTPResponse, IncompleteRead
from pathlib import Path

import pytest

from tests.e2e.driver import Zoosup, free_ports, poll
from tests.e2e.fleet_courier import Courier

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

TOKEN = "a-secret"
NODES = {"a": "127.0.0.2", "b": "127.0.0.3", "c": "127.0.0.4"}
# Nobody has the head's address: where Ray is installed it would speak for the fleet in place of the courier.
ZOO = """\
fleet: {{head: "127.0.0.9:6379", node: {node}, address: {address}, token_file: {token}, lost_after: 5s}}
active: [always]
budget: {{ram: 256MiB, ram_reserve: 64MiB}}
gateway: {{listen: "{address}:{gateway}", api_keys: [{{name: alice, key: a-key}}, {{name: bob, key: b-key}}]}}
status: {{listen: "127.0.0.1:{status}"}}
models:
  always:
    memory: {{ram: 48MiB}}
    command: [python, -m, zoosup.demo, --port, "${{PORT}}", --model-id, "always on {node}", --token-delay, 20ms]
  asked:
    memory: {{ram: 48MiB}}
    on_demand: true
    command: [python, -m, zoosup.demo, --port, "${{PORT}}", --model-id, "asked on {node}", --token-delay, 50ms]
"""


class Fleet:
    """Three hosts; `file` has slots for what differs."""

    def __init__(self, folder: Path, make, file: str = ZOO) -> None:
        token = folder / "fleet.token"
        token.write_text(TOKEN + "\n")
        self.port, *statuses = free_ports(4)
        self.zoos: dict[str, Zoosup] = {}
        for (node, address), status in zip(NODES.items(), statuses, strict=True):
            home = folder / node
            home.mkdir()
            text = file.format(node=node, address=address, token=token, gateway=self.port, status=status)
            self.zoos[node] = zoo = make(home, text, status)
            zoo.start()
        self.chosen = "c"
        sockets = {node: zoo.state / "control.sock" for node, zoo in self.zoos.items()}
        gateways = {node: f"{address}:{self.port}" for node, address in NODES.items()}
        self.courier = Courier(
            sockets, gateways, lambda node, model: {"node": self.chosen, "refusal": self.refusal}
        )
        self.refusal = ""

    def connect(self, node: str) -> HTTPConnection:
        return HTTPConnection(NODES[node], self.port, timeout=30)

    def ask(self, node: str, model: str, **more) -> tuple[int, dict]:
        """The status and the document that a host's gateway answers."""
        connection = self.connect(node)
        try:
            body = {"model": model, "messages": [{"role": "user", "content": "hello"}], **more}
            headers = {"Content-Type": "application/json", "Authorization": "Bearer a-key"}
            connection.request("POST", "/v1/chat/completions", json.dumps(body), headers)
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read())
        finally:
            connection.close()

    def stream(self, connection: HTTPConnection) -> HTTPResponse:
        """Begin a long stream of `always`."""
        body = {"model": "always", "messages": [{"role": "user", "content": "x " * 400}], "stream": True}
        headers = {"Content-Type": "application/json", "Authorization": "Bearer a-key"}
        connection.request("POST", "/v1/chat/completions", json.dumps(body), headers)
        return connection.getresponse()

    def runs(self, node: str, model: str) -> bool:
        return self.zoos[node].model(model)["phase"] == "ready"

    def know(self, node: str, model: str) -> None:
        """Wait until all have heard that it is ready there."""
        self.zoos[node].wait_phase(model, "ready")
        poll(lambda: self.courier.reports[node]["models"][model]["ready"], f"{node} to report {model}")
        self.courier.settle()


@pytest.fixture
def fleet(tmp_path):
    made: list[Zoosup] = []

    def make(home, text, status):
        made.append(Zoosup(home, text, status))
        return made[-1]

    found = Fleet(tmp_path, make)
    try:
        for zoo in made:
            zoo.wait(lambda s: s["gateway"], "the gateway to listen")
        with found.courier:
            found.courier.settle()
            yield found
    finally:
        for zoo in made:
            zoo.clean_up()


def test_any_gateway_answers_for_any_model(fleet: Fleet):
    fleet.courier.assigned["b"] = ["always"]
    fleet.know("b", "always")
    for node in NODES:
        status, said = fleet.ask(node, "always")
        assert (200, "always on b") == (status, said.get("model")), said
    with closing(fleet.connect("a")) as connection:
        connection.request("GET", "/v1/models", headers={"Authorization": "Bearer b-key"})
        listed = {each["id"]: each for each in json.loads(connection.getresponse().read())["data"]}
    assert {"always": "ready", "asked": "stopped"} == {name: each["state"] for name, each in listed.items()}

    # of two gateways that ask at once for what runs nowhere, both are answered by the one that is started
    with ThreadPoolExecutor(6) as asking:
        said = list(asking.map(lambda node: fleet.ask(node, "asked"), [*"abcabc"]))
    assert {(200, "asked on c")} == {(status, each.get("model")) for status, each in said}
    assert [False, False, True] == [fleet.runs(node, "asked") for node in NODES]

    # the fleet says no: its sums are the client's
    fleet.zoos["c"].cli("unload", "asked")
    fleet.zoos["c"].wait_phase("asked", "stopped")
    fleet.courier.settle()
    fleet.chosen, fleet.refusal = "", "a: needs 4 GiB and has 1; b: is drained"
    status, said = fleet.ask("b", "asked")
    assert (503, "insufficient_memory") == (status, said["error"]["code"])
    assert "a: needs 4 GiB and has 1" in said["error"]["message"]


def test_a_host_that_ends_is_followed_by_the_next_and_breaks_what_it_answers(fleet: Fleet):
    fleet.courier.assigned |= {"b": ["always"], "c": ["always"]}
    fleet.know("b", "always")
    fleet.know("c", "always")
    assert {"always on b", "always on c"} == {fleet.ask("a", "always")[1]["model"]} | _both(fleet)

    # a stream over b, whose zoosup is killed: told as broken, not repeated
    fleet.courier.frozen.add("a")
    with closing(fleet.connect("a")) as stream:
        answer = fleet.stream(stream)
        node = "b" if b"always on b" in answer.read1(65536) else "c"
        other = "c" if node == "b" else "b"
        os.kill(fleet.zoos[node].process.pid, signal.SIGKILL)
        with pytest.raises(IncompleteRead) as broken:
            answer.read()
    fleet.zoos[node].process.wait(30)  # until then its address takes connections that nobody will answer
    rest = broken.value.partial
    assert b"upstream_error" in rest
    assert f"always on host {node}".encode() in rest
    # a knows nothing of that: it finds out by asking
    for _ in range(4):
        status, said = fleet.ask("a", "always")
        assert (200, f"always on {other}") == (status, said.get("model")), said


def test_a_host_that_hangs_breaks_what_it_answers_once_the_fleet_has_given_it_up(fleet: Fleet):
    fleet.courier.assigned["b"] = ["always"]
    fleet.know("b", "always")
    with closing(fleet.connect("a")) as stream:
        answer = fleet.stream(stream)
        assert b"always on b" in answer.read1(65536)
        fleet.courier.frozen.add("b")
        os.kill(fleet.zoos["b"].process.pid, signal.SIGSTOP)
        fleet.courier.lost.add("b")
        with pytest.raises(IncompleteRead) as broken:
            answer.read()
    assert b"always on host b: the fleet has given the host up" in broken.value.partial


def _both(fleet: Fleet) -> set[str]:
    with ThreadPoolExecutor(4) as asking:
        return {said["model"] for _, said in asking.map(lambda _: fleet.ask("a", "always"), range(8))}


def test_a_hang_up_ends_the_answer_on_the_other_host(fleet: Fleet):
    fleet.courier.assigned["b"] = ["always"]
    fleet.know("b", "always")
    with closing(fleet.connect("a")) as client, closing(fleet.stream(client)) as answer:
        assert b"always on b" in answer.read1(65536)
        fleet.zoos["b"].wait(lambda s: s["models"]["always"]["inflight"] == 1, "the request to count")
    fleet.zoos["b"].wait(lambda s: s["models"]["always"]["inflight"] == 0, "the hang-up to be seen")
