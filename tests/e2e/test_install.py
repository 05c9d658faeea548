"""zoosup as people install it: a wheel by uv or pipx, upgraded while models run, and removed."""

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.e2e.driver import BIN, alive

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

ROOT = Path(__file__).parents[2]
NEXT = "99.0"


def run(*command: object, env: Mapping[str, str] | None = None, cwd: Path | None = None) -> str:
    done = subprocess.run(
        list(map(str, command)), env=env, cwd=cwd, capture_output=True, text=True, check=False
    )
    assert 0 == done.returncode, done.stderr
    return done.stdout


def built(source: Path, folder: Path) -> Path:
    run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder, cwd=source)
    (wheel,) = folder.glob("*.whl")
    return wheel


@pytest.fixture(scope="module")
def wheels(tmp_path_factory):
    """One of this checkout, and one of the same with a later version."""
    folder = tmp_path_factory.mktemp("wheels")
    later = folder / "later"
    shutil.copytree(ROOT / "zoosup", later / "zoosup", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md"):
        shutil.copy(ROOT / name, later)
    version = later / "zoosup" / "__init__.py"
    version.write_text(re.sub(r'__version__ = "[^"]*"', f'__version__ = "{NEXT}"', version.read_text()))
    return built(ROOT, folder / "now"), built(later, folder / "then")


class Installer:
    """uv or pipx, in a home of its own; every folder that it makes is below it."""

    def __init__(self, name: str, home: Path) -> None:
        self.name, self.home, self.zoosup = name, home, home / "bin" / "zoosup"
        keep = {key: value for key, value in os.environ.items() if not key.startswith("ZOOSUP_")}
        home_of = {
            "UV_TOOL_DIR": "tools", "UV_TOOL_BIN_DIR": "bin",
            "PIPX_HOME": "tools", "PIPX_BIN_DIR": "bin", "PIPX_MAN_DIR": "man",
        }  # fmt: skip
        places = {key: str(home / place) for key, place in home_of.items()}
        path = f"{home / 'bin'}{os.pathsep}{os.environ['PATH']}"
        self.env = keep | places | {"HOME": str(home), "PATH": path, "UV_CACHE_DIR": str(home / "cache")}

    def install(self, wheel: Path) -> None:
        words = (BIN / "uv", "tool") if self.name == "uv" else (BIN / "pipx",)
        run(*words, "install", "--force", "--python", sys.executable, wheel, env=self.env)

    def uninstall(self) -> None:
        words = (BIN / "uv", "tool") if self.name == "uv" else (BIN / "pipx",)
        run(*words, "uninstall", "zoosup", env=self.env)

    def ask(self, *words: str) -> str:
        return run(self.zoosup, *words, env=self.env)


@pytest.fixture(params=["uv", "pipx"])
def installer(request, tmp_path):
    pytest.importorskip(request.param, reason="needs the dependency group e2e")
    home = tmp_path / "home"
    home.mkdir()
    return Installer(request.param, home)


def test_models_survive_an_upgrade_and_a_removal_leaves_no_program(zoosup, installer, wheels):
    now, later = wheels
    installer.install(now)
    assert f"zoosup {now.name.split('-')[1]}\n" == installer.ask("--version")
    for words in (["--print-completion", "bash"], ["--print-man"], ["schema"], ["doctor", "--json"]):
        assert "" != installer.ask(*words)
    text = installer.ask("init", "-o", "-")
    assert f"{installer.home}/tools/" in text  # the demonstration server is its own Python's
    (port,) = re.findall(r'^status:\n  listen: "127.0.0.1:(\d+)"', text, re.MULTILINE)

    zoo = zoosup(text, int(port))
    zoo.command = (str(installer.zoosup), "run", str(zoo.file))
    zoo.start()
    zoo.wait_phase("demo", "ready")
    pid, version = zoo.pid("demo"), zoo.status()["version"]

    installer.install(later)
    assert f"zoosup {NEXT}\n" == installer.ask("--version")
    assert version == zoo.status()["version"]
    zoo.process.send_signal(signal.SIGUSR2)
    zoo.wait(lambda s: s["version"] == NEXT and s["converged"], "the new one to have taken over")
    assert pid == zoo.pid("demo")

    zoo.process.kill()
    zoo.process.wait()
    assert alive(pid)
    zoo.start()
    zoo.wait(lambda s: s["pid"] == zoo.process.pid and s["converged"], "the next one to have taken over")
    assert pid == zoo.pid("demo")

    assert 0 == zoo.terminate()
    assert not alive(pid)
    installer.uninstall()
    assert not installer.zoosup.exists()
    assert [] == [each for each in installer.home.rglob("zoosup") if "cache" not in each.parts]
