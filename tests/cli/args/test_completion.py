"""Command lines are completed by the shells themselves: bash, and zsh and fish where they are."""

import os
import pty
import select
import shutil
import subprocess
import time

import pytest
import shtab

from tests.cli.conftest import BIN
from tests.cli.fakes import model, snapshot
from zoosup.cli.args import completion
from zoosup.cli.args.tree import parser

GUARD = 30
NAMES = ("guest", "visitor", "gemma3:12b", "gemma3:4b")
FILE = "active: []\nmodels:\n" + "".join(f"  {each}: {{command: sleep 9}}\n" for each in NAMES)
TYPED = [
    ("sta", {"start", "status"}),
    ("unit la", {"launchd"}),
    ("--vers", {"--version"}),
    ("wait --for re", {"ready"}),
    ("start gu", {"guest"}),
    ("use guest v", {"visitor"}),
    ("check zo", {"zoo.yaml"}),
    ("--state-dir st", {"state"}),
    ("__m", set()),
]


@pytest.fixture
def home(shell):
    (shell.home / "zoo.yaml").write_text(FILE)
    (shell.home / "state").mkdir(mode=0o700)
    shell.env = {"PATH": f"{BIN.parent}:{os.environ['PATH']}", "TERM": "dumb"}
    return shell


def ran(shell, *words):
    done = subprocess.run(
        words, capture_output=True, text=True, check=True, cwd=shell.home, env=shell.environment()
    )
    return done.stdout


@pytest.mark.parametrize(("typed", "offered"), TYPED)
async def test_bash_completes(home, typed, offered):
    words = ["zoosup", *typed.split()]
    ask = f"COMP_WORDS=({' '.join(words)}); COMP_CWORD={len(words) - 1}; _shtab_zoosup 2>/dev/null"
    script = f'eval "$(zoosup --print-completion bash)"; {ask}; printf "%s\\n" "${{COMPREPLY[@]}}"'
    assert offered == set(ran(home, "bash", "--norc", "-c", script).split())


@pytest.mark.skipif(shutil.which("fish") is None, reason="no fish here")
@pytest.mark.parametrize(("typed", "offered"), TYPED)
async def test_fish_completes(home, typed, offered):
    script = f"zoosup --print-completion fish | source; complete -C 'zoosup {typed}'"
    answer = ran(home, "fish", "--no-config", "-c", script)
    assert offered == {line.split("\t")[0].rstrip("/") for line in answer.splitlines()}


TYPES = [
    ("unit la", "unit launchd"),
    ("--vers", "--version"),
    ("wait --for re", "wait --for ready"),
    ("start gu", "start guest"),
    ("check zo", "check zoo.yaml"),
    ("start gemma3:1", "start gemma3:12b"),
    ("start gem", "start gemma3:"),
]


@pytest.mark.skipif(shutil.which("zsh") is None, reason="no zsh here")
@pytest.mark.parametrize(("typed", "completed"), TYPES)
async def test_zsh_completes(home, typed, completed):
    begin = 'autoload -Uz compinit; compinit -D -u; eval "$(zoosup --print-completion zsh)"; print RE""ADY\n'
    types(home, ["zsh", "-f", "-i"], begin, typed, completed)


@pytest.mark.parametrize(
    ("typed", "completed"), [*TYPES, ("use gemma3:4b gemma3:1", "use gemma3:4b gemma3:12b")]
)
async def test_bash_completes_what_is_typed(home, typed, completed):
    begin = 'eval "$(zoosup --print-completion bash)"; echo RE""ADY\n'
    types(home, ["bash", "--norc", "-i"], begin, typed, completed)


def types(home, shell, begin, typed, completed):
    """What stands on the line after the key, in a terminal: completion as a person meets it runs nowhere else."""
    keyboard, terminal = pty.openpty()
    process = subprocess.Popen(
        shell, stdin=terminal, stdout=terminal, stderr=terminal,
        cwd=home.home, env=home.environment(), start_new_session=True,
    )  # fmt: skip
    os.close(terminal)
    try:
        os.write(keyboard, begin.encode())
        shown(keyboard, "READY")
        os.write(keyboard, f"zoosup {typed}\t".encode())
        shown(keyboard, f"zoosup {completed}")
    finally:
        process.kill()
        process.wait()
        os.close(keyboard)


def shown(keyboard, text):
    """Read until the terminal shows it, whatever a line editor moves and rings in between."""
    seen, end = "", time.monotonic() + GUARD
    while text not in seen.replace("\r", "").replace("\a", ""):
        assert time.monotonic() < end, f"{text!r} is not shown: {seen!r}"
        if select.select([keyboard], [], [], 0.1)[0]:
            seen += os.read(keyboard, 65536).decode(errors="replace")


READ = {
    "bash": 'eval "$(cat script)"',
    "zsh": 'autoload -Uz compinit; compinit -D -u; eval "$(cat script)"',
    "fish": "source script",
}


@pytest.mark.parametrize("shell_", completion.SHELLS)
def test_names_are_asked_for_when_they_are_wanted_not_when_a_shell_starts(tmp_path, shell_):
    if shutil.which(shell_) is None:
        pytest.skip(f"no {shell_} here")
    (tmp_path / "script").write_text(shtab.complete(parser(), shell_))
    (tmp_path / "zoosup").write_text("#!/bin/sh\necho x >> asked\n")
    (tmp_path / "zoosup").chmod(0o755)
    env = {"PATH": f"{tmp_path}:/usr/bin:/bin", "HOME": str(tmp_path)}
    subprocess.run([shell_, "-c", READ[shell_]], cwd=tmp_path, env=env, check=True, capture_output=True)
    assert not (tmp_path / "asked").exists()


async def test_names_are_the_supervisors_where_one_runs(home, runtime):
    from zoosup.web.api.server import WebServer  # noqa: PLC0415

    assert [*NAMES] == (await home("__models")).out.splitlines()
    server = WebServer(runtime, control=home.home / "state" / "control.sock")
    await server.start(None)
    try:
        runtime.publisher.publish(snapshot({"b": model("stopped")}))
        assert "b\n" == (await home("__models")).out
    finally:
        await server.stop()


async def test_without_names_nothing_is_said(shell):
    ended = await shell("__models")
    assert (0, "", "") == (ended.code, ended.out, ended.err)


async def test_another_shell_is_refused(shell):
    ended = await shell("--print-completion", "ksh")
    assert 64 == ended.code
    assert "invalid choice: 'ksh'" in ended.err
