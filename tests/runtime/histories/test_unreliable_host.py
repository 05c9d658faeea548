"""The unreliable host held against the real one: what both must do alike, or a history proves nothing."""

import asyncio
import contextlib

from tests.runtime.histories import virtual_time
from tests.runtime.histories.unreliable_host import UnreliableHost
from zoosup.host.ports.host import Records
from zoosup.host.storage.run_records import RecordDirectory

RUNS = [f"r{number}" for number in range(7)]
LEFT = {run_id: {"turn": 2} for run_id in RUNS[1::2]}


async def ask_all_at_once(records: Records) -> None:
    """Two records of each run are written, and those of every other run removed, before any of it is done."""
    asked = [records.write(run_id, {"turn": turn}) for turn in (1, 2) for run_id in RUNS]
    await asyncio.gather(*asked, *(records.remove(run_id) for run_id in RUNS[::2]))


async def test_the_real_host_does_first_what_it_is_asked_first(tmp_path):
    with contextlib.closing(RecordDirectory(tmp_path / "runs")) as records:
        await ask_all_at_once(records)
        assert (LEFT, []) == records.load()


def test_the_unreliable_host_does_first_what_it_is_asked_first():
    host = UnreliableHost(lambda _: 0)
    virtual_time.run(ask_all_at_once(host))
    assert LEFT == host.records
