"""The pull-based example: a host that follows a branch of a real bare repository, with a real zoosup."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.e2e.driver import BIN, DEADLINE, Zoosup, free_ports

EXAMPLE = Path(__file__).parents[2] / "examples/git"
PULL = EXAMPLE / "zoosup-pull"
pytestmark = [
    pytest.mark.e2e,
    pytest.mark.timeout(300),
    pytest.mark.skipif(shutil.which("flock") is None, reason="needs util-linux"),
]

ZOO = """\
active: {active}
budget: {{ram: 400MiB, ram_reserve: 64MiB}}
gateway: false
status: {{listen: "127.0.0.1:{status}"}}
defaults:
  command: python -m zoosup.demo --model-id ${{MODEL_ID}} --port ${{PORT}} --ram 80MiB
  memory: {{ram: 140MiB}}
models: {{a: {{}}, b: {{}}}}
"""


class Author:
    """Somebody who pushes to a bare repository."""

    def __init__(self, home: Path, status: int) -> None:
        self.remote, self.tree, self.status = home / "remote.git", home / "tree", status
        self.tree.mkdir()
        names = {
            f"GIT_{who}_{what}": "x@y.z" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")
        }
        self.environ = {
            **os.environ,
            "GIT_CONFIG_GLOBAL": "/dev/null",
            "GIT_CONFIG_SYSTEM": "/dev/null",
            **names,
        }
        self.git("init", "--quiet", "--bare", str(self.remote))
        self.git("init", "--quiet", "--initial-branch=main", ".")

    def git(self, *words: str) -> str:
        done = subprocess.run(
            ["git", *words],
            cwd=self.tree,
            env=self.environ,
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        )
        return done.stdout.strip()

    def push(self, text: str, *, force: bool = False) -> str:
        """Push a commit with this zoo.yaml; its name."""
        (self.tree / "zoo.yaml").write_text(text)
        self.git("add", "zoo.yaml")
        self.git("commit", "--quiet", "--allow-empty", "-m", "zoo", *(["--amend"] if force else []))
        self.git("push", "--quiet", *(["--force"] if force else []), str(self.remote), "main")
        return self.git("rev-parse", "HEAD")

    def zoo(self, active: str) -> str:
        return ZOO.format(active=active, status=self.status)


class Host:
    """One that follows the branch."""

    def __init__(self, home: Path, author: Author) -> None:
        self.directory, self.author = home / "deployed", author
        self.file = self.directory / "current/zoo.yaml"
        command = (str(BIN / "zoosup"), "run", str(self.file))
        self.zoosup = Zoosup(home, "", author.status, command)
        self.zoosup.env["ZOOSUP_FILE"] = str(self.file)

    def pull(self, **more: str) -> subprocess.CompletedProcess[str]:
        words = [str(PULL), str(self.author.remote), "main", str(self.directory)]
        environ = self.zoosup.env | {"ZOOSUP_PULL_WAIT": "60s"} | more
        return subprocess.run(
            words, env=environ, capture_output=True, text=True, check=False, timeout=DEADLINE
        )

    def in_force(self) -> str:
        return str(self.zoosup.status()["config"]["revision"])

    def at(self) -> str:
        return self.file.parent.resolve().name


@pytest.fixture
def author(tmp_path: Path) -> Author:
    [status] = free_ports(1)
    return Author(tmp_path, status)


@pytest.fixture
def host(tmp_path: Path, author: Author) -> Iterator[Host]:
    """A host on which a runs, by a first commit."""
    first = author.push(author.zoo("a"))
    made = Host(tmp_path, author)
    done = made.pull()
    assert (0, first) == (done.returncode, made.at()), done.stderr
    made.zoosup.start()
    made.zoosup.wait_phase("a", "ready")
    assert first == made.in_force()
    yield made
    made.zoosup.clean_up()


def test_a_good_commit_is_in_force_when_the_pull_has_ended(host: Host, author: Author):
    second = author.push(author.zoo("b"))
    done = host.pull()
    assert 0 == done.returncode, done.stderr
    assert ("ready", "stopped", second) == (
        host.zoosup.model("b")["phase"],
        host.zoosup.model("a")["phase"],
        host.in_force(),
    )
    pid = host.zoosup.pid("b")
    assert 0 == host.pull().returncode
    third = author.push(author.zoo("b"))  # the same file by another name
    assert 0 == host.pull().returncode
    host.zoosup.wait(lambda s: s["config"]["revision"] == third, "the new name")
    assert pid == host.zoosup.pid("b")


def test_a_broken_commit_moves_nothing_and_the_next_good_one_is_followed(host: Host, author: Author):
    first, pid = host.at(), host.zoosup.pid("a")
    author.push(author.zoo("nobody"))
    done = host.pull()
    assert 78 == done.returncode
    assert "nobody" in done.stderr
    assert (first, first, pid) == (host.at(), host.in_force(), host.zoosup.pid("a"))
    assert host.zoosup.status()["config"]["error"] is None
    good = author.push(author.zoo("b"))
    assert (0, good) == (host.pull().returncode, host.in_force())


def test_a_forced_push_is_followed(host: Host, author: Author):
    rewritten = author.push(author.zoo("b"), force=True)
    done = host.pull()
    assert (0, rewritten) == (done.returncode, host.in_force()), done.stderr


def test_a_tree_that_was_left_half_written_is_never_in_force(host: Host, author: Author, tmp_path: Path):
    first = host.at()
    tools = tmp_path / "tools"
    tools.mkdir()
    tar = tools / "tar"
    tar.write_text(
        f'#!/bin/sh\n{shutil.which("tar")} "$@"\nkill -9 $PPID\n'
    )  # the power goes as the tree is written
    tar.chmod(0o755)
    second = author.push(author.zoo("b"))
    assert -9 == host.pull(PATH=f"{tools}:{host.zoosup.env['PATH']}").returncode
    assert [first] == [
        each.name for each in (host.directory / "releases").iterdir() if not each.name.startswith(".")
    ]
    assert (first, first) == (host.at(), host.in_force())
    assert 0 == host.pull().returncode
    assert (second, second) == (host.at(), host.in_force())
    assert {first, second} == {each.name for each in (host.directory / "releases").iterdir()}


def test_without_a_zoosup_the_link_is_moved_for_the_next_one(host: Host, author: Author):
    assert 0 == host.zoosup.terminate()
    second = author.push(author.zoo("b"))
    assert (0, second) == (host.pull().returncode, host.at())


def test_what_is_committed_is_checked_as_the_hook_and_the_ci_do(tmp_path: Path):
    (hook,) = yaml.safe_load((EXAMPLE / ".pre-commit-config.yaml").read_text())["repos"][0]["hooks"]
    steps = yaml.safe_load((EXAMPLE / "ci.yml").read_text())["jobs"]["check"]["steps"]
    environ = {**os.environ, "PATH": f"{BIN}:{os.environ['PATH']}"}
    for text, code in (
        (ZOO.format(active="a", status=1) + "x-note: ${env.NOT_SET}\n", 0),
        ("active: nobody\n", 78),
    ):
        (tmp_path / "zoo.yaml").write_text(text)
        done = subprocess.run([*hook["entry"].split(), "zoo.yaml"], cwd=tmp_path, env=environ, check=False)
        assert code == done.returncode
        ci = subprocess.run(["bash", "-c", steps[-1]["run"]], cwd=tmp_path, env=environ, check=False)
        assert (code == 0) == (ci.returncode == 0)
