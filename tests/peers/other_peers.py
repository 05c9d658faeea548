"""supervisord, circus and pm2 as the cases see them, each configured as its documentation recommends.

Knows their files and commands. How supervisord and circus are installed, and the bare form of their files, is the
bench's knowledge; pm2 comes from npm into a folder of the run.
"""

import json
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path

import psutil

from tests.bench import peers
from tests.peers.supervisor import RELOAD, CannotRunError, Program, Supervisor

PATIENCE = 90.0
"""Seconds for one of their commands."""

CONTROL = """
[unix_http_server]
file={folder}/supervisor.sock
[rpcinterface:supervisor]
supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface
[supervisorctl]
serverurl=unix://{folder}/supervisor.sock
"""
PROGRAM = """\
directory={cwd}
autorestart={restarts}
stopwaitsecs={grace}
stopasgroup=true
killasgroup=true
redirect_stderr=true
"""
WATCHER = """\
working_dir = {cwd}
copy_env = True
respawn = {restarts}
graceful_timeout = {grace}
stop_children = True
stdout_stream.class = FileStream
stdout_stream.filename = {folder}/{name}.out
stderr_stream.class = FileStream
stderr_stream.filename = {folder}/{name}.err
"""


class _Daemon(Supervisor):
    """One that is started as a process of ours and stays one."""

    _process: psutil.Popen | None = None

    def start(self) -> None:
        self.write()
        with (self.home / "output").open("ab") as output:
            self._process = psutil.Popen(
                self._words(), cwd=self.home, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
            )

    def _words(self) -> Sequence[str | Path]:
        raise NotImplementedError

    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def close(self) -> None:
        if self._process is None or self._process.poll() is not None:
            return
        self._process.terminate()
        try:
            self._process.wait(30)
        except psutil.TimeoutExpired:
            self._process.kill()
            self._process.wait()


class Supervisord(_Daemon):
    name = "supervisord"
    settings = "autorestart, stopasgroup, killasgroup, redirect_stderr"
    ways = ("reread, update", "SIGHUP")

    @classmethod
    def version(cls) -> str:
        return _said(_python_peer("supervisord"), "--version")

    @property
    def file(self) -> Path:
        return self.home / "supervisord.conf"

    def text(self) -> str:
        text = peers.SUPERVISORD.format(folder=self.home) + CONTROL.format(folder=self.home)
        for each in self.programs:
            text += peers.PROGRAM.format(name=each.name, command=" ".join(each.words))
            text += PROGRAM.format(cwd=each.cwd, restarts=str(each.restarts).lower(), grace=each.grace)
        return text

    def stop(self, name: str) -> None:
        self._control("stop", name)

    def apply(self, way: str) -> None:
        if way == "SIGHUP":
            os.kill(self.pid(), signal.SIGHUP)
        elif "ERROR" not in self._control("reread"):
            self._control("update")

    def _words(self) -> Sequence[str | Path]:
        return [_python_peer("supervisord"), "-c", self.file]

    def _control(self, *words: str) -> str:
        return _ask([_python_peer("supervisorctl"), "-c", self.file, *words], self.home)


class Circus(_Daemon):
    name = "circus"
    settings = "stop_children, FileStream for stdout and stderr"
    ways = ("reloadconfig",)

    @classmethod
    def version(cls) -> str:
        return _said(_python_peer("circusd"), "--version")

    @property
    def file(self) -> Path:
        return self.home / "circus.ini"

    def text(self) -> str:
        text = peers.CIRCUS.format(folder=self.home)
        for each in self.programs:
            text += peers.WATCHER.format(name=each.name, command=" ".join(each.words)).rstrip() + "\n"
            text += WATCHER.format(
                name=each.name, cwd=each.cwd, restarts=each.restarts, grace=each.grace, folder=self.home
            )
        return text

    def stop(self, name: str) -> None:
        self._control("stop", name, "--waiting")

    def apply(self, way: str) -> None:
        self._control(way, "--waiting")

    def _words(self) -> Sequence[str | Path]:
        return [_python_peer("circusd"), self.file]

    def _control(self, *words: str) -> str:
        endpoint = f"ipc://{self.home}/endpoint"
        return _ask([_python_peer("circusctl"), "--endpoint", endpoint, "--timeout", "60", *words], self.home)


class Pm2(Supervisor):
    name = "pm2"
    settings = "save and resurrect; PM2_KILL_SIGNAL=SIGTERM, so that all are asked alike"
    ways = (RELOAD,)

    def __init__(self, home: Path, programs: Sequence[Program]) -> None:
        super().__init__(home, programs)
        self._own = {**os.environ, "PM2_HOME": str(home / "pm2"), "PM2_KILL_SIGNAL": "SIGTERM"}
        self._saved = False

    @classmethod
    def version(cls) -> str:
        return json.loads((_pm2_folder() / "node_modules/pm2/package.json").read_text())["version"]

    @property
    def file(self) -> Path:
        return self.home / "ecosystem.config.js"

    def text(self) -> str:
        return f"module.exports = {json.dumps({'apps': [self._app(p) for p in self.programs]}, indent=1)}"

    @staticmethod
    def _app(program: Program) -> dict[str, object]:
        return {
            "name": program.name,
            "script": program.words[0],
            "args": list(program.words[1:]),
            "interpreter": "none",
            "cwd": str(program.cwd),
            "kill_timeout": program.grace * 1000,
            "autorestart": program.restarts,
        }

    def start(self) -> None:
        if self._saved:
            self._control("resurrect")
            return
        self.write()
        self._control("start", str(self.file))
        self._control("save")
        self._saved = True

    def pid(self) -> int:
        return int((self.home / "pm2/pm2.pid").read_text())

    def stop(self, name: str) -> None:
        self._control("stop", name)

    def apply(self, way: str) -> None:
        self._control(way, str(self.file))

    def close(self) -> None:
        if (self.home / "pm2").exists():
            self._control("kill")

    def _control(self, *words: str) -> str:
        return _ask([_pm2_folder() / "node_modules/.bin/pm2", *words], self.home, self._own)


def _python_peer(command: str) -> Path:
    try:
        return peers.install() / command
    except (OSError, subprocess.CalledProcessError) as error:
        raise CannotRunError(f"it can't be installed: {error}") from error


@cache
def _pm2_folder() -> Path:
    """The folder that holds pm2, which goes when the run ends."""
    npm = shutil.which("npm")
    if npm is None:
        raise CannotRunError("there is no npm here")
    holder = tempfile.TemporaryDirectory(prefix="zoosup-pm2-")
    _HELD.append(holder)
    done = subprocess.run(
        [npm, "install", "--prefix", holder.name, "--no-save", "--no-audit", "--no-fund", "pm2@7"],
        cwd=holder.name, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        raise CannotRunError(f"npm can't install it: {done.stderr.strip().splitlines()[-1:]}")
    return Path(holder.name)


_HELD: list[object] = []


def _said(*words: str | Path) -> str:
    done = subprocess.run(words, check=True, capture_output=True, text=True)
    return done.stdout.split()[-1]


def _ask(words: Sequence[str | Path], cwd: Path, env: dict[str, str] | None = None) -> str:
    """Run one of their commands; what it says. One that hangs has said nothing."""
    with suppress(subprocess.TimeoutExpired):
        done = subprocess.run(
            words, cwd=cwd, env=env, capture_output=True, text=True, check=False, timeout=PATIENCE,
        )  # fmt: skip
        return done.stdout + done.stderr
    return ""
