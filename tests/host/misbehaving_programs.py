"""Programs that behave badly on purpose, run as `python misbehaving_programs.py CASE DIRECTORY` under test.

Each process writes its pid to DIRECTORY/<role> once it is what its role says; `leader` comes last.
"""

import os
import signal
import sys
import time
from pathlib import Path

CASE, PLACE = sys.argv[1], Path(sys.argv[2])


def note(role: str) -> None:
    """The pid is renamed into place, so that whoever sees the file can read it."""
    draft = PLACE / f"{role}.{os.getpid()}"
    draft.write_text(str(os.getpid()))
    draft.rename(PLACE / role)


def wait_for(role: str) -> None:
    while not (PLACE / role).exists():
        time.sleep(0.002)


def deaf() -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)


def sleep(env: dict[str, str]) -> None:
    os.execve("/bin/sleep", ["sleep", "600"], env)  # an ignored signal stays ignored


def child(role: str, *, session: bool = False, ignore: bool = False, cleared: bool = False) -> None:
    if os.fork() == 0:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        if session:
            os.setsid()
        if ignore:
            deaf()
        note(role)
        sleep({} if cleared else dict(os.environ))
    wait_for(role)


def daemon(role: str, *, cleared: bool = False, seen: bool = False) -> None:
    """The double fork: in a session of its own and with init for a parent, `seen` before its own parent ends."""
    if (middle := os.fork()) == 0:
        os.setsid()
        child(role, session=True, cleared=cleared)
        if seen:
            wait_for(".seen")  # the test says so
        os._exit(0)
    os.waitpid(middle, 0)


def fork_on_term(*, ignore: bool) -> None:
    def end(*_: object) -> None:
        child("late", session=True, ignore=ignore)
        sys.exit(0)

    signal.signal(signal.SIGTERM, end)


def clean_up_on_term() -> None:
    """A helper does the last of the work, while the leader waits for it."""

    def end(*_: object) -> None:
        if (helper := os.fork()) == 0:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            os.setsid()
            time.sleep(0.3)
            note("cleaned")
            os._exit(0)
        os.waitpid(helper, 0)
        sys.exit(0)

    signal.signal(signal.SIGTERM, end)


def ends_its_worker() -> None:
    """Says whether its worker still lived when it was told to end."""

    def end(*_: object) -> None:
        time.sleep(0.2)
        worker = int((PLACE / "child").read_text())
        lived = os.waitpid(worker, os.WNOHANG) == (0, 0)
        os.kill(worker, signal.SIGKILL)
        note("worker-lived" if lived else "worker-died")
        sys.exit(0)

    signal.signal(signal.SIGTERM, end)


def headless() -> None:
    """The first thread ends alone: the process shows as a zombie while another thread runs on."""
    import ctypes  # noqa: PLC0415
    import threading  # noqa: PLC0415

    threading.Thread(target=time.sleep, args=(600,)).start()
    note("leader")
    ctypes.CDLL(None).syscall(
        {"x86_64": 60, "aarch64": 93}[os.uname().machine], 0
    )  # exit(2), of this thread alone


def storm() -> None:
    """Deaf workers in sessions of their own; each starts short programs without end, as a pool of compilers does."""
    for role in ("first", "second", "third"):
        if os.fork() == 0:
            os.setsid()
            deaf()
            note(role)
            while True:
                child_of_storm()
                time.sleep(0.002)
        wait_for(role)


def child_of_storm() -> None:
    if os.fork() == 0:
        os.setsid()
        os.execve("/bin/sleep", ["sleep", "20"], os.environ)


def chain() -> None:
    """Each in a session of its own forks the next one and ends, 200 times a second; for half a minute at most."""
    if os.fork() == 0:
        deaf()
        until = time.monotonic() + 30
        while time.monotonic() < until:
            time.sleep(0.005)
            if os.fork():
                os._exit(0)
            os.setsid()
            (PLACE / ".beat").write_text(str(time.monotonic()))
        os._exit(0)
    wait_for(".beat")


match CASE:
    case "storm":
        storm()
    case "chain":
        chain()
    case "leader-deaf":
        deaf()
    case "leader-deaf-with-child":
        child("child")
        deaf()
    case "group-child-deaf":
        child("child", ignore=True)
    case "session-child":
        child("child", session=True)
    case "session-child-deaf":
        child("child", session=True, ignore=True)
    case "session-child-cleared":
        child("child", session=True, cleared=True)
    case "crashed":
        child("child", session=True)
        note("leader")
        os.kill(os.getpid(), signal.SIGSEGV)
    case "daemon":
        daemon("child")
    case "daemon-cleared":
        daemon("child", cleared=True)
    case "daemon-cleared-once-seen":
        daemon("child", cleared=True, seen=True)
    case "fork-on-term":
        fork_on_term(ignore=True)
    case "fork-on-term-mild":
        fork_on_term(ignore=False)
    case "clean-up-on-term":
        clean_up_on_term()
    case "deaf-with-deaf-session-child":
        deaf()
        child("child", session=True, ignore=True)
    case "ends-its-worker":
        child("child")
        ends_its_worker()
    case "headless":
        headless()
    case "writer":
        deaf()
note("leader")
while CASE == "writer":
    sys.stdout.write("line\n")
    sys.stdout.flush()
    time.sleep(0.005)
while True:
    signal.pause()
