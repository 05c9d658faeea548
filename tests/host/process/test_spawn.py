"""What a model is given at its start, and what is said when it can't be started."""

import asyncio
import errno
import fcntl
import os
import shutil
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from tests.host.conftest import RUN, SUITE
from zoosup.core.state.phases import ExitReason
from zoosup.host.ports.host import SpawnError
from zoosup.host.ports.launch import Launch
from zoosup.host.process import posix_spawn, spawn
from zoosup.host.process.spawn import OOM_SCORE_ADJ


@pytest.fixture(params=["spawned", "forked"], autouse=True)
def way(request, monkeypatch):
    """Both ways to a process: each promise holds for either."""
    if request.param == "forked":
        monkeypatch.setattr(spawn, "can_spawn", lambda: False)
    elif not posix_spawn.can_spawn():
        pytest.skip("this system, or its container, has no posix_spawn that serves")
    return request.param


linux = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


async def refusal(harness, *argv, **changes):
    with pytest.raises(SpawnError) as caught:
        await harness.processes.spawn(harness.launch(RUN, *argv, **changes))
    assert {} == harness.processes._runs
    assert [] == psutil.Process().children()
    return caught.value


def program(harness, name, content, mode=0o755):
    path = harness.place / name
    path.write_text(content)
    path.chmod(mode)
    return str(path)


async def test_a_missing_program_is_named(harness):
    error = await refusal(harness, "/nowhere/llama-server", "-m", "x")
    assert (ExitReason.NOT_EXECUTABLE, "can't run /nowhere/llama-server: No such file or directory") == (
        error.reason,
        str(error),
    )


async def test_a_program_that_is_not_in_the_childs_path_is_named_with_that_path(harness):
    error = await refusal(harness, "ls", env={"PATH": "/nowhere"})
    assert (ExitReason.NOT_EXECUTABLE, "can't run ls: not found in PATH (/nowhere)") == (
        error.reason,
        str(error),
    )


async def test_a_script_whose_interpreter_is_missing_says_so(harness):
    script = program(harness, "script", "#!/nowhere/python\n")
    error = await refusal(harness, script)
    assert ExitReason.NOT_EXECUTABLE == error.reason
    assert f"can't run {script}: the interpreter or loader that it names does not exist" == str(error)


async def test_a_file_without_permission_is_named(harness):
    script = program(harness, "script", "#!/bin/sh\n", 0o644)
    error = await refusal(harness, script)
    assert (ExitReason.NOT_EXECUTABLE, f"can't run {script}: Permission denied") == (error.reason, str(error))


async def test_a_file_that_is_no_program_is_named(harness):
    script = program(harness, "script", "no program\n")
    error = await refusal(harness, script)
    assert ExitReason.NOT_EXECUTABLE == error.reason
    assert "a script needs a first line such as #!/bin/sh" in str(error)


async def test_a_missing_working_directory_is_named(harness):
    error = await refusal(harness, "true", cwd="/nowhere")
    assert ExitReason.NOT_EXECUTABLE == error.reason
    assert "can't change to the working directory /nowhere: No such file or directory" == str(error)
    error = await refusal(harness, "true", cwd="/nowhere/")
    assert "can't change to the working directory /nowhere/: No such file or directory" == str(error)


async def test_a_working_directory_that_is_none_is_named(harness):
    error = await refusal(harness, "true", cwd="/etc/passwd")
    assert "can't change to the working directory /etc/passwd: Not a directory" == str(error)


async def test_a_nul_in_the_working_directory_is_for_a_person_to_mend(harness):
    assert ExitReason.NOT_EXECUTABLE == (await refusal(harness, "true", cwd="/tmp\0x")).reason


@linux
def test_what_the_host_is_short_of_is_no_reason_to_take_another_program_of_that_name(tmp_path, monkeypatch):
    asked = []

    class Library:
        def __getattr__(self, name):
            return getattr(library, name)

        def posix_spawn(self, _pid, program, *_):
            asked.append(program)
            return errno.EAGAIN

    library = posix_spawn._libc
    monkeypatch.setattr(posix_spawn, "_libc", Library())
    with (tmp_path / "log").open("w") as log, pytest.raises(BlockingIOError):
        posix_spawn.spawn(["true"], {"PATH": "/bin:/usr/bin"}, None, log.fileno(), 0o22)
    assert [b"/bin/true"] == asked


async def test_too_long_an_argument_is_for_a_person_to_mend(harness):
    error = await refusal(harness, "true", "x" * (4 << 20))
    assert (ExitReason.NOT_EXECUTABLE, "can't run true: arguments and environment together are too long") == (
        error.reason,
        str(error),
    )


async def test_a_nul_in_an_argument_is_for_a_person_to_mend(harness):
    assert ExitReason.NOT_EXECUTABLE == (await refusal(harness, "true", "a\0b")).reason


async def test_a_program_that_is_being_written_may_do_later(harness):
    path = program(harness, "program", "")
    Path(path).write_bytes(Path("/bin/sleep").read_bytes())
    with Path(path).open("ab"):
        assert ExitReason.ERROR == (await refusal(harness, path)).reason


async def test_a_log_that_cannot_be_opened_is_named(harness):
    error = await refusal(harness, "true", log=Path("/nowhere/m.log"))
    assert (ExitReason.ERROR, "can't open the log /nowhere/m.log: No such file or directory") == (
        error.reason,
        str(error),
    )


async def test_a_refused_spawn_may_be_tried_again(harness):
    await refusal(harness, "/nowhere/program")
    assert 1 < await harness.spawn(RUN, "/bin/sleep", "600")


LOOK = """
import os, signal, sys
print(sorted(int(fd) for fd in os.listdir("/proc/self/fd") if os.path.exists(f"/proc/self/fd/{fd}")))
print(os.getsid(0) == os.getpid() == os.getpgrp())
print(os.readlink("/proc/self/fd/0"))
print(signal.pthread_sigmask(signal.SIG_BLOCK, ()))
ignored = {"SIGPIPE", "SIGXFSZ"}  # of Python's own doing
print(sorted({s.name for s in signal.Signals if signal.getsignal(s) is signal.SIG_IGN} - ignored))
mask = os.umask(0); print(oct(mask))
print(sorted(os.environ), os.getcwd())
sys.stderr.write("error\\n")
"""


@linux
async def test_a_child_has_nothing_of_ours_but_what_it_was_given(harness):
    leak = os.open("/dev/zero", os.O_RDONLY)
    os.set_inheritable(leak, True)
    old_mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGUSR1})
    try:
        await harness.processes.spawn(
            harness.launch(RUN, sys.executable, "-IS", "-c", LOOK, env={"ONLY": "this"}, cwd="/")
        )
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, old_mask)
        os.close(leak)
    await harness.exited()
    expected = """\
        [0, 1, 2]
        True
        /dev/null
        set()
        []
        0o22
        ['LC_CTYPE', 'ONLY'] /
        error
        """
    assert textwrap.dedent(expected).splitlines() == sorted_error_last(harness.log())


def sorted_error_last(text):
    """Both streams go to the one file, unbuffered and buffered."""
    lines = text.splitlines()
    return [*(line for line in lines if line != "error"), *(line for line in lines if line == "error")]


@linux
async def test_a_signal_that_we_ignore_is_not_ignored_by_the_child(tmp_path):
    code = f"""
import asyncio, signal, sys
from pathlib import Path
from types import SimpleNamespace
for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD):
    signal.signal(number, signal.SIG_IGN)
from zoosup.host.ports.launch import Launch
from zoosup.host.ports.host import Ladder
from zoosup.host.process.processes import Processes
async def main():
    ended = asyncio.Event()
    processes = Processes(lambda *_: ended.set())
    pid = await processes.spawn(Launch({RUN!r}, "m", ("sleep", "600"), {{"PATH": "/bin:/usr/bin"}}, None,
                                       Path({str(tmp_path / "log")!r})))
    print(next(line for line in open(f"/proc/{{pid}}/status") if line.startswith("SigIgn")).split()[1])
    print(await processes.terminate({RUN!r}, Ladder("TERM", 60)))
    signal.raise_signal(signal.SIGTERM)  # still has no effect on us
    await processes.close()
asyncio.run(main())
"""
    process = psutil.Popen([sys.executable, "-c", code], stdout=-1)
    output = process.communicate()[0].decode()
    assert 0 == process.returncode
    assert 0 == int(output.splitlines()[0], 16)
    assert "signal='SIGTERM'" in output.splitlines()[1]


@linux
async def test_the_kernel_is_told_to_take_models_first(harness):
    pid = await harness.spawn(RUN, "/bin/sleep", "600")
    assert OOM_SCORE_ADJ == int(Path(f"/proc/{pid}/oom_score_adj").read_text())


async def test_the_log_is_appended_to_and_the_owners_alone(harness):
    (harness.place / f"{RUN}.log").write_text("before\n")
    (harness.place / f"{RUN}.log").chmod(0o600)
    await harness.spawn(RUN, "echo", "after")
    await harness.exited()
    assert "before\nafter\n" == harness.log()
    await harness.spawn(f"r2-{SUITE}", "true")
    assert 0o600 == (harness.place / f"r2-{SUITE}.log").stat().st_mode & 0o777


@linux
async def test_a_program_on_a_disk_that_hangs_stops_nobody_else(harness, way):
    """A lease on the file holds its exec up, as a dead NFS mount does."""
    held = Path(shutil.copy("/bin/true", harness.place / "held")).open()  # noqa: SIM115 - closed below
    told = signal.signal(signal.SIGIO, lambda *_: None)  # the kernel's request to give the lease up
    fcntl.fcntl(held, fcntl.F_SETLEASE, fcntl.F_WRLCK)
    try:
        start = asyncio.create_task(harness.spawn(RUN, held.name))
        turns, until = 0, time.monotonic() + 0.5
        while time.monotonic() < until:
            await asyncio.sleep(0.01)
            turns += 1
        assert turns > 10
        assert not start.done()
        assert "exec hangs" in await end_early(harness)
    finally:
        held.close()  # and the lease with it
        signal.signal(signal.SIGIO, told)
    await start
    assert "" == await harness.end()


async def end_early(harness):
    harness.give_up_after(0.1)
    return await harness.end(grace=0.1)


def test_the_way_by_fork_keeps_its_lock_no_longer():
    """Python's vfork would stop the whole program until the exec has returned."""
    assert vars(subprocess)["_USE_VFORK"] is False


@pytest.mark.skipif(sys.platform != "linux", reason="Linux alone has a umask for each thread")
@pytest.mark.parametrize(
    ("library", "serves"),
    [
        ({"posix_spawn_file_actions_addclosefrom_np": None, "unshare": lambda _: 0}, True),
        ({"posix_spawn_file_actions_addclosefrom_np": None, "unshare": lambda _: -1}, False),
        ({"unshare": lambda _: 0}, False),
    ],
)
def test_it_is_used_where_the_system_has_it_and_lets_a_thread_be_apart(monkeypatch, library, serves):
    monkeypatch.setattr(posix_spawn, "_libc", SimpleNamespace(**library))
    assert serves == posix_spawn.can_spawn()


PASSES, STAYS = ExitReason.ERROR, ExitReason.NOT_EXECUTABLE
NO_MORE = "no further process is allowed at present (ulimit -u, or the container's pids limit)"


@pytest.mark.parametrize(
    ("error", "reason", "said"),
    [
        (ValueError("embedded null byte"), STAYS, "can't run 'model': embedded null byte"),
        (OSError(errno.EACCES, "words"), STAYS, "can't run model: words"),
        (OSError(errno.EINTR, "words"), PASSES, "can't run model: words"),
        (OSError(errno.EIO, "words"), PASSES, "can't run model: words"),
        (OSError(errno.ENFILE, "words"), PASSES, "can't run model: words"),
        (OSError(errno.ENOMEM, "words"), PASSES, "can't run model: words"),
        (OSError(errno.ENOSPC, "words"), PASSES, "can't run model: words"),
        (OSError(errno.ESTALE, "words"), PASSES, "can't run model: words"),
        (OSError(errno.EAGAIN, "words"), PASSES, f"can't run model: {NO_MORE}"),
        (
            OSError(errno.EMFILE, "words"),
            PASSES,
            "can't run model: zoosup has no file descriptor left (ulimit -n)",
        ),
        (OSError(errno.ETXTBSY, "words"), PASSES, "can't run model: the file is being written"),
        (OSError(errno.ENOENT, "words"), STAYS, "can't run model: not found in PATH (/b)"),
        (OSError(errno.EIO, "words", "/cwd"), PASSES, "can't change to the working directory /cwd: words"),
    ],
)
def test_what_a_person_has_to_change_is_said_and_what_passes_is_an_ordinary_error(
    tmp_path, error, reason, said
):
    launch = Launch("r", "m", ("model",), {"PATH": "/b"}, "/cwd", tmp_path / "log")
    found = spawn._explain(error, launch)
    ours = getattr(error, "errno", None) in {errno.EMFILE, errno.ENFILE, errno.ENOMEM}
    assert (reason, said, ours) == (found.reason, str(found), found.ours)


def test_a_score_that_is_higher_already_stays(monkeypatch, tmp_path):
    monkeypatch.setattr(spawn.sys, "platform", "linux")
    monkeypatch.setattr(spawn, "Path", lambda _: tmp_path / "score")
    for before, after in (("0", "500"), ("-1000", "500"), ("500", "500"), ("900", "900"), ("much", "much")):
        (tmp_path / "score").write_text(before)
        spawn._offer_to_oom_killer(7)
        assert after == (tmp_path / "score").read_text()


def test_signals_that_are_ignored_are_heard_by_children_and_others_are_left_as_they_are():
    before = {each: signal.getsignal(each) for each in (signal.SIGHUP, signal.SIGUSR1, signal.SIGCHLD)}
    try:
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        signal.signal(signal.SIGUSR1, signal.SIG_DFL)
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        apart = threading.Thread(target=spawn.let_children_hear_signals)
        apart.start()
        apart.join()
        assert signal.SIG_IGN == signal.getsignal(signal.SIGHUP)
        spawn.let_children_hear_signals()
        assert callable(signal.getsignal(signal.SIGHUP))
        assert (signal.SIG_DFL, signal.SIG_DFL) == (
            signal.getsignal(signal.SIGUSR1), signal.getsignal(signal.SIGCHLD)
        )  # fmt: skip
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
