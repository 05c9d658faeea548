"""Three hosts over real Ray that all of its tests begin with: their file, and what is so on them."""

import os
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from tests.e2e.fleet_hosts import (
    CannotInstallError,
    CannotIsolateError,
    FleetHost,
    fleet_hosts,
    python_with_ray,
)

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


@contextmanager
def three_hosts(
    prepare: Callable[[list[FleetHost]], None] = lambda _: None, busy: float = BUSY
) -> Iterator[list[FleetHost]]:
    """Three of them, all of whose models answer; `prepare` is called before any begins. Skips where none can be.

    `busy`: seconds beyond the lease after which their start has taken too long for anything to be said of times.
    """
    if os.geteuid() != 0 or not all(map(shutil.which, ("ip", "nsenter", "unshare"))):
        pytest.skip("network namespaces need root, ip (iproute2), nsenter and unshare (util-linux)")
    try:
        python = python_with_ray()
    except CannotInstallError as error:
        pytest.skip(f"Ray can't be had: {error}")
    try:
        with fleet_hosts(3, FILE, python) as made:
            prepare(made)
            _begin(made, busy)
            yield made
    except CannotIsolateError as error:
        pytest.skip(f"no networks can be made here: {error}")


def _begin(made: list[FleetHost], busy: float) -> None:
    """Start them, and wait until all models answer; a host that is too busy for Ray is no fault of zoosup's."""
    for host in made:
        host.start()
    began = time.monotonic()
    try:
        until(lambda: answering(made) == set(MODELS), made, within=200)
    except AssertionError:
        if os.getloadavg()[0] <= 2 * (os.cpu_count() or 1):
            raise
    if time.monotonic() - began > LOST_AFTER + busy:
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


def connected(hosts: list[FleetHost], since: float) -> bool:
    """Whether each has heard an answer since then (wall time), of a controller that decides."""
    found = [host.status().get("fleet") or {} for host in hosts]
    return all((f.get("heard_at") or 0) > since and f["connected"] and not f["settling"] for f in found)


def kill(found: list[int]) -> None:
    assert found
    for pid in found:
        os.kill(pid, signal.SIGKILL)
