"""Three hosts over real Ray: a model's process dies with its own host alone, whatever else is killed."""

import json
import signal
import time
import venv
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.e2e.fleet_hosts import FleetHost
from tests.e2e.three_hosts import (
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


@pytest.fixture(scope="module")
def hosts() -> Iterator[list[FleetHost]]:
    """Three of them, all of whose models answer."""
    with three_hosts() as made:
        yield made


def generations(hosts: list[FleetHost]) -> set[int]:
    """Of their files, by the fleet's count."""
    return {(host.status().get("fleet") or {}).get("generation", 0) for host in hosts}


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
