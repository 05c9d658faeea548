"""Three hosts over real Ray: a model's process dies with its own host alone, whatever else is killed."""

import json
import os
import shutil
import signal
import time
import venv
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.e2e.fleet_hosts import (
    CannotInstallError,
    CannotIsolateError,
    FleetHost,
    fleet_hosts,
    python_with_ray,
)

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600), pytest.mark.xdist_group("fleet")]

LOST_AFTER = 20.0
LOAD = 1.0
LATE = 10.0
"""Seconds that a busy host of two cores may be late with what takes it a tenth of one."""

BUSY = 40.0
"""Seconds; it takes a quarter of that on two cores that have nothing else to do."""

MODELS = ("m1", "m2", "m3", "m4")
FILE = (
    f"active: [{', '.join(MODELS)}]\n"
    "fleet: {{head: '{head}', node: '${{env.NODE}}', token_file: {token}, lost_after: 20s}}\n"
    "gateway: {{listen: 0.0.0.0:8080, open: true}}\n"
    "status: {{listen: null}}\n"
    "budget: {{ram: 700MiB, ram_reserve: 50MiB}}\n"
    "defaults:\n"
    "  memory: {{ram: 300MiB}}\n"
    "  command: ${{env.PY}} -m zoosup.demo --host ${{HOST}} --port ${{PORT}} --load-time 1s --model-id ${{MODEL_ID}}\n"
    "models: {{m1: {{}}, m2: {{}}, m3: {{}}, m4: {{}}}}\n"
)


@pytest.fixture(scope="module")
def hosts() -> Iterator[list[FleetHost]]:
    """Three of them, all of whose models answer."""
    if os.geteuid() != 0 or not all(map(shutil.which, ("ip", "nsenter", "unshare"))):
        pytest.skip("network namespaces need root, ip (iproute2), nsenter and unshare (util-linux)")
    try:
        python = python_with_ray()
    except CannotInstallError as error:
        pytest.skip(f"Ray can't be had: {error}")
    try:
        with fleet_hosts(3, FILE, python) as made:
            _begin(made)
            yield made
    except CannotIsolateError as error:
        pytest.skip(f"no networks can be made here: {error}")


def _begin(made: list[FleetHost]) -> None:
    """Start them, and wait until all models answer; a host that is too busy for Ray is no fault of zoosup's."""
    for host in made:
        host.start()
    began = time.monotonic()
    try:
        until(lambda: answering(made) == set(MODELS), made, within=200)
    except AssertionError:
        if os.getloadavg()[0] <= 2 * (os.cpu_count() or 1):
            raise
    if time.monotonic() - began > LOST_AFTER + BUSY:
        # Ray gives a node of its own 30 s to start, and then begins it anew: nothing can be said of how soon.
        pytest.skip("this host is too busy: three Rays took too long to start")


def until(true: Callable[[], object], hosts: list[FleetHost], within: float) -> float:
    began = time.monotonic()
    while not true():
        told = "\n".join(f"{host.node} {host.models()} {host.log()}" for host in hosts)
        assert time.monotonic() - began < within, told
        time.sleep(0.1)
    return time.monotonic() - began


def answering(hosts: list[FleetHost]) -> set[str]:
    return set().union(*(host.ready() for host in hosts))


def pids(hosts: list[FleetHost]) -> dict[str, dict[str, int]]:
    return {host.node: host.models() for host in hosts}


def generations(hosts: list[FleetHost]) -> set[int]:
    """Of their files, by the fleet's count."""
    return {(host.status().get("fleet") or {}).get("generation", 0) for host in hosts}


def connected(hosts: list[FleetHost], since: float) -> bool:
    """Whether each has heard an answer since then (wall time), of a controller that decides."""
    found = [host.status().get("fleet") or {} for host in hosts]
    return all((f.get("heard_at") or 0) > since and f["connected"] and not f["settling"] for f in found)


@contextmanager
def edited(file: Path, *replacements: tuple[str, str]) -> Iterator[None]:
    """The file that all share, changed for a while."""
    before = text = file.read_text()
    for old, new in replacements:
        assert old in text
        text = text.replace(old, new)
    for each in (text, before):
        fresh = file.with_name("fresh")
        fresh.write_text(each)
        fresh.replace(file)
        if each is text:
            yield


def kill(found: list[int]) -> None:
    assert found
    for pid in found:
        os.kill(pid, signal.SIGKILL)


def test_each_model_answers_on_one_host(hosts):
    assert sorted(MODELS) == sorted(model for host in hosts for model in host.models())
    assert all(len(host.models()) <= 2 for host in hosts)


def test_links_that_are_killed_come_back_and_no_model_notices(hosts):
    before, now = pids(hosts), time.time()
    for host in hosts:
        kill(host.processes("zoosup link"))
    until(lambda: connected(hosts, now + 1), hosts, within=60)
    assert before == pids(hosts)


def test_ray_of_a_worker_that_is_killed_comes_back_and_no_model_notices(hosts):
    before, old = pids(hosts), hosts[1].processes("raylet/raylet")
    kill(old)
    until(lambda: set(hosts[1].processes("raylet/raylet")) - set(old), hosts, within=120)
    until(lambda: connected(hosts, time.time() - LOST_AFTER - LATE), hosts, within=60)
    assert before == pids(hosts)


def test_the_controller_that_is_killed_is_restarted_and_moves_nothing(hosts):
    before, now = pids(hosts), time.time()
    kill(hosts[0].processes("ray::RayController"))
    until(lambda: connected(hosts, now + 2), hosts, within=90)
    assert before == pids(hosts)


def test_a_zoosup_that_is_killed_is_followed_by_one_that_takes_over_models_and_ray(hosts):
    before, now, ray = pids(hosts), time.time(), hosts[2].processes("raylet/raylet")
    hosts[2].kill_zoosup()
    time.sleep(1)
    hosts[2].start()
    until(lambda: connected(hosts, now + 2), hosts, within=90)
    assert (before, ray) == (pids(hosts), hosts[2].processes("raylet/raylet"))


def test_the_heads_ray_that_is_killed_comes_back_and_no_model_notices(hosts):
    before, now = pids(hosts), time.time()
    kill(hosts[0].processes("gcs_server") + hosts[0].processes("start --block"))
    until(lambda: connected(hosts, now + 5), hosts, within=200)
    assert before == pids(hosts)


def test_another_ray_on_all_hosts_ends_no_model_and_costs_nobody_an_answer(hosts, tmp_path):
    """The same version in another place: what makes it another one is told by the units (`test_fleet_children`)."""
    before, old = pids(hosts), [host.processes("raylet/raylet") for host in hosts]
    python = tmp_path / "bin" / "python"
    venv.create(tmp_path, symlinks=True)
    (site,) = tmp_path.glob("lib/*/site-packages")
    (site / "old.pth").write_text(str(next(Path(hosts[0].python).parents[1].glob("lib/*/site-packages"))))
    file, (generation,) = hosts[0].file, generations(hosts)
    with edited(file, ("lost_after: 20s", "lost_after: 1h")):
        until(lambda: generations(hosts) == {generation + 1}, hosts, within=60)
        clients = [host.asking(*MODELS) for host in hosts]
        for host in hosts:
            host.signal_zoosup(signal.SIGQUIT)
            host.start(python)
        now = time.time()
        until(lambda: connected(hosts, now), hosts, within=200)
        told = [json.loads(each.communicate()[0]) for each in clients]
    new = [host.processes("raylet/raylet") for host in hosts]
    assert all(new)
    assert not {pid for each in old for pid in each} & {pid for each in new for pid in each}
    assert before == pids(hosts)
    assert [] == [line for each in told for line in each["bad"]]
    assert all(each["asked"] == each["answered"] > 0 for each in told)
    until(lambda: generations(hosts) == {generation + 2}, hosts, within=60)


def test_models_of_a_host_that_is_killed_answer_elsewhere_in_time(hosts):
    lost = max(hosts[1:], key=lambda host: len(host.models()))
    others = [host for host in hosts if host is not lost]
    before, theirs = pids(others), set(lost.models())
    assert theirs
    lost.lose_power()
    until(lambda: theirs <= answering(others), others, within=LOST_AFTER + 2 + LOAD + LATE)
    after = pids(others)
    assert all(found.items() <= after[node].items() for node, found in before.items())


def test_a_zoosup_that_ends_leaves_nothing(hosts):
    host = hosts[0]
    host.signal_zoosup(signal.SIGTERM)
    until(lambda: not host.processes("python") + host.processes("ray"), [host], within=15)
