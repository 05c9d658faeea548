"""zoosup dies at each step of a container's start and end; its engine and the operating system tell what came of it."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.containers.engines import RealEngine
from tests.containers.fixtures import demo_image, docker, docker_session  # noqa: F401 - fixtures
from tests.crash.cases import Outcome, run_case
from tests.crash.containers import Containers
from tests.crash.oracle import Oracle

pytestmark = pytest.mark.timeout(900)

AT_ONCE = 3
ENDS = ("after signal container", "before remove container", "after remove container")
STEPS = {
    "api": {
        "start": ("after keep tie", "after create container", "after start container"),
        "stop": ENDS,
        "overlap": ("after start container",),
        "replace": ("after remove container",),
        "leave": ("after signal container",),
    },
    "client": {
        "start": ("after keep tie", "after fork", "after spawn"),
        "stop": ENDS,
        "overlap": ("after spawn",),
        "replace": ("after remove container",),
        "leave": ("after signal container",),
    },
}
"""By history. An instant between them is one of these or one that a process has too."""


@pytest.fixture
def engine(docker: RealEngine) -> RealEngine:  # noqa: F811
    """One is enough here: what differs between them is tested where they are asked."""
    return docker


@pytest.fixture(params=STEPS)
def containers(
    request: pytest.FixtureRequest,
    engine: RealEngine,
    docker_session: RealEngine,  # noqa: F811
    demo_image: str,  # noqa: F811
) -> Containers:
    made = Containers(engine, request.param)
    made.settle_a_stranger()
    return made


def test_wherever_it_dies_the_next_one_finds_all_containers_and_leaves_none(
    containers: Containers, oracle: Oracle, home: Path
):
    cases = [(history, step) for history, steps in STEPS[containers.by].items() for step in steps]

    def run(number: int) -> Outcome:
        history, step = cases[number]
        place = home / str(number)
        return run_case(oracle, place, history, step, edited=bool(number % 2), containers=containers)

    with ThreadPoolExecutor(AT_ONCE) as pool:
        outcomes = list(pool.map(run, range(len(cases))))
    assert [] == [(o.history, o.deadly, o.edited, o.wrong) for o in outcomes if o.wrong]
    assert cases == [(o.history, o.point) for o in outcomes], "some did not die where they should"
