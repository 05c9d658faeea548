"""What the tests of crashes share: an oracle, and zoosups that leave nothing behind."""

import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.crash.daemon import Daemon
from tests.crash.oracle import Oracle

if sys.platform != "linux":
    collect_ignore_glob = ["test_*.py"]  # the oracle reads /proc


@pytest.fixture(scope="module")
def oracle() -> Iterator[Oracle]:
    """One look at the system for all of a file; one that went on would meet tests that leave it no descriptor."""
    with Oracle() as oracle:
        yield oracle


@pytest.fixture
def home() -> Iterator[Path]:
    """A directory with a short name: a socket's path has a limit, and pytest's are long."""
    path = Path(tempfile.mkdtemp(prefix="zoosup-"))
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture
def daemon(home: Path, oracle: Oracle) -> Iterator[Callable[..., Daemon]]:
    """Makes zoosups that don't outlive the test, nor do their models."""
    made: list[Daemon] = []

    def make(**options: str) -> Daemon:
        made.append(Daemon(home / str(len(made)), oracle, **options))
        return made[-1]

    yield make
    for each in made:
        each.clean_up()
