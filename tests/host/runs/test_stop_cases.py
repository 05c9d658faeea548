"""The nine ways of being stopped badly, each inside a container: the kernel and the engine say that nobody is left."""

import asyncio

import psutil
import pytest

from tests.host.runs.conftest import Harness

pytestmark = pytest.mark.e2e

CASES = {
    "plain": ("sleep 0", 1),
    "leader-deaf": ("deaf sleep 0", 1),
    "group-child-deaf": ("child deaf sleep 0 then sleep 0", 2),
    "session-child": ("child session sleep 0 then sleep 0", 2),
    "session-child-deaf": ("child session deaf sleep 0 then sleep 0", 2),
    "crashed": ("child session deaf sleep 0 then sleep 1 crash", 2),
    "daemon": ("child session child sleep 0 then exit 0 then sleep 0", 2),
    "fork-on-term": ("fork-on-term sleep 0", 1),
    "session-child-cleared": ("child session bare sleep 0 then sleep 0", 2),
}
"""As in tests/host/process, in the words of tiny.c; and how many processes there are before the stop."""


@pytest.mark.parametrize("case", CASES)
async def test_nobody_of_the_container_is_left(harness: Harness, case: str):
    """With pids of its own, where the kernel ends all with the first; and with the host's, where it doesn't."""
    words, count = CASES[case]
    await asyncio.gather(
        begun(harness, "own", words, count), begun(harness, "host", words, count, pid="host")
    )
    if case == "crashed":
        await harness.eventually(lambda: {"own", "host"} == {run_id for run_id, _ in harness.exits})
    containers = {run_id: harness.containers(run_id)[0] for run_id in ("own", "host")}
    ended = await asyncio.gather(*(harness.end(run_id, grace=1.0) for run_id in containers))
    assert ["", ""] == [each.survivors for each in ended]
    assert {} == {run_id: left for run_id, each in containers.items() if (left := harness.processes_of(each))}
    assert [] == harness.containers()
    if case == "fork-on-term":
        logs = {run_id: harness.output(run_id) for run_id in containers}
        assert {"own": [b"late"], "host": [b"late"]} == logs, "it has not forked"


async def begun(harness: Harness, run_id: str, words: str, count: int, **options: str) -> None:
    """Started, and with all its processes there."""
    await harness.start(run_id, *words.split(), **options)
    (container,) = harness.containers(run_id)
    await harness.eventually(lambda: len(tinies(harness, container)) == count)


def tinies(harness: Harness, container: str) -> list[int]:
    found = []
    for pid in harness.processes_of(container):
        try:
            process = psutil.Process(pid)
            if process.name() == "tiny" and process.status() != psutil.STATUS_ZOMBIE:
                found.append(pid)
        except psutil.NoSuchProcess:
            continue
    return found
