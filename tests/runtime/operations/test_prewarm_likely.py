"""Those that are likely to be asked for next are read while nothing else goes on, and given up before anybody minds."""

import asyncio
import time

import pytest

from tests.host.weights.test_page_cache import a_file, linux, resident
from tests.runtime.leasing.test_leases import Client, put, text
from zoosup.core.state.observed import Model, Observed
from zoosup.core.state.pools import Node, Pool
from zoosup.host.weights.page_cache import PIECE, PageWarmer
from zoosup.runtime.loop.reconciler import REST
from zoosup.runtime.operations.prewarm_likely import AFTER_PRESSURE, AGAIN, SHORT, LikelyPrewarmer
from zoosup.runtime.state.zoo import WarmWeights
from zoosup.spec.model.zoo import ZooSpec

pytestmark = pytest.mark.looptime

GIB = 2**30
LIKELY = "gateway: {prewarm: likely}"


async def used(zoo, model):
    """One request, answered and over."""
    client = Client(zoo, model)
    assert "granted" == await client.answered()
    client.lease.release()


async def learned(zoo, host, extra=LIKELY):
    """A zoo of three in which b was asked for after a; a runs again, and b's 20 GiB are being read by now."""
    for model in "abc":
        host.behave(model, weights=20 * GIB)
    await put(zoo, host, text(extra=extra, **dict.fromkeys("abc", "idle_timeout: 0s")))
    for model in "aba":
        host.warmings.clear()
        await used(zoo, model)
    host.warmings[:] = [warming for warming in host.warmings if warming.model != "a"]  # while it waited for b
    await asyncio.sleep(10)


def warmed(host):
    return [warming.model for warming in host.warmings]


def events(zoo):
    return [(e.model, e.reason, e.message) for e in zoo.journal.since(0) if e.type == "Prewarmed"]


async def test_who_was_asked_for_after_the_last_one_is_read_while_nothing_goes_on(host, zoo):
    await learned(zoo, host)
    assert ["b"] == warmed(host)  # c was never asked for
    shown = zoo.publisher.snapshot["models"]
    assert None is shown["a"]["warm"]
    assert (20 * GIB, True) == tuple(shown["b"]["warm"][key] for key in ("size", "reading"))
    assert 5 * GIB < shown["b"]["warm"]["there"] <= host.warmings[0].there
    await asyncio.sleep(60)
    assert ["b"] == warmed(host)
    assert not zoo.publisher.snapshot["models"]["b"]["warm"]["reading"]
    assert "ReadAhead" == events(zoo)[-1][1]


async def test_without_the_word_nothing_is_read(host, zoo):
    await learned(zoo, host, extra="")
    assert [] == warmed(host)


async def test_a_start_has_the_disk_for_itself(host, zoo):
    await learned(zoo, host)
    client = Client(zoo, "c")
    await client.answered()
    assert host.warmings[0].cancelled <= host.at("c", "spawn") + 0.1
    client.lease.release()
    await asyncio.sleep(60)
    assert ["b", "c", "a"] == warmed(host)[:3]  # c while a left for it, and a while c runs


async def test_the_first_sign_of_pressure_ends_it_for_a_while(host, zoo):
    await learned(zoo, host)
    host.stalls = 0.05
    since = asyncio.get_running_loop().time()
    await asyncio.sleep(3)
    assert host.warmings[0].cancelled - since < 1.1
    assert events(zoo)[-1][2].endswith(SHORT)
    host.stalls = 0.0
    await asyncio.sleep(AFTER_PRESSURE - 10)
    assert 1 == len(host.warmings)
    await asyncio.sleep(10 + REST)
    assert ["b", "b"] == warmed(host)


async def test_strangers_who_take_the_memory_end_it(host, zoo):
    await learned(zoo, host)
    host.strangers[7] = 18 * GIB
    await asyncio.sleep(3)
    assert host.warmings[0].cancelled is not None


async def test_it_is_read_again_now_and_then_as_others_may_have_pushed_it_out(host, zoo):
    await learned(zoo, host)
    await asyncio.sleep(AGAIN + 60)
    assert ["b", "b"] == warmed(host)


async def test_one_that_is_to_be_started_otherwise_is_read_anew(host, zoo):
    await learned(zoo, host)
    host.save(host.text.replace("[serve, b]", "[serve, other]"))
    await asyncio.sleep(30)
    assert ["b", "other"] == warmed(host)


async def test_a_file_that_takes_its_word_back_ends_it_and_knows_of_nothing(host, zoo):
    await learned(zoo, host)
    host.save(host.text.replace("likely", "draining"))
    await asyncio.sleep(2)
    assert host.warmings[0].cancelled is not None
    assert None is zoo.publisher.snapshot["models"]["b"]["warm"]


async def test_the_order_outlives_zoosup(host, zoo):
    await learned(zoo, host)
    assert {"a": {"b": 1.0}} == {
        last: dict(row) for last, row in host.saved["successors"].items() if last == "a"
    }


def a_moment(now, path, free):
    """A host without a run on which `path` are b's weights."""
    spec = ZooSpec.model_validate(
        {
            "active": [],
            "gateway": {"prewarm": "likely"},
            "models": {"b": {"command": ["llama-server", "-m", str(path)], "on_demand": True}},
        }
    )
    pool = Pool("here", "ram", "ram", "RAM", 64 * GIB, free, 60 * GIB, GIB)
    return spec, Observed(now, (Node("here", (pool,)),), {"b": Model("b")})


@linux
@pytest.mark.parametrize(("spare", "expected"), [(10 * GIB, 13), (8 * PIECE, 8)])
def test_real_weights_are_in_the_real_page_cache_and_no_more_of_them_than_there_is_room(
    tmp_path, spare, expected
):
    path = a_file(tmp_path / "b.gguf", 13)  # 104 MiB
    assert 0 == resident(path)
    told = []
    warmer = LikelyPrewarmer(PageWarmer(), lambda *of: told.append(of))
    warmer.follow(*a_moment(0.0, path, GIB + spare), ["b"])
    end = time.monotonic() + 30
    while warmer.reading:
        assert time.monotonic() < end
        time.sleep(0.01)
        warmer.follow(*a_moment(1.0, path, GIB + spare), ["b"])
    # The kernel reads a little ahead of whoever reads in order; and some take back at once what nobody has used yet.
    assert (expected - 1) * PIECE <= resident(path) <= min(13, expected + 1) * PIECE
    assert [("b", expected * PIECE, 0)] == [(name, done.read, done.there) for name, done in told]
    assert [("b", WarmWeights(expected * PIECE, False))] == list(warmer.warm())
    warmer.follow(*a_moment(AGAIN, path, GIB + spare), ["b"])
    while warmer.reading:
        warmer.follow(*a_moment(AGAIN, path, GIB + spare), ["b"])
    again = told[-1][1]
    assert expected * PIECE == again.read + again.there
    assert again.read <= PIECE, "what is there is not read again"
