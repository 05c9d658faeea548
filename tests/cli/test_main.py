"""What every command has in common: words, exit codes, and how it ends."""

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.fakes import model, snapshot
from zoosup.cli.client import Client
from zoosup.errors import UnreachableError


async def test_the_version_is_told(shell):
    ended = await shell("--version")
    assert (0, "zoosup 0.1.0\n") == (ended.code, ended.out)


def test_the_package_runs_as_a_module(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "zoosup", "--version"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (0, "zoosup 0.1.0\n") == (done.returncode, done.stdout)


@pytest.mark.parametrize("closed", [">&-", "<&- >&- 2>&-"])
def test_a_command_whose_streams_are_closed_ends_as_ever(tmp_path, closed):
    (tmp_path / "zoo.yaml").write_text("active: []\nmodels: {}\n")
    line = f'"{sys.executable}" -m zoosup check zoo.yaml {closed}'
    done = subprocess.run(["sh", "-c", line], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (0, "") == (done.returncode, done.stderr)


async def test_a_supervisor_whose_streams_are_closed_supervises(tmp_path):
    (tmp_path / "zoo.yaml").write_text("active: []\nmodels: {}\ngateway: false\nstatus: {listen: null}\n")
    line = f'exec "{sys.executable}" -m zoosup --state-dir state run zoo.yaml <&- >&- 2>&-'
    running = await asyncio.create_subprocess_exec("sh", "-c", line, cwd=tmp_path)
    async with asyncio.timeout(30):
        while not (tmp_path / "state" / "control.sock").exists():
            assert running.returncode is None
            await asyncio.sleep(0.05)
        running.terminate()
        assert 0 == await running.wait()


@pytest.mark.parametrize(
    "words",
    [
        "drain",
        "undrain",
        "hold --release",
        "stop",
        "logs",
        "use a",
        "status",
        "wait a",
        "estimate",
        "sessions clear",
    ],
)
async def test_a_name_that_a_script_has_left_empty_is_none(shell, words):
    ended = await shell(*words.split(), "")
    assert (64, True) == (ended.code, "got '', expected a name" in ended.err)


def test_the_version_loads_nothing_that_takes_time():
    code = "import sys; from zoosup.cli.main import main; main(['--version'])"
    code = f"try:\n exec({code!r})\nexcept SystemExit: pass\nprint(*sys.modules, file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    heavy = {"asyncio", "aiohttp", "pydantic", "pydantic_settings", "rich", "psutil", "yaml", "http.client"}
    assert set() == heavy & set(done.stderr.split())


@pytest.mark.parametrize(
    ("command", "heavy"),
    [
        ("['status']", {"aiohttp", "rich", "psutil", "yaml", "prometheus_client"}),
        ("['check', '/nonexistent/zoo.yaml']", {"aiohttp", "rich", "psutil", "pydantic_settings"}),
    ],
)
def test_a_command_loads_only_what_it_needs(tmp_path, command, heavy):
    code = f"import sys; from zoosup.cli.main import main; main({command}); print(*sys.modules)"
    env = {"HOME": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=env)
    assert set() == heavy & set(done.stdout.split())


async def test_help_names_every_command_and_every_exit_code(shell):
    ended = await shell("--help")
    assert 0 == ended.code
    for word in (
        *("run", "init", "check", "plan", "schema", "status", "logs", "events", "wait", "doctor"),
        *("use", "start", "stop", "restart", "unload", "auto", "reload"),
        *("0  done", "2  plan", "3  not ready", "4  no such model", "64", "69", "75", "78", "124"),
    ):
        assert word in ended.out


async def test_nothing_at_all_is_answered_with_the_help(shell):
    ended = await shell()
    assert (64, "") == (ended.code, ended.out)
    assert "usage: zoosup" in ended.err


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["statsu"], "no command 'statsu', did you mean status?"),
        (["status", "--jsno"], "unrecognized arguments: --jsno, did you mean --json?"),
        (["status", "--jso"], "did you mean --json?"),
        (["models"], "no command 'models', did you mean status?"),
        (["ps"], "did you mean status?"),
        (["mode"], "no command 'mode' (see"),
        (["logs"], "the following arguments are required: MODEL"),
        (["logs", "a", "-n", "ten"], "got 'ten', expected a whole number of 0 or more"),
        (["wait", "--timeout", "5"], "got '5', expected a duration with a unit"),
        (["wait", "--for", "redy"], "invalid choice: 'redy'"),
        (["wait", "a", "--for", "converged"], "expected no model beside it"),
        (["status", "--instance", "a/b"], "--instance: got 'a/b', expected at most 64 letters"),
        (["run", "--status-listen", "8081"], "--status-listen: got '8081', expected HOST:PORT"),
        (["run", "--log-level", "loud"], "--log-level: got 'loud', expected debug, info, warning or error"),
        (["run"], "no zoo.yaml: tried zoo.yaml, "),
        (["use"], "the following arguments are required: MODEL"),
    ],
)
async def test_wrong_usage_is_one_line_and_64(shell, words, says):
    ended = await shell(*words)
    assert (64, "") == (ended.code, ended.out)
    assert says in ended.err
    assert 1 == ended.err.count("\n")
    assert ended.err.startswith("zoosup: ")


def test_a_file_in_a_directory_that_is_gone_is_told_in_one_line(tmp_path):
    place = tmp_path / "place"
    place.mkdir()
    script = f"import os, sys; os.chdir({str(place)!r}); os.rmdir({str(place)!r}); "
    script += (
        "from zoosup.cli.main import main; sys.exit(main(['run', 'zoo.yaml', '--state-dir', sys.argv[1]]))"
    )
    done = subprocess.run(
        [sys.executable, "-P", "-c", script, str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert 64 == done.returncode, done.stderr
    assert "zoo.yaml: the directory that this is run in is gone, expected a whole path" in done.stderr
    assert "Traceback" not in done.stderr


async def test_a_wrong_variable_is_named(shell):
    shell.env = {"ZOOSUP_LOG_FORMAT": "xml"}
    ended = await shell("status")
    assert (64, "zoosup: ZOOSUP_LOG_FORMAT: got 'xml', expected text or json\n") == (ended.code, ended.err)


@pytest.mark.parametrize(
    "words",
    [["status"], ["status", "-w"], ["logs", "a"], ["logs", "a", "-f"], ["events"], ["events", "-f"],
     ["start", "a"], ["reload"], ["wait", "-t", "0s"]],
)  # fmt: skip
async def test_without_a_supervisor_it_is_69_with_the_socket_and_a_hint(shell, words):
    ended = await shell(*words)
    assert (69, "") == (ended.code, ended.out)
    assert (
        f"no supervisor answers on {shell.home}/state/control.sock; start one with `zoosup run`" in ended.err
    )


async def test_a_socket_that_nobody_listens_on_is_69(shell, server):
    await server.stop()
    (shell.home / "state" / "control.sock").touch()
    assert 69 == (await shell("status")).code


async def test_global_options_stand_before_or_behind_the_command(shell, server):
    shell.env = {"ZOOSUP_STATE_DIR": "/nonexistent"}
    state = str(shell.home / "state")
    assert 0 == (await shell("--state-dir", state, "status")).code
    assert 0 == (await shell("status", "--state-dir", state)).code
    assert 69 == (await shell("status")).code


async def test_an_instance_has_a_directory_of_its_own(shell):
    shell.env = {"ZOOSUP_STATE_DIR": "", "XDG_STATE_HOME": "/x"}
    assert "/x/zoosup/second/control.sock" in (await shell("status", "--instance", "second")).err
    shell.env |= {"ZOOSUP_INSTANCE": "third"}
    assert "/x/zoosup/third/control.sock" in (await shell("status")).err


async def test_a_reader_that_goes_is_no_error(shell, server, runtime):
    runtime.logs.lines["a"] = ["x" * 1000] * 9000
    process = await shell.start("logs", "a", "-n", "9000")
    await process.stdout.read(10)
    process.stdout._transport.close()
    async with asyncio.timeout(60):
        assert (141, b"") == (await process.wait(), await process.stderr.read())


@pytest.mark.parametrize("words", [["wait", "b"], ["events", "-f"], ["status", "-w", "--json"]])
async def test_ctrl_c_is_quiet(shell, server, runtime, words):
    runtime.journal.add("Tick", None, "", "something to read")
    runtime.publisher.publish(snapshot({"b": model("stopped", on_demand=True)}))
    process = await shell.start(*words)
    begun = process.stderr if words[0] == "wait" else process.stdout
    assert b"" != await begun.readline()
    process.send_signal(signal.SIGINT)
    async with asyncio.timeout(60):
        _, err = await process.communicate()
    assert (130, b"") == (process.returncode, err)


async def test_a_locale_without_unicode_is_no_error(shell, server):
    shell.env = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PYTHONIOENCODING": "ascii"}
    assert 0 == (await shell("status")).code


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="Linux has it")
async def test_a_full_output_is_told_in_one_line(shell, server):
    with Path("/dev/full").open("wb") as full:
        process = await shell.start("status", stdout=full)
        _, err = await process.communicate()
    assert (1, b"zoosup: the output can't be written: No space left on device\n") == (process.returncode, err)


def test_nothing_is_sent_to_a_socket_in_a_strangers_directory(tmp_path, monkeypatch):
    monkeypatch.setattr("zoosup.cli.client.SHARED", tmp_path)
    for name, mode in ((f"zoosup-{os.getuid()}", 0o777), (f"zoosup-{os.getuid() + 1}", 0o700)):
        directory = tmp_path / name
        directory.mkdir()
        directory.chmod(mode)
        with pytest.raises(UnreachableError, match="not the user's own directory"):
            Client(directory / "x.sock").get("status")
    (tmp_path / f"zoosup-{os.getuid()}").chmod(0o700)
    with pytest.raises(UnreachableError, match="no supervisor answers"):
        Client(tmp_path / f"zoosup-{os.getuid()}" / "x.sock").get("status")
