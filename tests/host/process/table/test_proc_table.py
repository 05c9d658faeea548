"""Two ways to read the process table, held against each other and against what the system says elsewhere."""

import os
import resource
import subprocess
import sys

import psutil
import pytest

from zoosup.host.process.table import proc_table
from zoosup.host.process.table.proc_table import Memory, ProcTable, PsutilTable, Reads, Row, host_table

linux = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
TABLES = [pytest.param(ProcTable, marks=linux), PsutilTable]


@pytest.fixture
def child():
    environment = {"ZOOSUP_RUN_ID": "run-7", "OTHER": "ZOOSUP_RUN_ID=wrong"}
    process = subprocess.Popen(["/bin/sleep", "600"], env=environment, start_new_session=True)
    yield process
    process.kill()
    process.wait()


@pytest.mark.parametrize("kind", TABLES)
def test_a_row_says_what_the_system_says(kind, child):
    row = kind().look(child.pid)
    assert (child.pid, os.getpid(), child.pid, child.pid) == (row.pid, row.ppid, row.pgid, row.sid)
    assert ("sleep", 1, True) == (row.name, row.threads, row.living)
    assert row == kind().scan()[child.pid]._replace(state=row.state)
    assert kind().look(os.getpid()).start < row.start


@pytest.mark.parametrize("kind", TABLES)
def test_a_group_of_its_own_is_no_session_of_its_own(kind):
    process = subprocess.Popen(["/bin/sleep", "600"], process_group=0)
    row = kind().look(process.pid)
    process.kill()
    process.wait()
    assert (process.pid, os.getsid(0)) == (row.pgid, row.sid)


@pytest.mark.parametrize("kind", TABLES)
def test_a_zombie_is_seen_but_does_not_live(kind):
    process = subprocess.Popen(["true"])
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    assert ("Z", False) == (kind().look(process.pid).state, kind().look(process.pid).living)
    assert Memory() == kind().memory(process.pid)
    process.wait()
    assert None is kind().look(process.pid)
    assert Memory() == kind().memory(process.pid)
    assert not kind().run_id(process.pid)


@pytest.mark.parametrize("kind", TABLES)
def test_the_run_id_is_read_from_the_environment(kind, child):
    assert "run-7" == kind().run_id(child.pid)
    assert None is kind().run_id(os.getpid())


WATCHES_ITS_CHILDREN = """
import os, time
from zoosup.host.process.table.proc_table import ProcTable
table, seen = ProcTable(), set()
for _ in range(60):
    if not (pid := os.fork()):
        os.execv("/bin/sleep", ["sleep", "0.02"])
    until = time.monotonic() + 0.02
    while time.monotonic() < until:
        found, row = table.run_id(pid), table.look(pid)
        if row is not None and row.living:
            seen.add(found)
    os.waitpid(pid, 0)
print(seen)
"""


@linux
def test_a_process_in_the_midst_of_an_exec_has_the_run_id_all_the_same():
    """For a tenth of a millisecond it shows no environment; taken for none, it was lost to its run for good."""
    command = [sys.executable, "-c", WATCHES_ITS_CHILDREN]
    environ = {**os.environ, "ZOOSUP_RUN_ID": "run-7"}
    assert (
        "{'run-7'}\n"
        == subprocess.run(command, env=environ, capture_output=True, text=True, check=True).stdout
    )


def test_who_shows_no_environment_elsewhere_may_be_in_an_exec(monkeypatch, child):
    """macOS hides that of some programs, too: they are asked again, which costs little."""
    monkeypatch.setattr(psutil.Process, "environ", lambda _: {})
    assert "" == PsutilTable().run_id(child.pid)
    monkeypatch.setattr(psutil.Process, "environ", lambda each: refuse(psutil.ZombieProcess(each.pid)))
    assert "" == PsutilTable().run_id(child.pid)
    monkeypatch.setattr(psutil.Process, "environ", lambda each: refuse(psutil.AccessDenied(each.pid)))
    assert None is PsutilTable().run_id(child.pid)


def refuse(error):
    raise error


@linux
def test_who_is_of_the_kernels_own_is_read_once(monkeypatch):
    table, read, asked = ProcTable(), proc_table._read, []
    rows = table.scan()
    own = {f"/proc/{pid}/stat" for pid, row in rows.items() if row.kernel}
    monkeypatch.setattr(proc_table, "_read", lambda path: (asked.append(path), read(path))[1])
    assert {pid: row for pid, row in rows.items() if row.kernel}.items() <= table.scan().items()
    assert not own.intersection(asked)
    assert f"/proc/{os.getpid()}/stat" in asked


@linux
def test_a_pid_of_the_kernels_that_was_given_to_a_program_is_read_anew(child):
    table = ProcTable()
    table.scan()
    thread = table.look(child.pid)._replace(name="kworker", kernel=True)
    table._kernel = {child.pid: (os.lstat(f"/proc/{child.pid}").st_ino + 1, thread)}
    assert ("sleep", False) == (table.scan()[child.pid].name, table.scan()[child.pid].kernel)


@linux
def test_a_fork_moves_the_count_of_forks():
    before = ProcTable().forks()
    subprocess.run(["true"], check=True)
    assert before != ProcTable().forks()


@pytest.mark.parametrize("shown", [OSError(107, "Transport endpoint is not connected"), b"", b"0.00 none"])
def test_a_count_of_forks_that_can_not_be_read_fails_no_look(monkeypatch, shown):
    """In some containers a program of user space makes that file, and may be gone."""

    def read(*_):
        if isinstance(shown, Exception):
            raise shown
        return shown

    monkeypatch.setattr(proc_table, "_read", read)
    assert None is ProcTable().forks()


@linux
def test_an_exec_that_takes_long_leaves_it_open(monkeypatch):
    with subprocess.Popen(["sleep", "600"], env={}) as bare:
        assert None is ProcTable().run_id(bare.pid)
        monkeypatch.setattr(proc_table, "_is_in_exec", lambda _: True)
        answer = ProcTable().run_id(bare.pid)
        bare.kill()
    assert "" == answer


@pytest.mark.parametrize("kind", TABLES)
def test_no_process_is_missing(kind):
    before = set(psutil.pids())
    seen = set(kind().scan())
    assert set() == (before & set(psutil.pids())) - seen


@linux
def test_a_name_may_hold_blanks_brackets_and_line_ends(tmp_path):
    program = tmp_path / "a) R 1 (b\n"
    program.symlink_to("/bin/sleep")
    process = subprocess.Popen([str(program), "600"])
    try:
        assert program.name == ProcTable().look(process.pid).name
        assert os.getpid() == ProcTable().look(process.pid).ppid
    finally:
        process.kill()
        process.wait()


@linux
def test_start_times_are_the_kernels_own_ticks():
    stat = ProcTable().look(os.getpid())
    ticks = psutil.Process().create_time() - psutil.boot_time()
    assert abs(stat.start / os.sysconf("SC_CLK_TCK") - ticks) < 2


MAPPER = """
import mmap, sys
with open(sys.argv[1], "rb") as file:
    pages = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    sum(pages[i] for i in range(0, len(pages), 4096))
    print(flush=True)
    sys.stdin.read()
"""


@linux
@pytest.mark.parametrize("kind", TABLES)
def test_files_that_are_mapped_and_read_are_told_apart_from_what_a_process_holds(kind, tmp_path):
    weights = tmp_path / "weights"
    weights.write_bytes(os.urandom(1 << 20) * 64)
    command = [sys.executable, "-c", MAPPER, str(weights)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        process.stdout.readline()
        found = kind().memory(process.pid)
        if kind is ProcTable:
            assert 64 << 20 <= found.mapped < 96 << 20
            assert found.held < 32 << 20
        # To psutil a page that nobody else has mapped is the process's own, wherever it is from.
        assert 64 << 20 <= sum(found) < 128 << 20
        process.stdin.close()
    assert Memory() == kind().memory(process.pid)


@linux
def test_what_a_process_reads_is_counted_and_of_one_that_is_gone_nothing(tmp_path):
    weights = tmp_path / "weights"
    weights.write_bytes(b"w" * (16 << 20))
    reader = "import sys; open(sys.argv[1], 'rb').read(); print(flush=True); sys.stdin.read()"
    command = [sys.executable, "-c", reader, str(weights)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        process.stdout.readline()
        found = ProcTable().reads(process.pid)
        assert 16 << 20 <= found.asked < 24 << 20
        process.stdin.close()
    assert Reads() == ProcTable().reads(process.pid)
    assert Reads() == PsutilTable().reads(os.getpid())


def test_memory_without_permission_for_uss_is_the_resident_size(monkeypatch):
    def denied(_):
        raise psutil.AccessDenied

    monkeypatch.setattr(psutil.Process, "memory_full_info", denied)
    found = PsutilTable().memory(os.getpid())
    assert 1 << 20 < found.held
    assert 0 == found.mapped


def test_a_zombie_of_macos_has_no_group(monkeypatch, child):
    def gone(_):
        raise ProcessLookupError

    monkeypatch.setattr(os, "getpgid", gone)
    row = PsutilTable().look(child.pid)
    assert (child.pid, 0, 0) == (row.pid, row.pgid, row.sid)


@pytest.mark.skipif(psutil.version_info < (7, 1), reason="its create_time() stands still on macOS")
def test_a_step_of_the_clock_makes_nobody_another_process(monkeypatch, child):
    table = PsutilTable()
    before = table.look(child.pid)
    monkeypatch.setattr(psutil.Process, "create_time", lambda _: 86_400.0)
    assert before.start == table.look(child.pid).start


def test_each_system_has_its_table(monkeypatch):
    monkeypatch.setattr(sys, "platform", "darwin")
    assert isinstance(host_table(), PsutilTable)
    monkeypatch.setattr(sys, "platform", "linux")
    assert isinstance(host_table(), ProcTable)


def test_a_dead_process_does_not_live():
    assert not Row(1, 1, 1, 1, 1, "X", 1, "x").living


@linux
@pytest.mark.parametrize("ask", [ProcTable.look, ProcTable.run_id, ProcTable.memory, ProcTable.reads])
def test_no_descriptor_left_is_an_error_not_an_absence(ask):
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, limits[1]))
    try:
        with pytest.raises(OSError, match="Too many open files"):
            ask(ProcTable(), os.getpid())
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
