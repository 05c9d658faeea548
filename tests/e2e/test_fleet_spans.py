"""A model over two of three hosts: real zoosups, links and processes, and the controller itself in this process.

What runs where is read off the processes; who answers off the answer.
"""

import asyncio
import json
import os
import signal
import threading
import time
from http.client import HTTPConnection
from pathlib import Path

import psutil
import pytest

from tests.e2e.driver import Zoosup, free_ports, poll
from zoosup.fleet.control_client import ControlClient
from zoosup.fleet.exchange import Exchange
from zoosup.fleet.in_process import InProcessFleet, InProcessTransport
from zoosup.fleet.transport import FleetError

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

NODES = {"a": "127.0.0.2", "b": "127.0.0.3", "c": "127.0.0.4"}
# Nobody has the head's address: where Ray is installed it would speak for the fleet in place of this process.
ZOO = """\
fleet:
  head: "127.0.0.9:6379"
  node: "${{env.NODE}}"
  address: "${{env.ADDRESS}}"
  token_file: {token}
  lost_after: 5s
active: [wide]
budget: {{ram: 256MiB, ram_reserve: 64MiB}}
gateway: {{listen: "${{env.ADDRESS}}:{gateway}"}}
status: {{listen: "127.0.0.1:${{env.STATUS}}"}}
models:
  wide:
    spans: 2
    memory: {{ram: 160MiB}}
    command: [python, -m, zoosup.demo, --port, "${{PORT}}", --model-id, "wide on ${{LEADER}} with ${{HOSTS}}"]
    worker:
      command: [sh, -c, "trap exit TERM; while :; do sleep 0.1; done",
        worker, "${{LEADER}}", "${{ADDRESS}}", "${{RANK}}"]
    stop: {{grace: 5s}}
  narrow:
    memory: {{ram: 160MiB}}
    command: [python, -m, zoosup.demo, --port, "${{PORT}}", --model-id, narrow]
"""


class Links:
    """The links of all hosts, and the controller, on a thread of their own."""

    def __init__(self, sockets: dict[str, Path]) -> None:
        self._sockets = sockets
        self._begun, self._end = threading.Event(), asyncio.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), daemon=True)

    def __enter__(self):
        self._thread.start()
        assert self._begun.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._end.set)
        self._thread.join(10)

    async def _run(self) -> None:
        self._loop, carrier = asyncio.get_running_loop(), InProcessFleet(time.monotonic)
        carrier.begin()
        links = [asyncio.create_task(self._link(carrier, *each)) for each in self._sockets.items()]
        self._begun.set()
        await self._end.wait()
        carrier.end()
        for link in links:
            link.cancel()
        await asyncio.gather(*links, return_exceptions=True)

    async def _link(self, carrier: InProcessFleet, node: str, path: Path) -> None:
        while True:
            try:
                await Exchange(ControlClient(path), InProcessTransport(carrier, node)).run()
            except (
                OSError,
                FleetError,
                ValueError,
            ):  # as the link's own process, which ends and is begun again
                await asyncio.sleep(0.2)


class Fleet:
    def __init__(self, folder: Path) -> None:
        token = folder / "fleet.token"
        token.write_text("a-secret\n")
        token.chmod(0o600)
        self.port, *statuses = free_ports(4)
        self.zoos: dict[str, Zoosup] = {}
        for (node, address), status in zip(NODES.items(), statuses, strict=True):
            (folder / node).mkdir()
            zoo = self.zoos[node] = Zoosup(folder / node, ZOO.format(token=token, gateway=self.port), status)
            zoo.env |= {"NODE": node, "ADDRESS": address, "STATUS": str(status)}

    def processes(self) -> dict[str, list[str]]:
        """The command lines of the model's processes, by the host that they are told they are of."""
        found: dict[str, list[str]] = {}
        states = {str(zoo.state): node for node, zoo in self.zoos.items()}
        for process in psutil.process_iter():
            try:
                env, words = process.environ(), process.cmdline()
            except psutil.Error:
                continue
            node = states.get(env.get("ZOOSUP_STATE_DIR", ""))
            if node and "ZOOSUP_RUN_ID" in env and "ZOOSUP_HOSTS" in env and words[:1] != ["sleep"]:
                found.setdefault(node, []).append(" ".join(words))
        return found

    def roles(self) -> tuple[str, str]:
        """The first host and the other, once there are both."""

        def there() -> bool:
            found = self.processes()
            return sorted("worker" in each for lines in found.values() for each in lines) == [False, True]

        poll(there, "both of them to run")
        found = self.processes()
        first = next(node for node, lines in found.items() if "worker" not in lines[0])
        return first, next(node for node in found if node != first)

    def ask(self, node: str) -> tuple[int, dict]:
        connection = HTTPConnection(NODES[node], self.port, timeout=60)
        try:
            body = json.dumps({"model": "wide", "messages": [{"role": "user", "content": "hello"}]})
            connection.request("POST", "/v1/chat/completions", body, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read())
        finally:
            connection.close()

    def lose(self, node: str) -> None:
        """All of a host ends at once, as by a power cut."""
        zoo = self.zoos[node]
        assert zoo.process is not None
        os.kill(zoo.process.pid, signal.SIGKILL)
        zoo.process.wait()
        for process in psutil.process_iter():
            try:
                if process.environ().get("ZOOSUP_STATE_DIR") == str(zoo.state):
                    process.kill()
            except psutil.Error:
                continue


@pytest.fixture
def fleet(tmp_path):
    found = Fleet(tmp_path)
    try:
        for zoo in found.zoos.values():
            zoo.start()
        for zoo in found.zoos.values():
            zoo.wait(lambda s: s["gateway"], "the gateway to listen")
        with Links({node: zoo.state / "control.sock" for node, zoo in found.zoos.items()}):
            yield found
    finally:
        for zoo in found.zoos.values():
            if zoo.process is not None and zoo.process.poll() is None:
                zoo.process.terminate()
                zoo.process.wait(30)


def test_two_of_three_hosts_have_it_the_first_answers_and_the_loss_of_one_moves_it(fleet):
    first, other = fleet.roles()
    (third,) = {*NODES} - {first, other}
    poll(lambda: fleet.zoos[first].model("wide")["phase"] == "ready", "the first to be ready")
    (line,) = fleet.processes()[other]
    assert line.endswith(f"worker {NODES[first]} {NODES[other]} 1")

    # Any gateway answers, by the first.
    for node in NODES:
        poll(lambda node=node: fleet.ask(node)[0] == 200, f"{node} to answer")
        assert f"wide on {NODES[first]} with {NODES[other]}" == fleet.ask(node)[1]["model"]

    # Each of its two hosts has the memory reserved, the worker's host as well, which uses next to nothing of it.
    for node in (first, other):
        assert 160 * 2**20 == fleet.zoos[node].model("wide")["memory"]["ram"]["reserved"]
    said = fleet.zoos[third].cli("status", "--fleet").stdout
    assert f"{first} ready + {other} ready" in said
    started = fleet.zoos[other].cli("start", "narrow")
    poll(lambda: fleet.zoos[other].model("narrow")["phase"] == "pending", "narrow to wait for room")
    assert "wide" in fleet.zoos[other].model("narrow")["message"], started.stderr
    fleet.zoos[other].cli("auto", "narrow")

    # One host of it is gone: it ends on the other, and runs with the third.
    fleet.lose(other)
    poll(lambda: {*fleet.processes()} == {first, third}, "it to be placed anew")
    after = fleet.roles()
    poll(lambda: fleet.zoos[after[0]].model("wide")["phase"] == "ready", "it to be ready")
    poll(
        lambda: fleet.ask(third)[1].get("model") == f"wide on {NODES[after[0]]} with {NODES[after[1]]}",
        "the new one to answer",
    )
