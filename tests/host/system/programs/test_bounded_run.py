"""Programs that are run for what they print, and every way in which they may refuse to end."""

import sys
import threading
import time
from pathlib import Path

import psutil
import pytest

from tests.host.conftest import lives
from zoosup.host.system.programs import bounded_run
from zoosup.host.system.programs.bounded_run import LIMIT, run

SHORT, LONG = 0.3, 30.0


def ran(text: str, within: float = LONG, given_up: threading.Event | None = None):
    return run((sys.executable, "-c", text), {}, Path.cwd(), within, given_up or threading.Event())


def test_what_it_prints_and_how_it_ends_is_told():
    found = ran("import sys; print('out'); print('err', file=sys.stderr); sys.exit(3)")
    assert ("out\n", "err\n", 3, "") == (found.out, found.err, found.code, found.problem)


def test_all_of_it_is_read_also_from_one_that_ends_at_once():
    found = ran(f"import os; os.write(1, b'x' * 60_000); print('x' * {LIMIT - 60_002})")
    assert (LIMIT - 1, 0) == (len(found.out), found.code)


def test_one_that_hangs_is_ended_even_where_it_ignores_being_asked(tmp_path):
    told = tmp_path / "pid"
    began = time.monotonic()
    found = ran(
        "import os, signal, time\n"
        "for each in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP): signal.signal(each, signal.SIG_IGN)\n"
        f"print('so far', flush=True); open({str(told)!r}, 'w').write(str(os.getpid())); time.sleep(600)",
        within=1.0,
    )
    assert ("so far\n", None, "no answer within 1 s") == (found.out, found.code, found.problem)
    assert time.monotonic() - began < 20
    assert not psutil.pid_exists(int(told.read_text()))


@pytest.mark.parametrize("stream", [1, 2])
def test_one_that_never_stops_printing_is_ended_and_its_output_not_kept(stream):
    found = ran(f"import os\nwhile True: os.write({stream}, b'Host 1 2 3\\n' * 999)")
    assert (None, f"more than {LIMIT // 1024} KiB printed") == (found.code, found.problem)
    assert LIMIT == len(found.out) + len(found.err)


def test_what_it_has_started_ends_with_it_and_keeps_nobody_waiting(tmp_path):
    told = tmp_path / "pid"
    began = time.monotonic()
    found = ran(
        "import subprocess, sys\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
        f"open({str(told)!r}, 'w').write(str(child.pid)); print('done')"
    )
    assert ("done\n", 0) == (found.out, found.code)
    assert time.monotonic() - began < 20
    end = time.monotonic() + 10
    while lives(int(told.read_text())) and time.monotonic() < end:  # SIGKILL takes a moment
        time.sleep(0.01)
    assert not lives(int(told.read_text()))


def test_one_that_is_given_up_is_ended_at_once():
    given_up = threading.Event()
    threading.Timer(SHORT, given_up.set).start()
    began = time.monotonic()
    assert "given up" == ran("import time; time.sleep(600)", given_up=given_up).problem
    assert time.monotonic() - began < 20


def test_one_that_closes_its_output_is_waited_for_all_the_same():
    found = ran("import os, time; os.write(1, b'all'); os.close(1); os.close(2); time.sleep(.3); os._exit(4)")
    assert ("all", 4) == (found.out, found.code)


def test_what_can_not_be_started_is_an_error_of_the_system(tmp_path):
    with pytest.raises(OSError, match="No such file"):
        run((str(tmp_path / "none"),), {}, tmp_path, LONG, threading.Event())


def test_no_descriptor_stays_open():
    before = psutil.Process().num_fds()
    for _ in range(5):
        ran("print(1)")
        ran("import time; time.sleep(600)", within=0.05)
    assert before == psutil.Process().num_fds()


def test_one_that_closes_its_output_is_waited_for_without_turning_in_circles(monkeypatch):
    looks = []
    has_ended = bounded_run.has_ended
    monkeypatch.setattr(bounded_run, "has_ended", lambda pid: looks.append(pid) or has_ended(pid))
    assert 4 == ran("import os, time; os.close(1); os.close(2); time.sleep(.4); os._exit(4)").code
    assert len(looks) < 200


def test_just_as_much_as_may_be_printed_is_too_much():
    assert "" == ran(f"import os; os.write(1, b'x' * 65_000); print('x' * {LIMIT - 65_002})").problem
    assert ran(f"import time; print('x' * {LIMIT - 1}, flush=True); time.sleep(60)").problem.startswith(
        "more than 256 KiB"
    )


def test_it_has_the_environment_the_directory_and_nothing_to_read(tmp_path):
    text = (
        "import os, sys; print(os.getcwd(), os.environ['A'], sys.stdin.read(), os.getsid(0) == os.getpid())"
    )
    found = run((sys.executable, "-c", text), {"A": "b"}, tmp_path, LONG, threading.Event())
    assert f"{tmp_path} b  True\n" == found.out
