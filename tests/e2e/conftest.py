"""What the end-to-end tests share: supervisors that are cleaned up, a llama-server, two models for it."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.e2e import node
from tests.e2e.chromium import CHROMIUM
from tests.e2e.driver import Zoosup
from tests.e2e.llama import CannotBuildError, llama_fit_params, llama_server

CLIENTS_IMPORTED_BY = frozenset(
    {
        "test_clients.py",
        "test_dashboard.py",
        "test_external.py",
        "test_fit_params.py",
        "test_gateway.py",
        "test_litellm_proxy.py",
        "test_llama_cpp.py",
        "test_quickstart.py",
        "test_weights.py",
    }
)
"""Files all of whose tests are marked e2e, and which import what takes seconds."""


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Import no client of these files where their tests are left out anyway."""
    left_out = config.getoption("markexpr") == "not e2e"
    return True if left_out and collection_path.name in CLIENTS_IMPORTED_BY else None


@pytest.fixture
def zoosup(tmp_path: Path) -> Iterator[Callable[..., Zoosup]]:
    """Makes supervisors that do not outlive the test."""
    made: list[Zoosup] = []

    def make(text: str, status_port: int, command: tuple[str, ...] = ()) -> Zoosup:
        home = tmp_path / f"zoo{len(made)}"
        home.mkdir()
        made.append(Zoosup(home, text, status_port, command))
        return made[-1]

    yield make
    for each in made:
        each.clean_up()


@pytest.fixture(scope="module")
def browser():
    """A real browser without a window."""
    playwright = pytest.importorskip("playwright.sync_api", reason="needs the dependency group e2e")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def llama() -> Path:
    """The path of a real llama-server."""
    try:
        return llama_server()
    except CannotBuildError as error:
        if os.environ.get("CI"):
            pytest.fail(str(error))
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def node_packages() -> Path:
    """A folder with the packages of JavaScript's clients; skipped where there is no node."""
    try:
        return node.node_packages()
    except node.CannotInstallError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def fit_params(llama: Path) -> Path:
    """The path of a real llama-fit-params, that of `llama`."""
    try:
        return llama_fit_params()
    except CannotBuildError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def ggufs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two models with different weights."""
    from tests.e2e import tiny_gguf  # noqa: PLC0415  only the llama tests need the gguf package

    folder = tmp_path_factory.mktemp("weights")
    return tiny_gguf.write(folder / "llama-a.gguf", 1), tiny_gguf.write(folder / "llama-b.gguf", 2)
