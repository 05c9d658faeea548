"""A load is looked at while it goes on, and nothing is asked of anybody at rest."""

import asyncio
from types import SimpleNamespace

import pytest

from tests.runtime.leasing.test_leases import Client, put, text
from zoosup.runtime.operations.probes.load_watch import EVERY

pytestmark = pytest.mark.looptime

GIB = 2**30


async def loading(zoo, host, seconds, **behaviour):
    """A's first load of 20 s, so many seconds after its client came."""
    host.behave("a", **{"load": 20.0, "weights": 8 * GIB, "reads": 8 * GIB} | behaviour)
    await put(zoo, host, text(a="idle_timeout: 0s"))
    client = Client(zoo, "a")
    await asyncio.sleep(seconds)
    return client


def shown(zoo):
    return zoo.publisher.snapshot["models"]["a"]["progress"]


def events(zoo):
    return [e.message for e in zoo.journal.since(0) if e.type == "Loading"]


async def test_a_load_says_how_far_it_is_until_it_is_ready(host, zoo):
    client = await loading(zoo, host, 10.5)
    found = shown(zoo)
    assert 0.5 == pytest.approx(found["share"], abs=0.01)
    assert ("bytes", 8 * GIB) == (found["source"], found["total"])
    assert 4 * GIB == pytest.approx(found["read"], rel=0.02)
    assert 10 == pytest.approx(found["left"], abs=1)
    assert found["words"].startswith(("49 %", "50 %"))
    assert f"a is starting ({found['words']})" in client.ticket.why()
    await client.answered()
    assert None is shown(zoo)
    assert 1.0 == pytest.approx(zoo.zoo.models["a"].last_load.read / (8 * GIB), abs=0.06)


async def test_the_journal_hears_of_each_quarter_once(host, zoo):
    client = await loading(zoo, host, 1)
    await client.answered()
    assert ["25 %", "50 %", "75 %"] == [said.partition(",")[0] for said in events(zoo)]
    assert all("GiB of 8 GiB read, about" in said for said in events(zoo))


async def test_a_short_load_is_no_news(host, zoo):
    client = await loading(zoo, host, 1, load=3.0)
    await client.answered()
    assert [] == events(zoo)


async def test_the_server_s_own_words_will_do(host, zoo):
    says = "Loading safetensors checkpoint shards:  50% Completed | 1/2 [00:04<00:04]"
    await loading(zoo, host, 5, reads=None, weights=0, says=says)
    assert (0.5, "server", None) == tuple(shown(zoo)[key] for key in ("share", "source", "total"))


async def test_else_the_time_that_the_last_load_took_is_the_scale(host, zoo):
    client = await loading(zoo, host, 5, reads=None, weights=0)
    assert None is shown(zoo)
    await client.answered()
    client.lease.release()
    host.kill("a")
    await asyncio.sleep(1)
    Client(zoo, "a")
    await asyncio.sleep(10)
    assert "time" == shown(zoo)["source"]
    assert 0.5 == pytest.approx(shown(zoo)["share"], abs=0.06)


async def test_at_rest_nobody_is_asked(host, zoo, monkeypatch):
    client = await loading(zoo, host, 10)
    asked = []
    real = host.bytes_read

    async def bytes_read(run_id):
        asked.append(asyncio.get_running_loop().time())
        return await real(run_id)

    zoo.reconciler._side_work._load_watch._processes = type(
        "Asked", (), {"bytes_read": staticmethod(bytes_read)}
    )
    await client.answered()
    assert 10 / EVERY == pytest.approx(len(asked), abs=2)
    asked.clear()
    await asyncio.sleep(120)
    assert [] == asked


async def test_a_zoosup_that_is_closed_looks_no_more(host, zoo, monkeypatch):
    await loading(zoo, host, 5)
    watch, asked = zoo.reconciler._side_work._load_watch, []
    before = host.bytes_read

    async def counted(run_id):
        asked.append(run_id)
        return await before(run_id)

    monkeypatch.setattr(watch, "_processes", SimpleNamespace(bytes_read=counted))
    await asyncio.sleep(3 * EVERY)
    assert len(asked) >= 2
    monkeypatch.setattr(watch, "follow", lambda _: None)  # or the next turn would begin anew
    await watch.close()
    count = len(asked)
    await asyncio.sleep(3 * EVERY)
    assert count == len(asked)
