"""Two hosts with one home: what stands in a lock, and when it is believed though nothing is locked."""

from types import SimpleNamespace

import pytest

from zoosup.errors import LockedError
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
        monkeypatch.setattr(lock_file.psutil, "disk_partitions", lambda **_: mounts)

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
