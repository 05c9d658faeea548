import asyncio
import fcntl
import json
import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from zoosup.errors import ExitCode, LockedError, ZoosupError
from zoosup.host.storage import state_dir
from zoosup.host.storage.paths import control_socket, default_state_dir
from zoosup.host.storage.state_dir import StateDirectory

HOLDER = """
import sys
from pathlib import Path
from zoosup.host.storage.state_dir import StateDirectory
StateDirectory(Path(sys.argv[1])).lock()
print("locked", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def state(tmp_path: Path) -> Iterator[StateDirectory]:
    directory = StateDirectory(tmp_path / "state")
    directory.lock()
    yield directory
    directory.close()


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_the_directory_is_made_with_its_parents_and_for_us_alone(tmp_path: Path) -> None:
    directory = StateDirectory(tmp_path / "a" / "b")
    directory.lock()
    assert (0o700, 0o700, 0o600) == (
        mode(tmp_path / "a" / "b"),
        mode(directory.logs),
        mode(directory.path / "lock"),
    )
    assert [] == directory.notes
    directory.close()


@pytest.mark.parametrize("filled", [False, True])
def test_an_own_directory_open_to_others_is_tightened_and_that_is_noted(tmp_path: Path, filled: bool) -> None:
    if filled:
        first = StateDirectory(tmp_path / "state")
        first.lock()
        first.close()
    (tmp_path / "state").mkdir(exist_ok=True)
    (tmp_path / "state").chmod(0o755)
    directory = StateDirectory(tmp_path / "state")
    directory.lock()
    assert 0o700 == mode(directory.path)
    assert [f"{directory.path} was open to others (mode 0755); it is 0700 now"] == directory.notes
    directory.close()


@pytest.mark.parametrize("bits", [0o755, 0o1777])
def test_a_directory_with_other_peoples_files_is_refused_and_left_as_it_is(tmp_path: Path, bits: int) -> None:
    (tmp_path / "thesis.tex").touch()
    if bits & stat.S_ISVTX:  # as /tmp is, where anybody may have put a file of any name
        (tmp_path / "lock").touch()
    before = sorted(tmp_path.iterdir())
    tmp_path.chmod(bits)
    with pytest.raises(ZoosupError, match=r"open to others .* choose another state directory"):
        StateDirectory(tmp_path).lock()
    assert (bits, before) == (mode(tmp_path), sorted(tmp_path.iterdir()))


def test_a_directory_of_another_user_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "state").mkdir(mode=0o700)
    monkeypatch.setattr(os, "geteuid", lambda: 4321)
    with pytest.raises(ZoosupError, match=r"belongs to user \d+, and zoosup runs as 4321$"):
        StateDirectory(tmp_path / "state").lock()


def test_a_path_below_a_file_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ZoosupError) as caught:
        StateDirectory(tmp_path / "file" / "state").lock()
    assert f"the state directory {tmp_path}/file/state can't be used: Not a directory" == str(caught.value)


def test_a_directory_that_can_not_be_written_is_one_clear_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*args: Any) -> int:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(ZoosupError) as caught:
        StateDirectory(tmp_path / "state").lock()
    assert f"the state directory {tmp_path}/state can't be used: Read-only file system" == str(caught.value)


def test_a_second_instance_is_told_who_holds_the_directory(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path / "s")], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        with pytest.raises(LockedError) as caught:
            StateDirectory(tmp_path / "s").lock()
        holder.kill()
    assert f"another zoosup (pid {holder.pid}) holds {tmp_path}/s" == str(caught.value)
    assert ExitCode.LOCKED == caught.value.exit_code


def test_the_lock_ends_with_its_holder_even_by_kill_9(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path / "s")], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        holder.send_signal(signal.SIGKILL)
    directory = StateDirectory(tmp_path / "s")
    directory.lock()
    assert str(os.getpid()) == (directory.path / "lock").read_text().splitlines()[0]
    directory.close()


def test_a_child_does_not_keep_the_lock(state: StateDirectory) -> None:
    with subprocess.Popen(["sleep", "60"], close_fds=False) as child:
        state.close()
        second = StateDirectory(state.path)
        second.lock()
        second.close()
        child.kill()


def test_a_lock_file_that_was_deleted_meanwhile_does_not_count(
    state: StateDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    state.close()
    real, deleted = fcntl.flock, []

    def flock_after_a_cleaner_passed(descriptor: int, operation: int) -> None:
        if not deleted:
            deleted.append((state.path / "lock").unlink())
        real(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", flock_after_a_cleaner_passed)
    anew = StateDirectory(state.path)
    anew.lock()
    with pytest.raises(LockedError):
        StateDirectory(state.path).lock()
    anew.close()


def test_nothing_saved_is_an_empty_state(state: StateDirectory) -> None:
    assert ({}, []) == (state.load(), state.notes)


async def test_what_was_saved_is_loaded(state: StateDirectory) -> None:
    await state.save({"models": {"a": [1, None, "ü"]}})
    assert {"models": {"a": [1, None, "ü"]}} == StateDirectory(state.path).load()
    assert 0o600 == mode(state.path / "state.json")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b'{"format": 1, "sta',
        b"\xff\xfe",
        b"[]",
        b'{"format": 1, "state": []}',
        b'{"state": {}}',
        b'{"format": 2, "state": {"from": "the future"}}',
        b"[" * 100_000,
    ],
)
def test_a_file_that_can_not_be_used_is_set_aside_and_noted(state: StateDirectory, content: bytes) -> None:
    (state.path / "state.json").write_bytes(content)
    (state.path / "state.json.corrupt-1").write_text("an earlier one")
    assert {} == state.load()
    assert content == (state.path / "state.json.corrupt-2").read_bytes()
    assert state.notes[0].endswith(f"kept as {state.path}/state.json.corrupt-2")


def test_a_file_that_can_neither_be_used_nor_set_aside_is_an_error(
    state: StateDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*args: Any) -> Path:
        raise OSError(30, "Read-only file system")

    (state.path / "state.json").write_text("{")
    monkeypatch.setattr(Path, "rename", refuse)
    with pytest.raises(ZoosupError, match="can't be read, nor set aside: Read-only file system"):
        state.load()


async def test_many_saves_at_once_end_with_the_last_and_are_few_writes(
    state: StateDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    writes: list[bytes] = []
    real = state_dir._replace

    def counting(path: Path, data: bytes) -> None:
        writes.append(data)
        real(path, data)

    monkeypatch.setattr(state_dir, "_replace", counting)
    async with asyncio.TaskGroup() as group:
        for number in range(1000):
            group.create_task(state.save({"number": number}))
    assert {"number": 999} == state.load()
    assert len(writes) < 100


async def test_a_save_has_its_content_or_a_newer_one_on_disk_when_it_returns(state: StateDirectory) -> None:
    async def save(number: int) -> None:
        await state.save({"number": number})
        assert json.loads((state.path / "state.json").read_text())["state"]["number"] >= number

    async with asyncio.TaskGroup() as group:
        for number in range(50):
            group.create_task(save(number))


async def test_a_cancelled_save_can_not_overwrite_a_later_one(
    state: StateDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, entered, release = state_dir._replace, threading.Event(), threading.Event()

    def slow(path: Path, data: bytes) -> None:
        entered.set()
        release.wait(10)
        real(path, data)

    monkeypatch.setattr(state_dir, "_replace", slow)
    first = asyncio.create_task(state.save({"number": 1}))
    await asyncio.to_thread(entered.wait, 10)
    first.cancel()
    second = asyncio.create_task(state.save({"number": 2}))
    release.set()
    await second
    assert {"number": 2} == state.load()


async def test_the_state_is_taken_as_it_was_when_save_was_called(state: StateDirectory) -> None:
    models = {"a": 1}
    saving = asyncio.create_task(state.save({"models": models}))
    await asyncio.sleep(0)
    models["a"] = 2
    await saving
    assert {"models": {"a": 1}} == state.load()


async def test_a_full_disk_is_reported_keeps_the_old_content_and_is_tried_again(
    state: StateDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    await state.save({"number": 1})

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="No space left"):
            await state.save({"number": 2})
        assert {"number": 1} == state.load()
    await state.save({"number": 2})
    assert {"number": 2} == state.load()


async def test_the_same_state_again_is_not_written_again(state: StateDirectory) -> None:
    await state.save({"number": 1})
    inode = (state.path / "state.json").stat().st_ino
    await state.save({"number": 1})
    assert inode == (state.path / "state.json").stat().st_ino


async def test_a_save_is_on_disk_before_it_takes_the_place_of_the_last_and_its_name_is_so_after(
    state: StateDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    await state.save({"number": 1})
    synced: list[tuple[bool, bytes, Any]] = []

    def fsync(descriptor: int) -> None:
        status = os.fstat(descriptor)
        place = Path(f"/proc/self/fd/{descriptor}")
        content = b"" if stat.S_ISDIR(status.st_mode) or not place.exists() else place.read_bytes()
        synced.append((stat.S_ISDIR(status.st_mode), content, state.load()["number"]))

    monkeypatch.setattr(os, "fsync", fsync)
    (state.path / "state.json.tmp").write_text("x" * 999)  # of a save that was cut short
    before = psutil.Process().num_fds()
    await state.save({"number": 2})
    whole = (state.path / "state.json").read_bytes()
    if sys.platform == "linux":
        assert [(False, whole, 1), (True, b"", 2)] == synced
    assert ({"number": 2}, before) == (state.load(), psutil.Process().num_fds())


def test_kill_9_in_the_middle_of_saving_leaves_a_whole_state(tmp_path: Path) -> None:
    script = (
        "import asyncio, sys\nfrom pathlib import Path\nfrom zoosup.host.storage.state_dir import StateDirectory\n"
        "async def main():\n"
        "    state = StateDirectory(Path(sys.argv[1])); state.lock()\n"
        "    for n in range(10**9):\n"
        "        await state.save({'n': n, 'filler': 'x' * 200000})\n"
        "        if n == 0: print('going', flush=True)\n"
        "asyncio.run(main())\n"
    )
    for turn in range(5):
        with subprocess.Popen(
            [sys.executable, "-c", script, str(tmp_path / "s")], stdout=subprocess.PIPE
        ) as writer:
            assert writer.stdout is not None
            writer.stdout.readline()
            time.sleep(0.003 * turn)
            writer.kill()
        directory = StateDirectory(tmp_path / "s")
        assert 200_000 == len(directory.load()["filler"])
        assert [] == directory.notes


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({"XDG_STATE_HOME": "/var/x", "HOME": "/home/u"}, "/var/x/zoosup/main"),
        ({"HOME": "/home/u"}, "/home/u/.local/state/zoosup/main"),
        ({"XDG_STATE_HOME": "", "HOME": "/home/u"}, "/home/u/.local/state/zoosup/main"),
        ({"XDG_STATE_HOME": "relative", "HOME": "/home/u"}, "/home/u/.local/state/zoosup/main"),
    ],
)
def test_the_default_directory_follows_xdg(environ: dict[str, str], expected: str) -> None:
    assert Path(expected) == default_state_dir("main", environ)


def test_without_home_the_password_database_tells_it() -> None:
    assert Path.home() / ".local/state/zoosup/x" == default_state_dir("x", {})


def test_the_control_socket_lies_in_the_directory_where_it_fits(tmp_path: Path) -> None:
    assert Path("/s/control.sock") == control_socket(Path("/s"))


@pytest.mark.parametrize(("length", "is_within"), [(100, True), (101, False)])
def test_a_sockets_path_may_have_so_many_bytes(length: int, is_within: bool) -> None:
    place = Path("/" + "ö" * 3 + "d" * (length - len("/öööccc/control.sock")))
    assert length == len(os.fsencode(place / "control.sock"))
    assert is_within == (control_socket(place) == place / "control.sock")


def test_the_socket_of_a_directory_that_is_not_there_yet_is_ones_own(tmp_path: Path) -> None:
    assert Path(f"/tmp/zoosup-{os.geteuid()}") == control_socket(tmp_path / ("d" * 120)).parent


def test_a_long_path_gets_a_short_private_socket_that_binds_and_is_found_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = StateDirectory(tmp_path / ("d" * 120))
    state.lock()
    assert state.socket.parent == Path(f"/tmp/zoosup-{os.geteuid()}")
    assert 0o700 == mode(state.socket.parent)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(state.socket))
    (tmp_path / "link").symlink_to(state.path)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    assert state.socket == control_socket(Path("d" * 120))
    state.socket.unlink()
    state.close()


def test_asking_for_the_socket_loads_neither_asyncio_nor_pydantic() -> None:
    heavy = ("asyncio", "pydantic", "aiohttp")
    script = f"import sys, zoosup.host.storage.paths; print([m for m in {heavy} if m in sys.modules])"
    assert (
        "[]\n"
        == subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    )


class TestALockThatIsLookedAfter:
    def test_one_that_is_where_it_was_stays_as_it_is(self, tmp_path):
        ours = StateDirectory(tmp_path / "state")
        ours.lock()
        before = (tmp_path / "state/lock").stat().st_ino
        ours.hold()
        assert before == (tmp_path / "state/lock").stat().st_ino
        ours.close()

    def test_one_that_was_removed_with_its_directory_is_made_anew_and_keeps_others_out(self, tmp_path):
        ours = StateDirectory(tmp_path / "state")
        ours.lock()
        shutil.rmtree(tmp_path / "state")
        ours.hold()
        with pytest.raises(LockedError):
            StateDirectory(tmp_path / "state").lock()
        ours.close()
        StateDirectory(tmp_path / "state").lock()

    def test_one_that_somebody_else_has_made_meanwhile_is_theirs(self, tmp_path):
        ours, other = StateDirectory(tmp_path / "state"), StateDirectory(tmp_path / "state")
        ours.lock()
        shutil.rmtree(tmp_path / "state")
        other.lock()
        with pytest.raises(LockedError):
            ours.hold()
        ours.close()
        other.close()
