"""Three hosts over real Ray whose network, disk, clocks and files are amiss: who serves serves on, and all heals.

Their monotonic clocks are days apart where the kernel lets us, for all of it; the wall clock can't be: tests in virtual
time turn that one.
"""

import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.e2e.fleet_hosts import RAY, FleetHost, has_clocks
from tests.e2e.three_hosts import (
    BUSY,
    LATE,
    LOAD,
    LOST_AFTER,
    MODELS,
    answering,
    connected,
    kill,
    pids,
    three_hosts,
    until,
)

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600), pytest.mark.xdist_group("fleet")]

DAY = 86_400
DISK = 48 << 20
"""Bytes; the head's store takes some 27 MB of them."""

HEALED = 120.0
"""Seconds; Ray on a host that it has given up is begun anew, which takes a busy host half of it."""


@pytest.fixture(scope="module")
def hosts() -> Iterator[list[FleetHost]]:
    """Begun all at once, on clocks of their own; the head's store is on a small disk."""

    def prepare(made: list[FleetHost]) -> None:
        for host, days in zip(made, (1, 3, 0), strict=True):
            host.clock = days * DAY if has_clocks() else 0
            host.has_file(host.text)
        made[0].mount(store_of(made[0]), DISK)

    with three_hosts(prepare, busy=HEALED) as made:
        yield made


def store_of(host: FleetHost) -> Path:
    """Where it keeps what the head knows."""
    return host.state / "fleet" / f"head-{RAY.partition('==')[2]}"


def seen(host: FleetHost) -> dict:
    return host.status().get("fleet") or {}


def lost(host: FleetHost) -> set[str]:
    """Whom it takes for lost, as far as it has heard."""
    return {node for node, each in seen(host).get("hosts", {}).items() if each["lost"]}


def conditions(host: FleetHost) -> dict[str, str]:
    return {each["type"]: each["reason"] for each in host.status().get("conditions", [])}


def busiest(hosts: list[FleetHost]) -> tuple[FleetHost, list[FleetHost]]:
    """A host that has models and not the head, and the others, that with the head first."""
    found = max(hosts[1:], key=lambda host: len(host.models()))
    assert found.models()
    return found, [host for host in hosts if host is not found]


def settled(hosts: list[FleetHost], within: float = HEALED) -> None:
    """Wait until all hear an answer that is of now, nobody is lost, and each model runs once."""
    since = time.time()

    def so() -> bool:
        once = sorted(MODELS) == sorted(model for host in hosts for model in host.models())
        return once and connected(hosts, since) and not any(map(lost, hosts))

    until(so, hosts, within)


@contextmanager
def nobody_ends(hosts: list[FleetHost], *surplus: FleetHost) -> Iterator[None]:
    """Each model's process that lives now lives all the while; on `surplus` hosts others may begin, on none may end."""
    before = pids(hosts)
    yield
    for node, found in pids(hosts).items():
        assert before[node].items() <= found.items()
        assert before[node] == found or node in {host.node for host in surplus}


def test_hosts_that_begin_at_once_share_all_models_whatever_their_clocks_say(hosts):
    assert sorted(MODELS) == sorted(model for host in hosts for model in host.models())
    assert all(connected([host], 0) for host in hosts)


def test_a_cut_between_two_hosts_that_both_see_the_head_moves_nothing(hosts):
    _, b, c = hosts
    with nobody_ends(hosts):
        b.cut(c)
        try:
            end = time.monotonic() + LOST_AFTER + 5
            while time.monotonic() < end:
                assert not lost(hosts[0])
                time.sleep(0.5)
            # What another host has is not reached from here, and that is said; what is here answers.
            assert all(b.asks(model) == 200 for model in b.models())
            assert {b.asks(model) for model in c.models()} <= {502, 503}
        finally:
            b.heal(c)
    until(lambda: all(b.asks(model) == 200 for model in MODELS), hosts, within=HEALED)


def test_a_host_that_is_cut_off_from_the_head_serves_on_and_comes_back_with_an_old_file(hosts):
    b, (a, c) = busiest(hosts)
    theirs = b.models()
    newer = a.text + "# edited while b was away\n"
    a.cut(b)
    try:
        with nobody_ends(hosts, a, c):
            until(lambda: set(theirs) <= answering([a, c]), hosts, LOST_AFTER + 2 + LOAD + LATE)
            for host in (a, c):
                host.has_file(newer)
            until(lambda: all(seen(host).get("generation") == 2 for host in (a, c)), hosts, within=BUSY)
            assert all(b.asks(model) == 200 for model in theirs)
    finally:
        a.heal(b)
    with nobody_ends([a, c]):
        until(lambda: "FleetFileOld" in conditions(b), hosts, within=HEALED)
        settled(hosts)
        assert all(seen(host)["generation"] == 2 for host in (a, c))
        b.has_file(newer)
        until(lambda: "FleetFileOld" not in conditions(b) and seen(b)["generation"] == 2, hosts, within=BUSY)


def test_a_host_that_hangs_is_as_one_that_is_lost_and_gives_back_what_is_too_much(hosts):
    hung, others = busiest(hosts)
    theirs = hung.models()
    with nobody_ends(others, *others):
        hung.freeze()
        try:
            until(lambda: set(theirs) <= answering(others), others, LOST_AFTER + 2 + LOAD + LATE)
        finally:
            hung.thaw()
    with nobody_ends(others):
        settled(hosts)


def test_a_host_that_takes_itself_for_the_head_moves_nothing_and_is_taken_back(hosts):
    b, others = busiest(hosts)
    a, c = others
    right, theirs = b.text, b.models()
    with nobody_ends(hosts, a, c):
        b.has_file(right.replace(f"{a.address}:6379", f"{b.address}:6379"))
        until(lambda: "FleetPartitioned" in conditions(b), hosts, within=LOST_AFTER + HEALED)
        assert theirs == b.models()
        until(lambda: set(theirs) <= answering([a, c]), hosts, LOST_AFTER + 2 + LOAD + LATE)
    with nobody_ends([a, c]):
        b.has_file(right)
        settled(hosts)


def test_a_full_disk_under_the_head_is_told_and_heals_once_there_is_room(hosts):
    a = hosts[0]
    store = a.inside(store_of(a))
    with nobody_ends(hosts):
        with (store / "filler").open("wb", buffering=0) as filler, suppress(OSError):
            while True:
                filler.write(bytes(4096))
        kill(a.processes("gcs_server"))
        until(lambda: conditions(a).get("FleetConnected") == "HeadStoreFull", hosts, within=HEALED)
        assert all(host.asks(model) == 200 for host in hosts for model in MODELS)
        (store / "filler").unlink()
        settled(hosts)


def test_a_head_that_comes_back_with_nothing_of_what_it_knew_moves_nothing(hosts):
    a = hosts[0]
    store = a.inside(store_of(a))
    with nobody_ends(hosts):
        kill(a.processes("gcs_server") + a.processes("start --block"))
        for each in store.iterdir():
            shutil.rmtree(each) if each.is_dir() else each.unlink()
        settled(hosts)


def driver(hosts: list[FleetHost], code: str, within: float, **environ: str) -> str:
    """What a program prints that joins the fleet's Ray on the second host."""
    where = f"'{hosts[0].address}:6379', namespace='zoosup', _node_ip_address='{hosts[1].address}'"
    return hosts[1].run_python(f"import ray\nray.init({where})\n{code}", within, **environ)


OLD_CONTROLLER = """
class Old:
    def ping(self):
        return "MADE"
options = dict(name="zoosup-controller-0", lifetime="detached", num_cpus=0)
print(ray.get(ray.remote(Old).options(**options).remote().ping.remote()))
"""
NAMES = "from ray.util import list_named_actors\nprint('NAMED', *list_named_actors())"


def test_who_has_no_token_does_not_get_in_and_a_controller_of_another_protocol_is_ended(hosts):
    a = hosts[0]
    token = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": str(a.state.parent / "token")}

    def named() -> set[str]:
        found = [line.split() for line in driver(hosts, NAMES, BUSY, **token).splitlines()]
        return {name for words in found if words[:1] == ["NAMED"] for name in words[1:]}

    with nobody_ends(hosts):
        assert "NAMED" not in driver(hosts, NAMES, within=10)
        assert "MADE" in driver(hosts, OLD_CONTROLLER, BUSY, **token)
        assert len(named()) == 2, "the fleet's own, and the old one"
        kill(a.processes("zoosup link"))
        until(lambda: len(named()) == 1, hosts, within=HEALED)
        assert named() == {"zoosup-controller-1"}
        settled(hosts)


def test_hosts_that_lose_power_at_once_begin_with_another_head_where_the_first_is_gone_for_good(hosts):
    gone, *left = hosts
    for host in hosts:
        host.lose_power()
    for host in left:
        host.has_file(host.text.replace(f"{gone.address}:6379", f"{left[0].address}:6379"))
        host.start()
    until(lambda: answering(left) == set(MODELS), left, within=LOST_AFTER + 2 * HEALED)
    assert [2, 2] == [len(host.models()) for host in left]
    assert all(host.asks(model) == 200 for host in left for model in MODELS)
