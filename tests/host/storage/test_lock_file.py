"""Two hosts with one home: what stands in a lock, and when it is believed though nothing is locked."""

import errno
import fcntl
import os
from types import SimpleNamespace

import psutil
import pytest

from zoosup.errors import LockedError, ZoosupError
from zoosup.host.storage import lock_file
from zoosup.host.storage.state_dir import StateDirectory


@pytest.fixture
def here(monkeypatch):
    """Makes this host another one, with its own kernel unless told otherwise."""

    def become(host, *, machine=None, boot=None):
        lines = {"/etc/machine-id": f"machine of {host}" if machine is None else machine}
        lines["/proc/sys/kernel/random/boot_id"] = boot or f"boot of {host}"
        monkeypatch.setattr(lock_file, "_first_line", lambda path: lines[path])
        monkeypatch.setattr(lock_file.platform, "node", lambda: host)

    return become


@pytest.fixture
def mounted(monkeypatch, tmp_path):
    """Mounts a file system of this kind where the test keeps its files."""

    def mount(kind):
        mounts = [SimpleNamespace(mountpoint="/", fstype="ext4")]
        mounts.append(SimpleNamespace(mountpoint=str(tmp_path), fstype="zfs"))  # and the next one over it
        mounts.append(SimpleNamespace(mountpoint=str(tmp_path), fstype=kind))
        mounts.append(SimpleNamespace(mountpoint=f"{tmp_path}/other", fstype="tmpfs"))
        monkeypatch.setattr(
            lock_file.psutil, "disk_partitions", lambda **given: mounts if given.get("all") else mounts[:1]
        )

    return mount


def abandoned(path):
    """A zoosup that was killed on its host: nothing is locked, and its lock still names it."""
    directory = StateDirectory(path)
    directory.lock()
    text = (path / "lock").read_bytes()
    directory.close()
    (path / "lock").write_bytes(text)


def starts(path):
    directory = StateDirectory(path)
    try:
        directory.lock()
    except LockedError as error:
        return str(error)
    directory.close()
    return True


def test_over_a_network_a_lock_that_another_host_has_not_given_back_is_believed(tmp_path, here, mounted):
    mounted("nfs4")
    here("one")
    abandoned(tmp_path)
    here("two")
    said = starts(tmp_path)
    assert "a zoosup on one (pid " in str(said)
    assert f"remove {tmp_path / 'lock'}" in str(said)
    assert "--state-dir" in str(said)
    (tmp_path / "lock").unlink()
    assert starts(tmp_path) is True


def test_a_lock_that_was_given_back_hinders_no_other_host(tmp_path, here, mounted):
    mounted("nfs4")
    here("one")
    assert starts(tmp_path) is True
    here("two")
    assert starts(tmp_path) is True


@pytest.mark.parametrize(
    ("kind", "then"),
    [
        ("ext4", {"host": "two"}),  # a disk that was moved or copied
        ("nfs", {"host": "one", "boot": "the next boot"}),
        ("nfs", {"host": "renamed", "machine": "machine of one", "boot": "the next boot"}),
        ("nfs", {"host": "container", "machine": "its own", "boot": "boot of one"}),  # one kernel: locks hold
        ("nfs", {"host": "container", "machine": "", "boot": "another"}),
    ],
)
def test_what_may_be_this_hosts_own_lock_of_before_hinders_nobody(tmp_path, here, mounted, kind, then):
    mounted(kind)
    here("one")
    abandoned(tmp_path)
    here(then.pop("host"), **then)
    assert starts(tmp_path) is True


def test_a_lock_of_an_earlier_version_hinders_nobody(tmp_path, here, mounted):
    mounted("nfs")
    here("one")
    tmp_path.chmod(0o700)
    (tmp_path / "lock").write_text("4711\n")
    assert starts(tmp_path) is True


def test_a_directory_on_a_network_is_said(tmp_path, mounted):
    mounted("nfs4")
    directory = StateDirectory(tmp_path)
    directory.lock()
    directory.close()
    assert [
        f"{tmp_path} is on nfs4, where locks may bind one host alone: choose a local one"
    ] == directory.notes


def test_whoever_holds_it_on_another_host_is_named(tmp_path, here):
    here("one")
    directory = StateDirectory(tmp_path)
    directory.lock()
    here("two")
    with pytest.raises(LockedError, match=r"another zoosup \(pid \d+ on one\) holds"):
        StateDirectory(tmp_path).lock()
    directory.close()


@pytest.mark.parametrize(
    "text",
    ["4711\n", "4711\nmachine of one\n\none\n", "4711\n\nboot of one\none\n"],
)
def test_a_lock_that_says_too_little_of_its_host_hinders_nobody(tmp_path, here, mounted, text):
    mounted("nfs")
    here("two")
    tmp_path.chmod(0o700)
    (tmp_path / "lock").write_text(text)
    assert starts(tmp_path) is True


def test_whoever_takes_it_is_named_in_it_and_nobody_else(tmp_path, here):
    here("one")
    (tmp_path / "lock").write_text("somebody\n" * 99)
    descriptor = lock_file.take(tmp_path / "lock")
    expected = f"{os.getpid()}\nmachine of one\nboot of one\none\n"
    assert expected == (tmp_path / "lock").read_text()
    lock_file.release(descriptor)
    assert "" == (tmp_path / "lock").read_text()


def test_a_lock_in_which_nobody_stands_is_held_by_somebody_unknown(tmp_path):
    with (tmp_path / "lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(LockedError, match=r"another zoosup \(pid unknown\) holds"):
            lock_file.take(tmp_path / "lock")


def test_a_link_in_its_place_is_not_followed(tmp_path):
    (tmp_path / "precious").write_text("words")
    (tmp_path / "lock").symlink_to(tmp_path / "precious")
    with pytest.raises(ZoosupError, match="can't be used"):
        lock_file.take(tmp_path / "lock")
    assert "words" == (tmp_path / "precious").read_text()


def test_a_disk_that_knows_no_locks_is_said(tmp_path, monkeypatch):
    monkeypatch.setattr(lock_file.fcntl, "flock", refusing)
    with pytest.raises(ZoosupError, match="lock can't be locked: No locks available"):
        lock_file.take(tmp_path / "lock")


def test_a_lock_is_given_back_though_the_disk_takes_no_more(tmp_path, monkeypatch):
    first = lock_file.take(tmp_path / "lock")
    with monkeypatch.context() as patch:
        patch.setattr(lock_file.os, "ftruncate", refusing)
        lock_file.release(first)
    lock_file.release(lock_file.take(tmp_path / "lock"))


def refusing(*_):
    raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))


def test_who_is_refused_keeps_no_descriptor(tmp_path, here, mounted, monkeypatch):
    lock = tmp_path / "lock"
    before = psutil.Process().num_fds()
    held = lock_file.take(lock)
    with pytest.raises(LockedError):
        lock_file.take(lock)
    os.close(held)
    mounted("nfs")
    here("two")
    lock.write_text("4711\nmachine of one\nboot of one\none\n")
    with pytest.raises(LockedError):
        lock_file.take(lock)
    monkeypatch.setattr(lock_file.fcntl, "flock", refusing)
    with pytest.raises(ZoosupError):
        lock_file.take(lock)
    assert before == psutil.Process().num_fds()


def test_what_only_linux_tells_is_nothing_elsewhere(tmp_path):
    (tmp_path / "told").write_text("a machine\n")
    (tmp_path / "garbled").write_bytes(b"\xff\n")
    assert ["a machine", "", ""] == [
        lock_file._first_line(str(tmp_path / name)) for name in ("told", "garbled", "none")
    ]
