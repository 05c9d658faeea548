import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from zoosup.host.memory.psi import Stalls
from zoosup.host.memory.ram import RamGauge
from zoosup.host.ports.host import PoolReading

GIB = 1 << 30
V1_UNLIMITED = 0x7FFFFFFFFFFFF000

linux_only = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
V2_MOUNT = "31 23 0:28 {root} /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate"
V1_MOUNT = "35 31 0:32 {root} /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory"
V1_CPU_MOUNT = "34 31 0:31 / /sys/fs/cgroup/cpu rw,relatime - cgroup cgroup rw,cpu"
HYBRID_MOUNT = "41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw"


class Host:
    """A tree of /proc and /sys/fs/cgroup files that a test fills in."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.proc = root / "proc"
        self.meminfo(total=64 * GIB, available=40 * GIB)

    def write(self, path: str, text: str) -> None:
        target = self.root / path.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)

    def meminfo(self, *, total: int, available: int) -> None:
        self.write(
            "proc/meminfo",
            f"MemTotal:       {total // 1024} kB\nMemFree:   77 kB\nMemAvailable:   {available // 1024} kB\n"
            f"SwapTotal: 99999999 kB\nSwapFree: 99999999 kB\n",
        )

    def membership(self, cgroup: str, *mounts: str) -> None:
        self.write("proc/self/cgroup", cgroup)
        self.write("proc/self/mountinfo", "\n".join(mounts) + "\n")

    def v2(
        self,
        path: str,
        *,
        limit: int | None = None,
        high: int | None = None,
        current: int = 0,
        cache: int = 0,
    ) -> None:
        at = f"/sys/fs/cgroup/{path}".rstrip("/")
        self.write(f"{at}/memory.max", f"{'max' if limit is None else limit}\n")
        self.write(f"{at}/memory.high", f"{'max' if high is None else high}\n")
        self.write(f"{at}/memory.current", f"{current}\n")
        third = cache // 3
        self.write(
            f"{at}/memory.stat",
            f"anon 5\ninactive_file {third}\nactive_file {third}\nslab_reclaimable {cache - 2 * third}\n",
        )

    def v1(
        self, path: str, *, limit: int = V1_UNLIMITED, usage: int = 0, cache: int = 0, hidden: int = 0
    ) -> None:
        at = f"/sys/fs/cgroup/memory/{path}".rstrip("/")
        self.write(f"{at}/memory.limit_in_bytes", f"{limit}\n")
        self.write(f"{at}/memory.usage_in_bytes", f"{usage}\n")
        self.write(
            f"{at}/memory.stat",
            f"cache 1\ninactive_file 3\nhierarchical_memory_limit {hidden or limit}\n"
            f"total_inactive_file {cache // 2}\ntotal_active_file {cache - cache // 2}\n",
        )

    def gauge(self) -> RamGauge:
        return RamGauge(self.proc, self.root)

    def read(self) -> PoolReading:
        (reading,) = self.gauge().read()
        return reading


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Host:
    monkeypatch.setattr(sys, "platform", "linux")
    return Host(tmp_path)


def test_without_cgroups_the_kernels_own_estimate_counts(host: Host) -> None:
    assert PoolReading("ram", "ram", "RAM", 64 * GIB, 40 * GIB, "MemAvailable") == host.read()


def test_a_limit_of_version_2_binds_less_what_is_used_but_for_cache(host: Host) -> None:
    host.membership("0::/pod/zoo\n", V2_MOUNT.format(root="/"))
    host.v2("pod/zoo", limit=8 * GIB, current=5 * GIB, cache=3 * GIB)
    expected = PoolReading("ram", "ram", "RAM", 8 * GIB, 6 * GIB, "cgroup /pod/zoo limit 8 GiB")
    assert expected == host.read()


def test_every_ancestor_counts_and_the_tightest_is_named(host: Host) -> None:
    host.membership("0::/pod/zoo\n", V2_MOUNT.format(root="/"))
    host.v2("pod/zoo", limit=16 * GIB, current=1 * GIB)
    host.v2("pod", limit=32 * GIB, current=30 * GIB)
    reading = host.read()
    assert (16 * GIB, 2 * GIB, "cgroup /pod limit 32 GiB") == (
        reading.total,
        reading.available,
        reading.source,
    )


def test_max_is_not_a_limit(host: Host) -> None:
    host.membership("0::/pod\n", V2_MOUNT.format(root="/"))
    host.v2("pod", current=60 * GIB)
    assert (64 * GIB, 40 * GIB) == (host.read().total, host.read().available)


def test_a_limit_above_the_hosts_memory_is_not_a_limit(host: Host) -> None:
    host.membership("0::/pod\n", V2_MOUNT.format(root="/"))
    host.v2("pod", limit=65 * GIB, current=64 * GIB)
    assert "MemAvailable" == host.read().source


def test_memory_high_counts_as_a_limit(host: Host) -> None:
    host.membership("0::/pod\n", V2_MOUNT.format(root="/"))
    host.v2("pod", limit=16 * GIB, high=12 * GIB, current=2 * GIB)
    assert (12 * GIB, 10 * GIB) == (host.read().total, host.read().available)


def test_a_cgroup_above_its_limit_has_less_than_nothing_left(host: Host) -> None:
    host.membership("0::/pod\n", V2_MOUNT.format(root="/"))
    host.v2("pod", limit=16 * GIB, high=4 * GIB, current=5 * GIB)
    assert -GIB == host.read().available


def test_the_hosts_own_shortage_binds_before_a_wide_limit(host: Host) -> None:
    host.meminfo(total=64 * GIB, available=1 * GIB)
    host.membership("0::/pod\n", V2_MOUNT.format(root="/"))
    host.v2("pod", limit=16 * GIB)
    reading = host.read()
    assert (16 * GIB, 1 * GIB, "MemAvailable") == (reading.total, reading.available, reading.source)


def test_in_a_cgroup_namespace_the_top_of_the_mount_is_ours(host: Host) -> None:
    host.membership("0::/\n", V2_MOUNT.format(root="/"))
    host.v2("", limit=4 * GIB, current=1 * GIB)
    assert (4 * GIB, 3 * GIB, "cgroup / limit 4 GiB") == (
        host.read().total,
        host.read().available,
        host.read().source,
    )


def test_a_container_that_sees_the_hosts_path_but_mounts_only_its_own_cgroup(host: Host) -> None:
    host.membership("4:memory:/docker/abc\n0::/\n", V1_MOUNT.format(root="/docker/abc"))
    host.v1("", limit=4 * GIB, usage=1 * GIB)
    assert (4 * GIB, 3 * GIB, "cgroup /docker/abc limit 4 GiB") == (
        host.read().total,
        host.read().available,
        host.read().source,
    )


@pytest.mark.parametrize("path", ["/kubepods/pod1/xyz", "/../../elsewhere", "/gone"])
def test_a_path_that_is_not_visible_under_the_mount_falls_back_to_its_top(host: Host, path: str) -> None:
    host.membership(f"0::{path}\n", V2_MOUNT.format(root="/"))
    host.v2("", limit=4 * GIB, current=1 * GIB)
    assert 3 * GIB == host.read().available


def test_version_1_counts_the_totals_of_the_subtree(host: Host) -> None:
    host.membership("4:memory:/zoo\n", V1_MOUNT.format(root="/"))
    host.v1("zoo", limit=8 * GIB, usage=5 * GIB, cache=3 * GIB)
    host.v1("")
    assert (8 * GIB, 6 * GIB, "cgroup /zoo limit 8 GiB") == (
        host.read().total,
        host.read().available,
        host.read().source,
    )


def test_the_huge_number_of_version_1_is_not_a_limit(host: Host) -> None:
    host.membership("4:memory:/zoo\n", V1_MOUNT.format(root="/"))
    host.v1("zoo", usage=63 * GIB)
    assert (64 * GIB, 40 * GIB) == (host.read().total, host.read().available)


def test_version_1_also_shows_the_limit_of_an_ancestor_out_of_sight(host: Host) -> None:
    host.membership("4:memory:/pod/ctr\n", V1_MOUNT.format(root="/pod/ctr"))
    host.v1("", hidden=4 * GIB, usage=1 * GIB)
    assert (4 * GIB, 3 * GIB) == (host.read().total, host.read().available)


def test_with_version_1_a_full_parent_binds_its_child(host: Host) -> None:
    host.membership("4:memory:/pod/ctr\n", V1_MOUNT.format(root="/"))
    host.v1("pod/ctr", limit=16 * GIB, hidden=8 * GIB, usage=1 * GIB)
    host.v1("pod", limit=8 * GIB, usage=6 * GIB)
    host.v1("")
    assert (8 * GIB, 2 * GIB) == (host.read().total, host.read().available)


def test_where_version_1_says_that_nothing_above_binds_it_is_not_asked(host: Host) -> None:
    host.membership("4:memory:/pod/ctr\n", V1_MOUNT.format(root="/"))
    host.v1("pod/ctr", usage=1 * GIB)
    host.v1("pod")
    host.write("/sys/fs/cgroup/memory/pod/memory.stat", "")
    assert "MemAvailable" == host.read().source


def test_a_hybrid_host_is_read_where_its_memory_controller_is(host: Host) -> None:
    host.membership(
        "4:memory:/process/1\n2:cpu,cpuacct:/other\n0::/\n",
        V1_CPU_MOUNT,
        V1_MOUNT.format(root="/"),
        HYBRID_MOUNT,
    )
    host.v1("process/1", limit=8 * GIB, usage=2 * GIB)
    host.write("/sys/fs/cgroup/unified/cgroup.procs", "1\n")
    assert (8 * GIB, 6 * GIB) == (host.read().total, host.read().available)


def test_a_mount_point_with_a_space_is_found(host: Host) -> None:
    mount = V2_MOUNT.format(root="/").replace("/sys/fs/cgroup", "/sys/fs/cgroup/my\\040own")
    host.membership("0::/\n", mount)
    host.v2("my own", limit=4 * GIB)
    assert 4 * GIB == host.read().available


def test_a_limit_raised_while_running_is_seen_at_the_next_read(host: Host) -> None:
    host.membership("0::/zoo\n", V2_MOUNT.format(root="/"))
    host.v2("zoo", limit=4 * GIB)
    gauge = host.gauge()
    gauge.read()
    host.v2("zoo", limit=6 * GIB)
    assert 6 * GIB == gauge.read()[0].available


def test_a_move_to_another_cgroup_is_followed(host: Host) -> None:
    host.membership("0::/zoo\n", V2_MOUNT.format(root="/"))
    host.v2("zoo", limit=4 * GIB)
    gauge = host.gauge()
    gauge.read()
    host.v2("other", limit=6 * GIB)
    host.write("proc/self/cgroup", "0::/other\n")
    assert 6 * GIB == gauge.read()[0].available


def test_a_cgroup_directory_that_went_away_is_looked_for_anew(host: Host) -> None:
    host.membership("0::/zoo\n", V2_MOUNT.format(root="/"))
    host.v2("zoo", limit=4 * GIB)
    host.v2("", limit=6 * GIB)
    gauge = host.gauge()
    gauge.read()
    (host.root / "sys/fs/cgroup/zoo").rename(host.root / "sys/fs/cgroup/renamed")
    assert 6 * GIB == gauge.read()[0].available


@pytest.mark.parametrize("text", ["", "MemTotal: 5 kB\n", "MemTotal: 5 kB\nMemAvailable: soon\n", "\xff"])
def test_meminfo_that_makes_no_sense_is_unknown_and_never_zero(host: Host, text: str) -> None:
    host.write("proc/meminfo", text)
    reading = host.read()
    assert reading.available is None
    assert reading.source.startswith("unreadable: ")


def test_a_missing_meminfo_is_unknown_and_keeps_the_last_total(host: Host) -> None:
    gauge = host.gauge()
    gauge.read()
    (host.proc / "meminfo").unlink()
    (reading,) = gauge.read()
    assert (64 * GIB, None) == (reading.total, reading.available)
    assert "No such file" in reading.source


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("memory.current", "many\n"),
        ("memory.stat", "anon\n"),
        ("memory.stat", "anon 5\n"),
        ("memory.max", "x\n"),
    ],
)
def test_a_limited_cgroup_that_does_not_tell_its_use_is_unknown(host: Host, name: str, text: str) -> None:
    host.membership("0::/zoo\n", V2_MOUNT.format(root="/"))
    host.v2("zoo", limit=4 * GIB)
    host.write(f"/sys/fs/cgroup/zoo/{name}", text)
    assert host.read().available is None


def test_a_cgroup_line_out_of_order_is_unknown_and_not_an_exception(host: Host) -> None:
    host.membership("what is this\n", V2_MOUNT.format(root="/"))
    assert host.read().available is None


def stall(host: Host, path: str, microseconds: int) -> None:
    host.write(path, f"some avg10=0.00 total=9999999999\nfull avg10=0.00 total={microseconds}\n")


def stalled(host: Host, gauge: RamGauge, path: str) -> float | None:
    """What is told after half a second of stall within one second."""
    clock = iter((10.0, 11.0))
    gauge._stalls = Stalls(lambda: next(clock))
    gauge.read()
    stall(host, path, 0)
    assert gauge.stalled() is None
    stall(host, path, 500_000)
    return gauge.stalled()


def test_without_a_limit_the_hosts_own_stalls_count(host: Host) -> None:
    assert 0.5 == stalled(host, host.gauge(), "proc/pressure/memory")


def test_under_a_limit_of_our_own_the_hosts_stalls_are_somebody_elses(host: Host) -> None:
    host.membership("0::/pod/zoo\n", V2_MOUNT.format(root="/"))
    host.v2("pod/zoo", limit=8 * GIB, current=5 * GIB)
    assert 0.5 == stalled(host, host.gauge(), "sys/fs/cgroup/pod/zoo/memory.pressure")
    (host.root / "sys/fs/cgroup/pod/zoo/memory.pressure").unlink()
    assert stalled(host, host.gauge(), "proc/pressure/memory") is None


def test_macos_asks_psutil_and_opens_nothing_below_proc(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    memory = psutil.virtual_memory()._replace(total=16 * GIB, available=9 * GIB)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: memory)
    monkeypatch.setattr(sys, "platform", "darwin")
    (host.proc / "meminfo").unlink()
    source = "free and inactive pages"
    assert PoolReading("ram", "ram", "RAM", 16 * GIB, 9 * GIB, source) == host.read()


def test_this_host_is_read_without_error() -> None:
    (reading,) = RamGauge().read()
    assert reading.available is not None
    assert 0 < reading.available <= reading.total <= psutil.virtual_memory().total


@pytest.fixture
def own_cgroup() -> Iterator[Path]:
    """A real cgroup with a memory limit, made below ours."""
    if sys.platform != "linux":
        pytest.skip("cgroups are Linux's")
    for base, limit in (
        (Path("/sys/fs/cgroup/memory"), "memory.limit_in_bytes"),
        (Path("/sys/fs/cgroup"), "memory.max"),
    ):
        made = base / f"zoosup-test-{os.getpid()}"
        if not (base / "cgroup.procs").exists():
            continue
        try:
            made.mkdir()
        except OSError:
            continue
        try:
            (made / limit).write_text(str(512 << 20))
            yield made
        except OSError as error:
            pytest.skip(f"no limit can be set: {error}")
        finally:
            made.rmdir()
        return
    pytest.skip("no cgroup can be made here")


@linux_only
def test_a_process_in_a_real_cgroup_sees_its_limit_and_what_it_has_used(own_cgroup: Path) -> None:
    script = (
        "import os, sys\n"
        f"open({str(own_cgroup / 'cgroup.procs')!r}, 'w').write(str(os.getpid()))\n"
        "from zoosup.host.memory.ram import RamGauge\n"
        "gauge = RamGauge()\n"
        "before = gauge.read()[0]\n"
        "held = b'x' * (200 << 20)\n"
        "after = gauge.read()[0]\n"
        "print(before.total, before.available - after.available, after.source)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    total, used, source = done.stdout.split(maxsplit=2)
    assert 512 << 20 == int(total)
    assert int(used) == pytest.approx(200 << 20, rel=0.1)
    assert source.strip() == f"cgroup /{own_cgroup.name} limit 0.5 GiB"


@linux_only
def test_the_total_is_known_where_proc_can_not_be_read(tmp_path):
    (reading,) = RamGauge(proc=tmp_path / "nothing").read()
    assert (None, os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")) == (
        reading.available,
        reading.total,
    )


def test_a_limit_that_leaves_just_what_the_host_has_is_not_what_binds(host: Host) -> None:
    host.membership("0::/pod\n", V2_MOUNT.format(root="/"))
    host.v2("pod", limit=40 * GIB)
    assert (40 * GIB, "MemAvailable") == (host.read().available, host.read().source)
    host.v2("pod", limit=64 * GIB, current=60 * GIB)
    assert "MemAvailable" == host.read().source


def test_pages_on_the_processors_own_lists_are_free_too_and_no_more_than_there_is(host: Host) -> None:
    page = os.sysconf("SC_PAGE_SIZE")
    host.write(
        "proc/zoneinfo", "Node 0\n    cpu: 0\n              count:    3\n              count: 4\n  high: 9\n"
    )
    assert 40 * GIB + 7 * page == host.read().available
    host.meminfo(total=64 * GIB, available=64 * GIB - page)
    assert 64 * GIB == host.read().available


@pytest.mark.parametrize(
    ("vmstat", "kills"),
    [
        ("oom_killer 9\noom_kill 3\nother 4\n", 3),
        ("nr_free_pages 4\n", None),
        ("oom_kill many\n", None),
        (None, None),
    ],
)
def test_how_often_the_kernel_has_killed_is_told_where_it_says_so(
    host: Host, vmstat: str | None, kills: int | None
) -> None:
    if vmstat is not None:
        host.write("proc/vmstat", vmstat)
    assert kills == host.gauge().oom_kills()


def test_who_asks_once_is_told_of_the_hosts_last_ten_seconds(host: Host) -> None:
    gauge = host.gauge()
    assert gauge.stalled_lately() is None
    host.write("proc/pressure/memory", "full avg10=25.00 total=9\n")
    assert 0.25 == gauge.stalled_lately()


def test_version_2_without_reclaimable_slab_counts_the_cache_alone(host: Host) -> None:
    host.membership("0::/pod\n", V2_MOUNT.format(root="/"))
    host.v2("pod", limit=8 * GIB, current=5 * GIB)
    host.write("/sys/fs/cgroup/pod/memory.stat", f"inactive_file {GIB}\nactive_file {2 * GIB}\n")
    assert 6 * GIB == host.read().available


def test_cache_beyond_what_is_used_gives_no_more_than_the_limit(host: Host) -> None:
    host.membership("0::/pod\n", V2_MOUNT.format(root="/"))
    host.v2("pod", limit=8 * GIB, current=GIB, cache=3 * GIB)
    assert 8 * GIB == host.read().available
    host.membership("4:memory:/zoo\n", V1_MOUNT.format(root="/"))
    host.v1("zoo", limit=8 * GIB, usage=GIB, cache=3 * GIB)
    assert 8 * GIB == host.read().available


def test_a_path_out_of_the_mount_is_not_followed(host: Host) -> None:
    host.membership("0::/a/../b\n", V2_MOUNT.format(root="/a"))
    host.v2("", limit=4 * GIB)
    host.v2("b", limit=2 * GIB)
    (host.root / "sys/fs/cgroup/sub").mkdir()
    assert 4 * GIB == host.read().available


def test_a_cgroup_with_the_mounts_name_as_its_beginning_alone_is_not_below_it(host: Host) -> None:
    host.membership("0::/pod2/c\n", V2_MOUNT.format(root="/pod"))
    host.v2("", limit=4 * GIB)
    host.v2("2/c", limit=2 * GIB)
    assert (4 * GIB, "cgroup /pod limit 4 GiB") == (host.read().available, host.read().source)


def test_a_look_leaves_no_file_open(host: Host) -> None:
    gauge, before = host.gauge(), psutil.Process().num_fds()
    gauge.read()
    assert before == psutil.Process().num_fds()
