"""The side by side in short: the cases can tell good from bad, and zoosup alone goes through some of them."""

import configparser
import json
import os
import subprocess
import sys

import pytest

from tests.containers.engines import RealEngine
from tests.containers.fixtures import docker, docker_session  # noqa: F401 - fixtures
from tests.peers import cases, oracle, run, table
from tests.peers.other_peers import Circus, Pm2, Supervisord
from tests.peers.supervisor import Program, Supervisor
from tests.peers.zoosup_peer import ZoosupPeer


@pytest.fixture(autouse=True)
def _hasty(monkeypatch):
    monkeypatch.setattr(cases, "SETTLE", 0.4)
    monkeypatch.setattr(cases, "RESTARTED", 2.0)


class Careless(Supervisor):
    """What the cases have to find out: it takes the leader's exit for the end, and knows nothing after its death."""

    name = "careless"
    settings = ""

    @classmethod
    def version(cls):
        return "0"

    @property
    def file(self):
        return self.home / "file"

    def text(self):
        return ""

    def start(self):
        self._began = [*getattr(self, "_began", []), *map(self._begin, self.programs)]

    def _begin(self, program):
        words = [*map(str, program.words)]
        return subprocess.Popen(words, cwd=program.cwd, stdout=subprocess.DEVNULL, start_new_session=True)

    def pid(self):
        return os.getpid()

    def kill(self):
        pass

    def stop(self, name):
        for process in self._began:
            process.terminate()
            process.wait(oracle.DEADLINE)

    def apply(self, way):
        self.stop("")
        self.start()

    def close(self):
        for process in self._began:
            process.kill()
            process.wait(oracle.DEADLINE)


class Ruthless(Careless):
    """It does not even ask."""

    def stop(self, name):
        for process in self._began:
            process.kill()
            process.wait(oracle.DEADLINE)


def programs(tmp_path):
    return [Program("some", ["/bin/sleep", "600"], tmp_path, grace=3, restarts=False)]


def test_orphans_are_counted_when_a_supervisor_waits_for_the_leader_alone():
    found = dict(cases.ladder(Careless, ["plain", "setsid child", "setsid child, cleared environment"]))
    orphans = "orphans, 1 of 1 times"
    assert ["nothing", orphans, orphans] == list(found.values())


def test_second_copies_are_counted_when_a_supervisor_forgets():
    found = dict(cases.death(Careless))
    assert "2" == found["and restarted: processes of one program"]


def test_a_supervisor_that_restarts_everything_on_a_broken_file_is_found_out():
    assert ["restarted"] == [outcome for _, outcome in cases.slip(Careless)]


def test_zoosup_leaves_nothing_of_what_ignores_being_stopped():
    labels = ["setsid child ignoring TERM", "leader already crashed"]
    assert ["nothing"] * len(labels) == [outcome for _, outcome in cases.ladder(ZoosupPeer, labels)]


def test_zoosup_killed_and_restarted_has_the_same_processes():
    assert ["lives", "1 (the same)"] == [outcome for _, outcome in cases.death(ZoosupPeer)]


def test_zoosup_leaves_processes_alone_when_the_file_is_broken():
    assert ["untouched"] == [outcome for _, outcome in cases.slip(ZoosupPeer)]


def test_what_is_left_of_containers_is_counted(docker: RealEngine):  # noqa: F811
    assert ["orphans"] == [outcome for _, outcome in cases.container_that_ignores_term(Ruthless, docker)]
    assert ["2"] == [outcome for _, outcome in cases.container_across_death(Careless, docker)]


def test_zoosup_leaves_no_container_nor_a_second_copy_of_one(docker: RealEngine):  # noqa: F811
    rows = [
        *cases.container_that_ignores_term(ZoosupPeer, docker),
        *cases.container_without_client(ZoosupPeer, docker),
        *cases.container_across_death(ZoosupPeer, docker),
    ]
    assert ["nothing", "a new one with a client", "1 (the same)"] == [outcome for _, outcome in rows]


def test_a_process_is_seen_that_has_left_all_but_its_folder(tmp_path):
    place = tmp_path / "place"
    place.mkdir()
    words = [os.path.realpath(sys.executable), str(cases.PROGRAMS), "session-child-cleared", str(place)]
    with subprocess.Popen(words, cwd=place) as process:
        leader = oracle.wait_leader(place)
        assert {leader, oracle.noted(place, "child")} == {each.pid for each in oracle.living(place)}
        assert [] == oracle.living(tmp_path / "elsewhere")
        oracle.sweep(tmp_path)
        process.wait(oracle.DEADLINE)
    assert [] == oracle.living(tmp_path)


def test_supervisord_is_told_to_stop_whole_groups(tmp_path):
    supervisor = Supervisord(tmp_path / "home", programs(tmp_path))
    read = configparser.RawConfigParser()
    read.read_string(supervisor.text())
    section = read["program:some"]
    assert "/bin/sleep 600" == section["command"]
    assert ("true", "true", "3") == tuple(section[k] for k in ("stopasgroup", "killasgroup", "stopwaitsecs"))
    assert ("false", str(tmp_path)) == (section["autorestart"], section["directory"])


def test_circus_is_told_to_stop_children_too(tmp_path):
    read = configparser.RawConfigParser()
    read.read_string(Circus(tmp_path / "home", programs(tmp_path)).text())
    section = read["watcher:some"]
    assert ("True", "3", "False") == tuple(
        section[k] for k in ("stop_children", "graceful_timeout", "respawn")
    )
    assert ("/bin/sleep 600", str(tmp_path)) == (section["cmd"], section["working_dir"])


def test_pm2_is_given_the_words_as_they_are(tmp_path):
    text = Pm2(tmp_path / "home", programs(tmp_path)).text()
    (app,) = json.loads(text.removeprefix("module.exports = "))["apps"]
    assert ("/bin/sleep", ["600"], "none") == (app["script"], app["args"], app["interpreter"])
    assert (3000, False, str(tmp_path)) == (app["kill_timeout"], app["autorestart"], app["cwd"])


def test_a_supervisor_that_lacks_a_case_has_a_dash_in_its_column():
    results = {"a case": {"x 1": "0", "y 2": "1"}, "another": {"y 2": "fine"}}
    assert "| another | - | fine |" == table.markdown(results, ["x 1", "y 2"]).splitlines()[-1]
    assert ["another", "-", "fine"] == table.plain(results, ["x 1", "y 2"]).splitlines()[-1].split()


@pytest.mark.parametrize(
    ("row", "outcome", "broken"),
    [
        ("left after “stopped”: plain", "orphans, 1 of 3 times", True),
        ("left after “stopped”: plain", "nothing", False),
        ("and restarted: processes of one program", "2", True),
        ("client of a container killed: what runs then", "the old one without a client", True),
        ("a broken file: running programs", "restarted", True),
        ("first crash: until the next start, ms", "9000", False),
    ],
)
def test_only_a_promise_that_zoosup_breaks_fails_the_run(row, outcome, broken):
    results = {row: {"zoosup 1": outcome, "circus 1": "whatever"}}
    assert broken == bool(run._broken(results))
