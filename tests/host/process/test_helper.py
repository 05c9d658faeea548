"""Processes beside zoosup: known again by their mark, and ended with all that they have started."""

import contextlib
import os
import signal
import sys
import time

import psutil
import pytest

from zoosup.host.process.helper import LOG_LIMIT, Helper

TREE = (
    "import subprocess, sys, time; subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(99)']); "
    "print('up', flush=True); time.sleep(99)"
)
STUBBORN = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(99)"


@pytest.fixture
def owner(tmp_path):
    return f"test{os.getpid()}{tmp_path.name[-20:]}"


@pytest.fixture
def make(tmp_path, owner):
    made = []

    def helper(name="ray"):
        made.append(Helper(owner, name, tmp_path / "logs" / f"{name}.log"))
        return made[-1]

    yield helper
    for each in made:
        each.end(0.0)


def begin(helper, code=TREE, what="a1"):
    helper.begin(what, [sys.executable, "-c", code], dict(os.environ))
    deadline = time.monotonic() + 20
    while "up" not in helper.last_words and time.monotonic() < deadline:
        time.sleep(0.02)


def living(owner):
    found = []
    for process in psutil.process_iter():
        try:
            marked = owner in process.environ().get("ZOOSUP_HELPER", "")
            if marked and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process.pid)
        except psutil.Error:
            continue
    return found


def test_it_is_ended_with_all_that_it_has_started(make, owner):
    helper = make()
    begin(helper)
    assert helper.is_running()
    assert 2 == len(living(owner))
    helper.end(5.0)
    assert (False, []) == (helper.is_running(), living(owner))


def test_one_that_ignores_sigterm_is_killed(make, owner):
    helper = make()
    begin(helper, STUBBORN)
    began = time.monotonic()
    helper.end(0.3)
    assert [] == living(owner)
    assert 0.3 <= time.monotonic() - began < 10


def test_a_later_zoosup_knows_it_again_and_ends_it(make, owner):
    begin(make())
    later = make()
    assert later.adopt("a1")
    assert later.is_running()
    later.end(5.0)
    assert [] == living(owner)


def test_one_that_was_begun_as_something_else_is_ended(make, owner):
    begin(make())
    later = make()
    assert not later.adopt("b2")
    assert [] == living(owner)


def test_one_whose_first_process_is_dead_is_no_more(make, owner):
    helper = make()
    begin(helper)
    (leader,) = (pid for pid in living(owner) if os.getsid(pid) == pid)
    os.kill(leader, signal.SIGKILL)
    while helper.is_running():
        time.sleep(0.02)
    assert 1 == len(living(owner))
    assert not make().adopt("a1")
    assert [] == living(owner)


TITLED = (
    "import os, subprocess, sys, time; "
    "subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(97)'], env={}); "
    "print('up', flush=True); time.sleep(99)"
)


def test_who_hides_its_environment_is_ended_with_the_others_also_when_the_first_is_dead(make, owner):
    helper = make()
    begin(helper, TITLED)
    (leader,) = living(owner)
    (hidden,) = (child.pid for child in psutil.Process(leader).children())
    os.kill(leader, signal.SIGKILL)
    helper.end(0.0)
    with contextlib.suppress(psutil.NoSuchProcess):  # it may be collected while it is looked at
        assert psutil.STATUS_ZOMBIE == psutil.Process(hidden).status()


def test_another_state_directorys_or_another_names_is_left_alone(make, owner, tmp_path):
    begin(make())
    assert not make("link").adopt("a1")
    assert not Helper(f"{owner}x", "ray", tmp_path / "x.log").adopt("a1")
    assert 2 == len(living(owner))


def test_what_it_prints_is_kept_small_and_the_life_before_is_kept(make, tmp_path):
    helper = make()
    begin(helper, f"print('x' * {2 * LOG_LIMIT}); {STUBBORN}")
    helper.bound_log()
    assert "" == helper.last_words
    helper.end(0.0)
    begin(helper)
    assert {"ray.log", "ray.log.1"} == {each.name for each in (tmp_path / "logs").iterdir()}


def test_a_log_that_is_just_full_is_kept(make, tmp_path):
    helper, log = make(), tmp_path / "logs/ray.log"
    assert "" == helper.last_words
    helper.bound_log()  # there is none
    log.parent.mkdir()
    log.write_bytes(b"a" + b"x" * (LOG_LIMIT - 1))
    helper.bound_log()
    assert (LOG_LIMIT, "x" * 4096) == (log.stat().st_size, helper.last_words)
    log.write_bytes(b"\xff" * 9)
    assert "\N{REPLACEMENT CHARACTER}" * 9 == helper.last_words


def test_what_a_helper_has_to_read_and_where_it_is_are_nobodys(make, tmp_path, owner):
    helper = make()
    code = (
        "import os, sys; print(os.getcwd(), repr(sys.stdin.read()), os.getsid(0) == os.getpid(), "
        "os.environ['ZOOSUP_HELPER']); print('err up', file=sys.stderr)"
    )
    begin(helper, code, what="w")
    deadline = time.monotonic() + 20
    while helper.is_running() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert {f"/ '' True {owner}-ray=w", "err up"} == set(helper.last_words.splitlines())
    assert 0o700 == (tmp_path / "logs").stat().st_mode & 0o777


def test_one_that_ends_when_it_is_asked_to_is_not_waited_for(make, owner):
    helper = make()
    begin(helper)
    began = time.monotonic()
    helper.end(60.0)
    assert time.monotonic() - began < 20
    assert [] == living(owner)
    helper.end(60.0)  # nobody is left
    assert not helper.is_running()
