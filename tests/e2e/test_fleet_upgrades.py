"""Every zoosup of a fleet is upgraded, one host after the other, while clients ask: no answer is lost, no model ends.

Real processes and connections; what carries the hosts' words is the test's (`fleet_courier`).
"""

import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.driver import DEADLINE, Zoosup, poll
from tests.e2e.fleet_clients import Clients, WebSocketClient, again_and_again, without_pause
from tests.e2e.test_fleet_routing import NODES, Fleet

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(400)]

FILE = """\
fleet: {{head: "127.0.0.9:6379", node: {node}, address: {address}, token_file: {token}, lost_after: 30s}}
active: [one, two]
budget: {{ram: 256MiB, ram_reserve: 64MiB}}
gateway: {{listen: "{address}:{gateway}", open: true}}
status: {{listen: "127.0.0.1:{status}"}}
defaults:
  memory: {{ram: 48MiB}}
  command: [python, -m, zoosup.demo, --port, "${{PORT}}", --model-id, "${{MODEL_ID}}", --token-delay, 20ms]
models: {{one: {{}}, two: {{}}}}
"""
ASSIGNED = {"a": ["two"], "b": ["one"], "c": ["two"]}
"""`one` runs on a single host: while that is upgraded, nobody else can answer for it."""


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[Fleet]:
    made: list[Zoosup] = []

    def make(home, text, status):
        made.append(Zoosup(home, text, status))
        return made[-1]

    found = Fleet(tmp_path, make, FILE)
    try:
        for zoo in made:
            zoo.wait(lambda s: s["gateway"], "the gateway to listen")
        with found.courier:
            found.courier.assigned |= ASSIGNED
            found.courier.settle()
            for node, models in ASSIGNED.items():
                for model in models:
                    found.know(node, model)
            yield found
    finally:
        for zoo in made:
            zoo.clean_up()


def pids(fleet: Fleet) -> dict[str, dict[str, int]]:
    return {n: {m: fleet.zoos[n].pid(m) for m in models} for n, models in ASSIGNED.items()}


def requests(fleet: Fleet) -> int:
    """How often the models have answered, by their own account."""
    logs = [fleet.zoos[node].state / "logs" / f"{m}.log" for node, models in ASSIGNED.items() for m in models]
    return sum(each.read_text().count("POST /v1/chat/completions 200") for each in logs)


def executed_anew(zoo: Zoosup) -> None:
    """As README tells for an upgrade in place."""
    began = time.time()
    zoo.process.send_signal(signal.SIGUSR2)
    zoo.wait(lambda s: (s["config"]["loaded_at"] or 0) > began, "zoosup to be executed anew")


def restarted(zoo: Zoosup) -> None:
    """As `systemctl restart` does."""
    zoo.process.send_signal(signal.SIGQUIT)
    assert 0 == zoo.process.wait(timeout=DEADLINE)
    zoo.start()


@pytest.mark.parametrize("upgrade", [executed_anew, restarted])
def test_hosts_are_upgraded_one_after_the_other_and_each_request_is_answered_once(fleet: Fleet, upgrade):
    before = pids(fleet)
    away = upgrade is restarted
    clients = {node: Clients(address, fleet.port, {}, may_be_refused=away) for node, address in NODES.items()}
    socket = WebSocketClient(f"http://{NODES['a']}:{fleet.port}/upstream/one/ws", {})
    asking = [again_and_again(each.plain, "one", "two") for each in clients.values()]
    asking += [again_and_again(each.stream, "one", "two") for each in clients.values()]
    with without_pause(*asking, socket.until):
        time.sleep(2)
        for node, zoo in fleet.zoos.items():
            upgrade(zoo)
            zoo.wait(lambda s, z=zoo: s["pid"] == z.process.pid and s["converged"], f"{node} to go on")
            fleet.courier.settle()
        time.sleep(2)
    assert [] == [line for each in clients.values() for line in each.bad]
    asked = sum(each.asked for each in clients.values())
    assert asked == sum(each.answered for each in clients.values()) > 20
    poll(lambda: requests(fleet) == asked, f"the models to have been asked {asked} times")
    assert before == pids(fleet)
    assert away == any(each.refused for each in clients.values())
    # its gateway, and the one of the host that has the model, are upgraded once each
    assert socket.heard > 20
    assert 2 >= socket.closed
    assert away or not socket.bad
