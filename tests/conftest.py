"""What every test shares: how many examples Hypothesis tries, and which tests may run beside each other."""

import asyncio
import os
import signal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings

settings.register_profile(
    "default",
    max_examples=100,
    derandomize=True,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
)
# Other examples each time, and enough of them to meet what is rare; a failure prints how to make it again. Nothing is
# kept from one run to the next: a seed alone says what is tried.
settings.register_profile(
    "nightly",
    settings.get_profile("default"),
    max_examples=1000,
    derandomize=False,
    print_blob=True,
    database=None,
)
settings.register_profile("thorough", settings.get_profile("nightly"), max_examples=5000)
settings.register_profile("brief", settings.get_profile("nightly"), max_examples=20)
# For planted bugs: that one is found is enough, and the shortest way to it costs minutes.
settings.register_profile(
    "unshrunk", settings.get_profile("default"), phases=[Phase.explicit, Phase.generate]
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))

HERE = Path(__file__).parent

WHOLE_MACHINE = ("crash", "e2e", "faults", "host/container", "host/process", "host/runs", "peers", "soak")
"""Folders whose tests look at processes, limits, memory or clocks that all share: one worker has them, in turn."""

LONGEST = ("core/simulation", "runtime/histories", "mutations", "host/config", "cli")
"""Folders that are begun first, so that no worker is left alone with one of them in the end."""


def pytest_sessionstart() -> None:
    """Leave no event loop of the main thread behind: one that pytest-asyncio makes and nobody closes is a warning."""
    asyncio.set_event_loop(None)
    # A shell's background job ignores these, and so would all that it starts.
    for each in (signal.SIGINT, signal.SIGQUIT):
        if signal.getsignal(each) is signal.SIG_IGN:
            signal.signal(each, signal.default_int_handler if each is signal.SIGINT else signal.SIG_DFL)


REAL_ENGINES = frozenset({"docker_session", "engine", "podman_session"})
"""Fixtures that start a container engine; who has them is marked e2e."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """In a worker of many the order is that in which work is given out; elsewhere it is that of the files."""
    for item in items:
        if not (REAL_ENGINES - _parameters(item)).isdisjoint(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.e2e)
        if item.get_closest_marker("looptime") is not None:
            # It would turn the loop 42 times before each step of its clock, for others than asyncio's own tasks.
            item.add_marker(pytest.mark.looptime(noop_cycles=0))
    if hasattr(config, "workerinput"):
        items.sort(key=lambda item: _rank(item.path.relative_to(HERE)))


def _parameters(item: pytest.Item) -> set[str]:
    """Names that a test gives to values of its own."""
    given = [mark.args[0] for mark in item.iter_markers("parametrize")]
    return {n.strip() for names in given for n in (names.split(",") if isinstance(names, str) else names)}


def _rank(test: Path) -> int:
    if _is_of_the_whole_machine(test):
        return -1
    return next((i for i, folder in enumerate(LONGEST) if test.is_relative_to(folder)), len(LONGEST))


def _is_of_the_whole_machine(test: Path) -> bool:
    return any(test.is_relative_to(folder) for folder in WHOLE_MACHINE)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Give out whole files, and all that look at the whole machine as if they were one."""
    from xdist.scheduler import LoadScopeScheduling  # noqa: PLC0415 - only where it is asked for

    class ByFile(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            file = nodeid.partition("::")[0]
            test = Path(config.rootpath, file).relative_to(HERE)
            return "the whole machine" if _is_of_the_whole_machine(test) else file

    return ByFile(config, log)
