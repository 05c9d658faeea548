"""Clients over a virtual host: who is served, who waits, who is refused and why, and what their going leaves behind."""

import asyncio
import contextlib

import pytest

from zoosup.core.state.phases import Phase
from zoosup.core.state.refusal import Code, RefusedError

pytestmark = pytest.mark.looptime

GIB = 2**30


class Client:
    """One request: asks at once, and keeps what it is told."""

    def __init__(self, zoo, model, client=""):
        self.client = client
        self.lease = self.refusal = self.ticket = None
        self.cuts = []
        self.at = None
        self._loop = asyncio.get_running_loop()
        try:
            found = zoo.reconciler.leases.ask(model, self)
        except RefusedError as error:
            self.refused(error.refusal)
        else:
            if hasattr(found, "release"):
                self.granted(found)
            else:
                self.ticket = found

    def granted(self, lease):
        self.lease, self.at = lease, self._loop.time()

    def refused(self, refusal):
        self.refusal, self.at = refusal, self._loop.time()

    def cut(self, refusal):
        self.cuts.append(refusal)
        self.lease.release()

    async def answered(self, within=120.0):
        async with asyncio.timeout(within):
            while self.lease is None and self.refusal is None:
                await asyncio.sleep(0.01)
        return self.refusal.code if self.refusal is not None else "granted"


def text(active="[]", extra="", **models):
    """A budget for one of two models of 4 GiB; each is on demand unless it says otherwise."""
    lines = [f"active: {active}", "budget: {ram: 6GiB}", extra, "models:"]
    for name, fields in models.items():
        lines += [f"  {name}: {{command: [serve, {name}], memory: {{ram: 4GiB}}, on_demand: true, {fields}}}"]
    return "\n".join(lines)


async def put(zoo, host, file):
    host.save(file)
    async with asyncio.timeout(10):
        while not zoo.zoo.applied.text:
            await asyncio.sleep(0.01)


async def test_a_request_starts_its_model_and_is_granted_when_it_is_ready(host, zoo):
    await put(zoo, host, text(a=""))
    client = Client(zoo, "a")
    assert "granted" == await client.answered()
    assert ["spawn", "ready"] == host.events("a")
    assert (20000, "127.0.0.1") == (client.lease.port, client.lease.host)


async def test_who_has_a_run_or_looks_at_it_sends_it_what_the_file_says_now(host, zoo):
    await put(zoo, host, text(a="upstream_headers: {X-Key: one}"))
    first = Client(zoo, "a")
    await first.answered()
    looking = zoo.reconciler.leases.look("a", Client(zoo, "a"))
    assert (("X-Key", "one"),) == first.lease.upstream.headers == looking.upstream.headers
    host.save(text(a="upstream_headers: {X-Key: two}"))
    await asyncio.sleep(5)
    second = Client(zoo, "a")
    assert (("X-Key", "two"),) == second.lease.upstream.headers
    assert first.lease.run_id == second.lease.run_id


async def test_who_has_been_answered_is_let_go_by_its_ticket(host, zoo):
    await put(zoo, host, text(a=""))
    client = Client(zoo, "a")
    assert (client, True) == (client.ticket.holder, client.ticket.open)
    await client.answered()
    assert (None, False) == (client.ticket.holder, client.ticket.open)


async def test_many_requests_for_one_model_start_it_once(host, zoo):
    await put(zoo, host, text(a=""))
    clients = [Client(zoo, "a") for _ in range(50)]
    assert {"granted"} == {await client.answered() for client in clients}
    assert ["spawn", "ready"] == host.events("a")
    assert 50 == zoo.reconciler.leases.demand()["a"].inflight


async def test_a_request_for_a_ready_model_is_granted_at_once(host, zoo):
    await put(zoo, host, text("a", a=""))
    await zoo.until("a", "ready")
    assert Client(zoo, "a").lease is not None


async def test_requests_for_a_running_model_do_not_wait_behind_a_switch(host, zoo):
    await put(zoo, host, text(a="", b=""))
    first = Client(zoo, "a")
    await first.answered()
    waiting = Client(zoo, "b")
    await asyncio.sleep(5)
    assert Client(zoo, "a").lease is not None
    assert (None, None) == (waiting.lease, waiting.refusal)


async def test_an_idle_model_makes_room_and_both_clients_are_answered(host, zoo):
    await put(zoo, host, text(a="", b=""))
    first = Client(zoo, "a")
    await first.answered()
    first.lease.release()
    await asyncio.sleep(10)
    second = Client(zoo, "b")
    assert "granted" == await second.answered(within=10)
    assert "stopped" == zoo.phase("a")
    assert host.at("b", "spawn") > host.at("a", "gone")


async def test_a_model_just_loaded_stays_its_min_residency(host, zoo):
    await put(zoo, host, text(a="", b="", extra="gateway: {min_residency: 30s}"))
    first = Client(zoo, "a")
    await first.answered()
    first.lease.release()
    await Client(zoo, "b").answered()
    assert host.at("a", "term") - host.at("a", "ready") == pytest.approx(30, abs=0.1)


async def test_nobody_starves_behind_a_busy_model(host, zoo):
    """Two clients of a that always overlap kept b waiting for ever in llama-swap (its issue 612)."""
    await put(zoo, host, text(a="stop: {grace: 60s}", b=""))

    async def keep_busy():
        while True:
            client = Client(zoo, "a")
            await client.answered(within=600)
            await asyncio.sleep(3)
            client.lease.release()

    busy = [asyncio.create_task(keep_busy())]
    await asyncio.sleep(1.5)
    busy.append(asyncio.create_task(keep_busy()))
    await asyncio.sleep(15)
    began = asyncio.get_running_loop().time()
    waiting = Client(zoo, "b")
    assert "granted" == await waiting.answered()
    assert 20 <= waiting.at - began < 30, "patience, and what a answers ends by itself"
    for task in busy:
        task.cancel()
    await asyncio.gather(*busy, return_exceptions=True)


async def test_a_busy_model_finishes_what_it_answers_before_it_is_stopped(host, zoo):
    await put(zoo, host, text(a="stop: {grace: 60s}", b=""))
    answering = Client(zoo, "a")
    await answering.answered()
    await asyncio.sleep(11)
    Client(zoo, "b")
    await zoo.until("a", "draining", within=30)
    late = Client(zoo, "a")
    await asyncio.sleep(40)
    assert ("draining", []) == (zoo.phase("a"), answering.cuts)
    assert late.lease is None, "who comes while it leaves is not sent to it"
    late.ticket.cancel()
    answering.lease.release()
    await zoo.until("a", "stopped", within=2)


async def test_once_a_busy_model_is_given_back_it_leaves_at_once_for_who_waits(host, zoo):
    await put(zoo, host, text(extra="gateway: {min_residency: 0s}", a="", b=""))
    first = Client(zoo, "a")
    await first.answered()
    second = Client(zoo, "b")
    await asyncio.sleep(10.3)
    began = asyncio.get_running_loop().time()
    first.lease.release()
    await zoo.until("a", "stopping")
    assert asyncio.get_running_loop().time() - began < 0.1
    assert "granted" == await second.answered()


async def test_what_is_not_over_when_the_drain_time_is_is_cut_and_told_why(host, zoo):
    await put(zoo, host, text(a="stop: {drain: 5s}", b=""))
    answering = Client(zoo, "a")
    await answering.answered()
    await asyncio.sleep(11)
    second = Client(zoo, "b")
    await second.answered()
    assert [(Code.MODEL_EVICTED, "a: makes room for b")] == [
        (cut.code, cut.message) for cut in answering.cuts
    ]
    assert host.at("a", "term") >= 25


@pytest.mark.parametrize(
    ("end", "code"),
    [
        ("crash", Code.UPSTREAM_ERROR),
        ("by hand", Code.MODEL_STOPPED),
        ("taken out", Code.MODEL_STOPPED),
    ],
)
async def test_each_cause_of_an_end_has_a_code_of_its_own(host, zoo, end, code):
    """X12."""
    await put(zoo, host, text(a="stop: {drain: 1s, grace: 1s}"))
    client = Client(zoo, "a")
    await client.answered()
    if end == "crash":
        host.kill("a")
    elif end == "by hand":
        await zoo.commands.stop("a")
    else:
        await put(zoo, host, text(b=""))
    await asyncio.sleep(5)
    assert [code] == [cut.code for cut in client.cuts]


async def test_a_look_is_neither_demand_nor_use(host, zoo):
    """X4: a scrape starts nothing, keeps nothing loaded, and is no reason to wait."""
    await put(zoo, host, text(a="idle_timeout: 20s", b=""))
    leases = zoo.reconciler.leases
    with pytest.raises(RefusedError) as caught:
        leases.look("a", None)
    assert Code.MODEL_NOT_LOADED == caught.value.refusal.code
    assert Phase.STOPPED == zoo.phase("a")
    first = Client(zoo, "a")
    await first.answered()
    first.lease.release()
    for _ in range(25):
        with contextlib.suppress(RefusedError):
            look = leases.look("a", first)
            await asyncio.sleep(0.5)
            look.release()
        await asyncio.sleep(0.5)
    assert Phase.STOPPED == zoo.phase("a")


async def test_a_look_that_reaches_nobody_is_over_and_waits_for_nothing(host, zoo):
    await put(zoo, host, text(a=""))
    client = Client(zoo, "a")
    await client.answered()
    look = zoo.reconciler.leases.look("a", client)
    with pytest.raises(RefusedError) as caught:
        look.unreachable()
    assert (Code.UPSTREAM_ERROR, "a can't be reached") == (
        caught.value.refusal.code,
        caught.value.refusal.message,
    )
    host.kill("a")
    await asyncio.sleep(5)
    assert 1 == len(client.cuts), "of the request alone, for the look is over"


async def test_who_could_not_reach_a_run_keeps_the_place_it_had(host, zoo):
    """X2: a run whose port refuses is given to nobody for a moment; the queue is served by whoever comes next."""
    await put(zoo, host, text(a="max_inflight: 1"))
    first, second = Client(zoo, "a"), Client(zoo, "a")
    await first.answered()
    ticket = first.lease.unreachable()
    first.lease = None
    assert not hasattr(ticket, "release")
    await asyncio.sleep(0.2)
    assert (first.lease, second.lease) == (None, None)
    await first.answered()
    assert second.lease is None
    first.lease.release()
    await second.answered()


async def test_who_could_never_reach_its_run_is_refused_when_its_time_is_over(host, zoo):
    await put(zoo, host, text(a="", extra="gateway: {queue_timeout: 30s}"))
    client = Client(zoo, "a")
    began = asyncio.get_running_loop().time()
    async with asyncio.timeout(60):
        while "granted" == await client.answered():
            client.lease.unreachable()
            client.lease = None
    assert (Code.QUEUE_FULL, 30) == (client.refusal.code, pytest.approx(client.at - began, abs=1))


async def test_answered_clients_are_kept_by_nobody(host, zoo):
    """F44."""
    await put(zoo, host, text(a=""))
    leases, oldest = zoo.reconciler.leases, Client(zoo, "a")
    gone = [Client(zoo, "a") for _ in range(200)]
    for client in gone:
        client.ticket.cancel()
    assert all(client.ticket.holder is None for client in gone)
    leases.next_timeout()
    assert len(leases._arrivals) == 1
    oldest.ticket.cancel()


async def test_a_long_answer_is_not_cut_by_the_defaults(host, zoo):
    await put(zoo, host, text(a="", b=""))
    answering = Client(zoo, "a")
    await answering.answered()
    second = Client(zoo, "b")
    await asyncio.sleep(500)
    assert ([], None) == (answering.cuts, second.lease)
    answering.lease.release()
    assert "granted" == await second.answered(within=5)


async def test_zoosup_s_own_end_waits_for_an_answer_no_longer_than_grace(host, zoo):
    await put(zoo, host, text(a="stop: {grace: 5s}"))
    answering = Client(zoo, "a")
    await answering.answered()
    began = asyncio.get_running_loop().time()
    await zoo.leave()
    assert answering.cuts
    assert 5 <= asyncio.get_running_loop().time() - began <= 6


async def test_a_client_that_hangs_up_leaves_no_demand(host, zoo):
    await put(zoo, host, text(a="", b=""))
    first = Client(zoo, "a")
    await first.answered()
    second = Client(zoo, "b")
    await asyncio.sleep(1)
    second.ticket.cancel()
    await asyncio.sleep(60)
    assert ("ready", "stopped") == (zoo.phase("a"), zoo.phase("b"))
    assert [] == host.events("b")


async def test_one_that_hangs_up_while_its_model_loads_does_not_unload_it(host, zoo):
    """llama-swap unloads it a second after it is ready, so that a retry never succeeds."""
    host.behave("a", load=30.0)
    await put(zoo, host, text(a="idle_timeout: 60s"))
    client = Client(zoo, "a")
    await asyncio.sleep(5)
    client.ticket.cancel()
    await zoo.until("a", "ready")
    await asyncio.sleep(50)
    assert Client(zoo, "a").lease is not None
    assert ["spawn", "ready"] == host.events("a")


async def test_an_idle_model_is_stopped_after_its_idle_timeout_counted_from_the_last_request(host, zoo):
    await put(zoo, host, text(a="idle_timeout: 60s"))
    client = Client(zoo, "a")
    await client.answered()
    await asyncio.sleep(300)
    assert "ready" == zoo.phase("a")
    client.lease.release()
    released = asyncio.get_running_loop().time()
    await zoo.until("a", "stopped")
    assert host.at("a", "term") - released == pytest.approx(60, abs=0.1)


async def test_the_active_model_comes_back_when_the_demand_is_over(host, zoo):
    await put(zoo, host, text("a", a="", b=""))
    await zoo.until("a", "ready")
    client = Client(zoo, "b")
    assert "granted" == await client.answered()
    await asyncio.sleep(120)
    assert "ready" == zoo.phase("b")
    client.lease.release()
    await zoo.until("a", "ready", within=30)
    assert "stopped" == zoo.phase("b")
    assert zoo.publisher.snapshot["converged"] is True


async def test_max_inflight_makes_requests_wait_their_turn_in_order(host, zoo):
    await put(zoo, host, text("a", a="max_inflight: 2"))
    await zoo.until("a", "ready")
    clients = [Client(zoo, "a") for _ in range(5)]
    assert [True, True, False, False, False] == [c.lease is not None for c in clients]
    clients[1].lease.release()
    assert [True, False, False] == [c.lease is not None for c in clients[2:]]
    clients[3].ticket.cancel()
    clients[0].lease.release()
    assert [False, True] == [c.lease is not None for c in clients[3:]]
    assert 2 == zoo.reconciler.leases.demand()["a"].inflight


# refusals


async def test_one_more_than_may_wait_is_refused_and_told_when_to_try_again(host, zoo):
    await put(zoo, host, text(a="", extra="gateway: {max_queue: 3}"))
    clients = [Client(zoo, "a") for _ in range(4)]
    assert [None, None, None, Code.QUEUE_FULL] == [c.refusal and c.refusal.code for c in clients]
    assert clients[3].refusal.retry_after is not None
    assert {"granted"} == {await c.answered() for c in clients[:3]}


async def test_who_waits_for_a_model_that_is_renamed_waits_on_for_it_by_its_new_name(host, zoo):
    """The old name is an alias of it from then on."""
    await put(zoo, host, text(a="", other="max_inflight: 1"))
    busy = Client(zoo, "other")
    await busy.answered()
    first, last = Client(zoo, "a"), Client(zoo, "a")
    await asyncio.sleep(2)
    last.ticket.cancel()
    await put(zoo, host, text(b="aliases: [a]", other="max_inflight: 1"))
    late = Client(zoo, "a")
    await asyncio.sleep(2)
    assert [None, None] == [first.refusal, late.refusal]
    assert "b is" in first.ticket.why()
    busy.lease.release()
    assert ["granted", "granted"] == [await first.answered(), await late.answered()]
    assert {"b"} == {first.lease.model, late.lease.model}
    assert last.lease is None
    assert 0 == zoo.reconciler.leases._waiting


async def test_who_has_reached_nobody_waits_on_for_a_model_that_is_renamed(host, zoo):
    await put(zoo, host, text(a=""))
    client = Client(zoo, "a")
    await client.answered()
    await put(zoo, host, text(b="aliases: [a]"))
    await asyncio.sleep(0.5)
    again = client.lease.unreachable()
    assert "b" == again.model
    assert "granted" == await client.answered()


async def test_a_full_queue_of_one_model_keeps_no_client_of_another_out(host, zoo):
    """`a` is ready, and answers as many as it may; `b` is waited for by all that may wait."""
    await put(zoo, host, text(a="max_inflight: 1", b="", extra="gateway: {max_queue: 2}"))
    first = Client(zoo, "a")
    assert "granted" == await first.answered()
    many = [Client(zoo, "b") for _ in range(3)]
    assert [None, None, Code.QUEUE_FULL] == [c.refusal and c.refusal.code for c in many]
    second, third = Client(zoo, "a"), Client(zoo, "a")
    assert (None, Code.QUEUE_FULL) == (second.refusal, third.refusal and third.refusal.code)
    first.lease.release()
    assert "granted" == await second.answered()


async def test_a_model_that_can_never_fit_is_refused_with_the_sum_and_costs_nobody_anything(host, zoo):
    await put(
        zoo,
        host,
        text(a="", big="description: x")
        .replace("big]", "big]")
        .replace(
            "{command: [serve, big], memory: {ram: 4GiB}", "{command: [serve, big], memory: {ram: 40GiB}"
        ),
    )
    first = Client(zoo, "a")
    await first.answered()
    first.lease.release()
    await asyncio.sleep(60)
    client = Client(zoo, "big")
    assert Code.INSUFFICIENT_MEMORY == await client.answered(within=2)
    assert client.refusal.final
    assert "ram is short of 34 GiB: needs 40 GiB, budget 6 GiB" in client.refusal.message
    assert "ready" == zoo.phase("a")


async def test_a_model_that_is_off_is_refused(host, zoo):
    await put(zoo, host, text(a="").replace("on_demand: true", "on_demand: false"))
    await asyncio.sleep(3)
    assert Code.MODEL_DISABLED == Client(zoo, "a").refusal.code


class TestGapOfASwitch:
    """`b` is to run in place of `a`, which may come back; neither is on demand."""

    def _file(self, active, extra=""):
        return text(active, extra, a="", b="").replace("on_demand: true", "on_demand: false")

    async def _begin(self, host, zoo, extra=""):
        await put(zoo, host, self._file("a"))
        await zoo.until("a", "ready")
        host.save(self._file("b", extra))
        await zoo.until("a", "stopping")

    async def test_who_asks_for_the_one_that_goes_is_answered_by_it_if_it_comes_back(self, host, zoo):
        host.behave("b", dies_after=0.5)
        await self._begin(host, zoo)
        client = Client(zoo, "a")
        await zoo.until("b", "starting")
        late = Client(zoo, "a")
        assert "a makes room for b" in late.ticket.why()
        assert ["granted", "granted"] == [await client.answered(), await late.answered()]

    async def test_once_the_other_is_ready_it_is_refused(self, host, zoo):
        await self._begin(host, zoo)
        client = Client(zoo, "a")
        assert Code.MODEL_DISABLED == await client.answered()
        assert "b took over" in client.refusal.message
        assert ("ready", "stopped") == (zoo.phase("b"), zoo.phase("a"))
        assert Code.MODEL_DISABLED == Client(zoo, "a").refusal.code

    async def test_where_nothing_is_rolled_back_it_is_refused_at_once(self, host, zoo):
        await self._begin(host, zoo, "switch: {rollback: false}")
        assert Code.MODEL_DISABLED == Client(zoo, "a").refusal.code

    async def test_where_a_person_has_stopped_the_other_nobody_waits(self, host, zoo):
        host.behave("b", load=60.0)
        await self._begin(host, zoo)
        client = Client(zoo, "a")
        await zoo.until("b", "starting")
        assert client.refusal is None
        await zoo.commands.stop("b")
        assert Code.MODEL_DISABLED == await client.answered(within=5)


async def test_a_model_stopped_by_hand_is_refused_until_it_is_started_by_hand(host, zoo):
    await put(zoo, host, text(a=""))
    await (client := Client(zoo, "a")).answered()
    client.lease.release()
    await zoo.commands.stop("a")
    assert Code.MODEL_DISABLED == Client(zoo, "a").refusal.code
    await zoo.commands.start("a")
    assert "granted" == await Client(zoo, "a").answered()


async def test_who_waits_when_the_model_is_stopped_by_hand_is_refused(host, zoo):
    host.behave("a", load=60.0)
    await put(zoo, host, text(a=""))
    client = Client(zoo, "a")
    await asyncio.sleep(5)
    await zoo.commands.stop("a")
    assert Code.MODEL_DISABLED == await client.answered(within=1)


async def test_a_crash_loop_is_not_one_spawn_a_request(host, zoo):
    """In llama-swap each request starts the model that has just crashed once more."""
    host.behave("a", dies_after=0.5)
    await put(zoo, host, text(a=""))
    for _ in range(60):
        client = Client(zoo, "a")
        assert Code.MODEL_BACKOFF == await client.answered()
        assert client.refusal.retry_after >= 1
        assert "the last line of a" == client.refusal.details
        await asyncio.sleep(1)
    assert host.events("a").count("spawn") <= 8


async def test_a_model_given_up_is_refused_at_once_until_somebody_restarts_it(host, zoo):
    host.behave("a", dies_after=0.5)
    await put(zoo, host, text(a="restart: {limit: {count: 2, within: 10m}}"))
    while zoo.reason("a") != "CrashLoop":
        await Client(zoo, "a").answered()
        await asyncio.sleep(1)
    spawns = host.events("a").count("spawn")
    await asyncio.sleep(30)
    client = Client(zoo, "a")
    assert (Code.MODEL_FAILED, True) == (client.refusal.code, client.refusal.final)
    host.behave("a", dies_after=None)
    assert spawns == host.events("a").count("spawn")
    await zoo.commands.restart("a")
    assert "granted" == await Client(zoo, "a").answered()


async def test_a_model_whose_file_is_missing_is_refused_and_served_once_it_is_there(host, zoo):
    host.files_missing.add("a")
    await put(zoo, host, text(a=""))
    client = Client(zoo, "a")
    assert Code.MODEL_FAILED == await client.answered()
    assert "a is not there" in client.refusal.message
    host.files_missing.clear()
    await asyncio.sleep(3)
    assert "granted" == await Client(zoo, "a").answered()


async def test_who_has_waited_for_the_queue_timeout_is_refused(host, zoo):
    host.behave("a", load=300.0)
    await put(zoo, host, text(a="", extra="gateway: {queue_timeout: 20s}"))
    began = asyncio.get_running_loop().time()
    client = Client(zoo, "a")
    assert Code.MODEL_LOADING_TIMEOUT == await client.answered()
    assert client.at - began == pytest.approx(20, abs=0.1)
    assert "within 20s (gateway.queue_timeout): a is starting" in client.refusal.message


async def test_a_request_for_an_active_model_that_another_active_one_keeps_out_displaces_it(host, zoo):
    """Both rest and don't fit beside each other: the sum that keeps the second out is none for a client of its."""
    await put(zoo, host, text("[a, b]", a="", b=""))
    await zoo.until("a", "ready")
    assert ("pending", "ExceedsBudget") == (zoo.phase("b"), zoo.zoo.models["b"].reason)
    assert "granted" == await Client(zoo, "b").answered(within=20)


async def test_a_plan_knows_of_the_client_that_has_just_come(host, zoo):
    """Invariant 14: what is foretold is what the same turn does."""
    await put(zoo, host, text(a=""))
    Client(zoo, "a")
    foretold = await zoo.commands.plan(None, "zoo.yaml")
    assert ["a"] == foretold["wanted"]


async def test_clients_that_go_while_they_are_granted_cost_the_one_before_them_nothing(host, zoo):
    """Each gives its lease back in the middle of the grant, which is the end of another's."""

    class Gone(Client):
        def granted(self, lease):
            super().granted(lease)
            lease.release()

    await put(zoo, host, text(a="max_inflight: 1"))
    first = Client(zoo, "a")
    await first.answered()
    gone = [Gone(zoo, "a") for _ in range(3)]
    first.lease.release()
    assert all(client.lease is not None for client in gone)
    assert not zoo.reconciler.leases.demand()["a"].busy


async def test_who_waits_in_vain_for_memory_that_strangers_hold_is_told_the_sum(host, zoo):
    host.foreign = 29 * GIB
    await put(zoo, host, text(a="", extra="gateway: {queue_timeout: 20s}"))
    client = Client(zoo, "a")
    assert Code.INSUFFICIENT_MEMORY == await client.answered()
    assert "ram is short of" in client.refusal.message
    assert client.refusal.retry_after is not None
    assert not client.refusal.final


async def test_memory_that_strangers_give_back_in_time_serves_who_waits(host, zoo):
    host.foreign = 29 * GIB
    await put(zoo, host, text(a=""))
    client = Client(zoo, "a")
    await asyncio.sleep(30)
    host.foreign = 2 * GIB
    assert "granted" == await client.answered(within=5)


async def test_a_model_taken_out_of_the_file_refuses_who_waits_for_it(host, zoo):
    host.behave("a", load=60.0)
    await put(zoo, host, text(a="", b=""))
    client = Client(zoo, "a")
    await asyncio.sleep(5)
    host.save(text(b=""))
    assert Code.MODEL_NOT_FOUND == await client.answered(within=5)


async def test_who_still_has_a_lease_of_a_model_that_is_gone_from_the_file_is_refused_another(host, zoo):
    await put(zoo, host, text(a="stop: {drain: 1s, grace: 1s}"))
    client = Client(zoo, "a")
    await client.answered()
    client.cut = client.cuts.append
    host.save(text(b=""))
    async with asyncio.timeout(10):
        while "a" in zoo.zoo.models:
            await asyncio.sleep(0.1)
    await asyncio.sleep(5)
    with pytest.raises(RefusedError) as caught:
        client.lease.unreachable()
    assert Code.MODEL_NOT_FOUND == caught.value.refusal.code


async def test_when_zoosup_ends_who_waits_is_refused_and_who_is_answered_may_finish(host, zoo):
    host.behave("b", load=300.0)
    await put(zoo, host, text(a="stop: {grace: 60s}", b="").replace("ram: 6GiB", "ram: 16GiB"))
    answering, waiting = Client(zoo, "a"), Client(zoo, "b")
    await answering.answered()
    leaving = asyncio.create_task(zoo.leave())
    assert Code.SHUTTING_DOWN == await waiting.answered(within=2)
    await asyncio.sleep(20)
    assert [] == answering.cuts
    answering.lease.release()
    async with asyncio.timeout(5):
        await leaving


# grants and hang-ups in one tick


async def test_a_holder_that_fails_costs_nobody_else_their_turn(host, zoo, caplog):
    await put(zoo, host, text(a=""))
    broken, fine = Client(zoo, "a"), Client(zoo, "a")
    broken.granted = None  # not even callable
    assert "granted" == await fine.answered()
    assert "could not be told" in caplog.text
    assert 1 == zoo.reconciler.leases.demand()["a"].inflight


async def test_a_lease_given_back_twice_counts_once(host, zoo):
    await put(zoo, host, text("a", a=""))
    await zoo.until("a", "ready")
    one, two = Client(zoo, "a"), Client(zoo, "a")
    one.lease.release()
    one.lease.release()
    assert 1 == zoo.reconciler.leases.demand()["a"].inflight
    two.lease.release()


async def test_leases_of_a_crashed_run_do_not_count_for_the_next(host, zoo):
    await put(zoo, host, text("a", a=""))
    await zoo.until("a", "ready")
    client = Client(zoo, "a")
    client.cut = client.cuts.append
    host.kill("a")
    await zoo.until("a", "starting")
    assert 1 == len(client.cuts)
    assert 0 == zoo.reconciler.leases.demand()["a"].inflight
    client.lease.release()


async def test_an_alias_means_its_model(host, zoo):
    await put(zoo, host, text(a="aliases: [gpt-4o-mini]"))
    leases = zoo.reconciler.leases
    assert leases.find("gpt-4o-mini") == leases.find("a")
    assert "a" == leases.find("a").model
    assert leases.find("gpt-4") is None


async def test_a_model_that_is_unready_is_waited_for(host, zoo):
    await put(zoo, host, text("a", a=""))
    await zoo.until("a", "ready")
    from zoosup.core.state.facts import ProbedUnready  # noqa: PLC0415

    zoo.zoo.tell("a", ProbedUnready(zoo.zoo.models["a"].run.id, "503"))
    assert Client(zoo, "a").lease is None


async def test_the_status_says_who_is_served_and_who_waits(host, zoo):
    await put(zoo, host, text("a", a="max_inflight: 1, task: chat, aliases: [x]"))
    await zoo.until("a", "ready")
    Client(zoo, "a"), Client(zoo, "a")
    await asyncio.sleep(3)
    shown = zoo.publisher.snapshot["models"]["a"]
    assert (1, 1, True, "chat", ["x"]) == tuple(
        shown[key] for key in ("inflight", "waiting", "on_demand", "task", "aliases")
    )
    assert 1.0 == pytest.approx(shown["load_time"], abs=0.1)
