"""Which host answers for a model, by what was last heard of all: tables of hosts, and the ways a view can be wrong."""

import asyncio
from dataclasses import replace

import pytest

from tests.runtime.builders import GIB, ManualClock, a_zoo, make_ready, text_of
from zoosup.core.fleet.words import (
    Choice,
    FleetModel,
    FleetSpec,
    FleetView,
    HostReport,
    HostView,
    ModelNeed,
    ModelReport,
    PoolRoom,
)
from zoosup.core.state.phases import Phase
from zoosup.core.state.refusal import Code, RefusedError
from zoosup.errors import ZoosupError
from zoosup.runtime.leasing.fleet_routing import PATIENCE, SILENT, FleetRouting
from zoosup.runtime.leasing.host_queue import DECIDES
from zoosup.runtime.leasing.leases import Leases

pytestmark = pytest.mark.looptime

FLEET = {"head": "127.0.0.2:6379", "node": "me", "address": "127.0.0.2"}
ROOM = PoolRoom("ram", "RAM", GIB, GIB)
READY, STARTING = ModelReport("ready", ready=True), ModelReport("starting")


class Client:
    client = ""

    def __init__(self):
        self.lease = self.refusal = None
        self.is_here = 0

    def granted(self, lease):
        self.lease = lease

    def refused(self, refusal):
        self.refusal = refusal

    def here(self):
        self.is_here += 1

    def cut(self, refusal):
        raise AssertionError


class Fleet:
    """This host, called "me", and what it knows of others."""

    def __init__(self, max_queue=256, **models):
        self.clock = ManualClock()
        spec = {name: {"on_demand": True} | each for name, each in models.items()}
        active = [name for name, each in spec.items() if each.pop("active", False)]
        self.zoo = a_zoo(self.clock, text_of(spec, active, fleet=FLEET, gateway={"max_queue": max_queue}))
        self.leases = Leases(self.zoo, lambda: None)
        self.asked = []
        self.choice = Choice("b")
        self.routing = FleetRouting(self.zoo, self.leases, self._choose)
        self.routing.present((("x-zoosup-hop", "1"),))

    async def _choose(self, model):
        self.asked.append(model)
        await asyncio.sleep(0.01)
        if isinstance(self.choice, Exception):
            raise self.choice
        return self.choice

    def see(self, lost=(), placements=None, refusals=None, **hosts):
        """Hear of these hosts and what their models are like."""
        seen = {
            node: HostView(
                HostReport(node, gateway=f"10.0.0.{ord(node[0])}:8080", models=models, pools=(ROOM,)),
                lost=node in lost,
            )
            for node, models in {"me": {}, **hosts}.items()
        }
        spec = FleetSpec(models=tuple(FleetModel(name, on_demand=True) for name in self.zoo.declared.models))
        self.zoo.fleet.view = FleetView(
            spec, hosts=seen, placements=placements or {}, refusals=refusals or {}
        )

    def ask(self, model="m"):
        """Where a request for it goes: a host, "me", or a ticket's client."""
        client = Client()
        got = self.routing.ask(model, client)
        if got is None:
            return "me"
        return got.node if hasattr(got, "release") else client


@pytest.fixture
def fleet():
    return Fleet(m={})


async def test_who_has_it_answers_and_asks_nobody(fleet):
    fleet.see(b={"m": READY}, c={"m": READY})
    assert not fleet.routing.is_here("m")
    lease = fleet.routing.ask("m", Client())
    make_ready(fleet.zoo, "m")
    assert fleet.routing.is_here("m")
    assert lease.unreachable() is None, "it has come meanwhile"


async def test_of_those_that_have_it_the_one_with_the_least_to_do(fleet):
    fleet.see(b={"m": replace(READY, inflight=2)}, c={"m": READY}, d={"m": replace(READY, waiting=1)}, e={})
    assert ["c", "c", "d", "c", "d", "b"] == [fleet.ask() for _ in range(6)]


async def test_what_was_given_back_counts_no_more(fleet):
    fleet.see(b={"m": READY}, c={"m": READY})
    first = fleet.routing.ask("m", Client())
    assert ("b", 1) == (first.node, fleet.routing._out["b", "m"])
    first.release()
    first.release()
    assert not fleet.routing._out
    assert "b" == fleet.ask()


@pytest.mark.parametrize(
    ("hosts", "where"),
    [
        ({"b": {"m": STARTING}, "c": {"m": READY}}, "c"),
        ({"b": {"m": STARTING}, "c": {}}, "b"),
        ({"b": {"m": ModelReport("pending", waiting=1)}, "c": {}}, "b"),
        ({"b": {"m": ModelReport("stopped")}, "c": {"other": READY}}, None),
    ],
)
async def test_a_start_that_is_under_way_is_joined(fleet, hosts, where):
    fleet.see(**hosts)
    said = fleet.ask()
    assert where == (said if isinstance(said, str) else None)


async def test_a_start_here_is_joined_unless_another_host_is_ready(fleet):
    fleet.see(b={"m": STARTING})
    fleet.leases.ask("m", Client())
    assert "me" == fleet.ask()
    fleet.see(b={"m": READY})
    assert "b" == fleet.ask()


async def test_those_that_came_first_lead_the_others_to_the_host_that_was_chosen(fleet):
    fleet.see(b={}, c={})
    client = fleet.ask()
    await asyncio.sleep(0.1)
    assert "b" == client.lease.node
    assert "b" == fleet.ask(), "the view does not know of it yet"
    assert ["m"] == fleet.asked


async def test_all_that_wait_are_sent_where_one_question_says(fleet):
    fleet.see(b={}, c={})
    clients = [fleet.ask() for _ in range(5)]
    await asyncio.sleep(0.1)
    assert ["b"] * 5 == [client.lease.node for client in clients]
    assert ["m"] == fleet.asked


async def test_this_host_may_be_the_one(fleet):
    fleet.see(b={})
    fleet.choice = Choice("me")
    client = fleet.ask()
    await asyncio.sleep(0.1)
    assert (1, None) == (client.is_here, client.lease)


async def test_who_went_meanwhile_is_sent_nowhere(fleet):
    fleet.see(b={})
    client = Client()
    fleet.routing.ask("m", client).cancel()
    await asyncio.sleep(0.1)
    assert (0, None, None) == (client.is_here, client.lease, client.refusal)
    assert not fleet.routing._out


async def test_no_host_can_have_it_and_the_sums_are_told(fleet):
    fleet.see(b={"m": ModelReport("stopped")})
    fleet.choice = Choice(refusal="me: needs 4 GiB, has 1; b: needs 4 GiB, has 2")
    client = fleet.ask()
    await asyncio.sleep(0.1)
    assert Code.INSUFFICIENT_MEMORY == client.refusal.code
    assert "b: needs 4 GiB, has 2" in client.refusal.message


async def test_a_host_that_was_chosen_and_is_out_of_reach_is_named_and_may_be_asked_again(fleet):
    fleet.see(b={})
    fleet.choice = Choice("c")
    client = fleet.ask()
    await asyncio.sleep(0.1)
    told = client.refusal
    assert (Code.MODEL_NOT_HERE, "m is to run on c, which can't be reached from me now") == (
        told.code,
        told.message,
    )
    assert told.retry_after is not None


@pytest.mark.parametrize("silence", [ZoosupError("nobody"), None])
async def test_without_the_controller_the_last_view_decides(fleet, silence):
    small, needs = ModelReport(need=ModelNeed(ram=GIB)), ModelReport(need=ModelNeed(ram=2 * GIB))
    fleet.see(b={"m": needs}, c={"m": small}, me={"m": needs})

    async def never(model):
        await asyncio.sleep(0 if silence else 60)
        raise silence

    fleet.routing._choose = never
    client, began = fleet.ask(), asyncio.get_running_loop().time()
    await asyncio.sleep(PATIENCE + 0.1)
    assert "c" == client.lease.node, "the only one that has room"
    assert asyncio.get_running_loop().time() - began < PATIENCE + 0.2


async def test_a_host_that_nothing_was_ever_heard_of_starts_its_own(fleet):
    fleet.choice = ZoosupError("the fleet has not answered")
    client = fleet.ask()
    await asyncio.sleep(0.1)
    assert 1 == client.is_here


async def test_a_host_that_was_not_reached_is_followed_by_the_next_and_left_alone_for_a_moment(fleet):
    fleet.see(b={"m": READY}, c={"m": READY})
    lease = fleet.routing.ask("m", Client())
    after = lease.unreachable()
    assert ("b", "c") == (lease.node, after.node)
    assert "c" == fleet.ask(), "nobody tries b now"
    fleet.clock.pass_time(SILENT)
    assert "b" == fleet.ask()


async def test_each_host_is_tried_once_by_one_request(fleet):
    fleet.see(b={"m": READY}, c={"m": READY})
    tried = []
    client = Client()
    got = fleet.routing.ask("m", client)
    while hasattr(got, "release"):
        tried.append(got.node)
        fleet.clock.pass_time(SILENT)
        got = got.unreachable()
    assert ["b", "c"] == tried
    assert "the host that has m" in got.why()


async def test_one_that_is_lost_or_unknown_may_be_gone(fleet):
    fleet.see(lost=("b",), b={"m": READY}, c={"m": READY})
    assert [True, False, True] == [fleet.routing.may_be_gone(node) for node in ("b", "c", "d")]


async def test_a_lost_host_and_one_without_a_gateway_are_not_asked(fleet):
    fleet.see(lost=("b",), b={"m": READY}, c={"m": READY})
    assert "c" == fleet.ask()
    view = fleet.zoo.fleet.view
    mute = replace(view.hosts["c"], report=replace(view.hosts["c"].report, gateway=""))
    fleet.zoo.fleet.view = replace(view, hosts={**view.hosts, "c": mute})
    assert not isinstance(fleet.ask(), str)


class TestOnlyHost:
    """Of a model on demand, which another may have too, after a load, and in the room of others."""

    async def test_it_is_waited_for_while_it_is_away(self, fleet):
        fleet.see(b={"m": READY}, c={})
        client, other = Client(), Client()
        fleet.routing.ask("m", client).unreachable()
        fleet.routing.ask("m", other)
        fleet.clock.pass_time(SILENT)
        await asyncio.sleep(0.5)
        assert ("b", "b", []) == (client.lease.node, other.lease.node, fleet.asked)

    async def test_it_is_waited_for_too_while_its_gateway_does_not_listen_yet(self, fleet):
        fleet.see(b={"m": READY}, c={})
        view = fleet.zoo.fleet.view
        mute = replace(view.hosts["b"], report=replace(view.hosts["b"].report, gateway=""))
        fleet.zoo.fleet.view = replace(view, hosts={**view.hosts, "b": mute})
        client = Client()
        fleet.routing.ask("m", client)
        await asyncio.sleep(0.5)
        fleet.zoo.fleet.view = view
        await asyncio.sleep(0.5)
        assert ("b", []) == (client.lease.node, fleet.asked)

    @pytest.mark.parametrize(
        ("lost", "code", "said"),
        [
            (("b",), Code.MODEL_NOT_HERE, "m: b: is lost"),
            ((), Code.INSUFFICIENT_MEMORY, "m: b: needs 4 GiB of RAM, 1 GiB may be had"),
        ],
    )
    async def test_one_that_is_lost_is_not_said_to_lack_memory(self, fleet, lost, code, said):
        """Nobody answers for the fleet, and b is the only host that may have it."""
        fleet.see(lost=lost, b={"m": ModelReport("stopped", need=ModelNeed(ram=4 * GIB))}, c={})
        view, fleet.choice = fleet.zoo.fleet.view, ZoosupError("nobody answers")
        fleet.zoo.fleet.view = replace(
            view, spec=FleetSpec(models=(FleetModel("m", on_demand=True, hosts=("b",)),))
        )
        client = Client()
        fleet.routing.ask("m", client)
        await asyncio.sleep(0.5)
        assert code == client.refusal.code
        assert said in client.refusal.message

    async def test_who_waits_for_one_model_keeps_no_client_of_another_out(self, fleet):
        fleet = Fleet(m={}, n={}, max_queue=2)
        fleet.see(b={"m": READY, "n": READY}, c={})
        fleet.choice = Choice(refusal="none is there")
        clients = [(Client(), name) for name in "mmmn"]
        for client, name in clients:
            fleet.routing.ask(name, client).unreachable()
            fleet.clock.pass_time(SILENT)
        await asyncio.sleep(0.05)
        assert ["waits", "waits", "refused", "waits"] == [
            "refused" if client.refusal else "waits" for client, _ in clients
        ]

    @pytest.mark.parametrize("says", [{}, {"m": ModelReport("stopped")}])
    async def test_once_it_has_none_another_is_chosen(self, fleet, says):
        fleet.see(b={"m": READY}, c={})
        fleet.choice = Choice("c")
        client = Client()
        fleet.routing.ask("m", client).unreachable()
        fleet.see(b=says, c={})
        await asyncio.sleep(0.5)
        assert "c" == client.lease.node

    async def test_after_as_long_as_the_fleet_takes_to_give_it_up_another_has_it_whichever_is_chosen(
        self, fleet
    ):
        """The fleet may hear of it, and this host not reach it."""
        fleet.see(b={"m": READY}, c={"m": ModelReport("stopped")})
        client, began = Client(), fleet.zoo.clock.now()
        fleet.routing.ask("m", client).unreachable()
        while client.lease is None or client.lease.node == "b":
            if client.lease is not None:
                lease, client.lease = client.lease, None
                lease.unreachable()
            fleet.clock.pass_time(SILENT)
            await asyncio.sleep(0.5)
        assert "c" == client.lease.node
        assert 10 <= fleet.zoo.clock.now() - began < 10 + DECIDES + 2 * SILENT


class TestActive:
    @pytest.fixture
    def fleet(self):
        return Fleet(m={"on_demand": False, "active": True}, off={"on_demand": False})

    async def test_where_it_is_assigned_is_waited_for_it(self, fleet):
        fleet.see(b={}, c={}, placements={"m": ("c", "b")})
        assert "c" == fleet.ask()

    async def test_it_is_assigned_here(self, fleet):
        fleet.see(b={}, placements={"m": ("me",)})
        assert "me" == fleet.ask()

    @pytest.mark.parametrize(
        ("known", "code", "said"),
        [
            ({"placements": {"m": ("b",)}, "lost": ("b",)}, Code.MODEL_NOT_HERE, "m runs on b, which can't be"),
            ({"refusals": {"m": "b: 4 of 3 GiB"}}, Code.INSUFFICIENT_MEMORY, "m runs on no host: b: 4 of 3 GiB"),
            ({"refusals": {"m": "b: is lost"}, "lost": ("b",)}, Code.MODEL_NOT_HERE, "m runs on no host: b: is l"),
            ({}, Code.MODEL_NOT_HERE, "m runs on no host yet, as far as me knows"),
        ],
    )  # fmt: skip
    async def test_why_nobody_has_it_is_told(self, fleet, known, code, said):
        fleet.see(b={"m": ModelReport("stopped")}, **known)
        with pytest.raises(RefusedError) as caught:
            fleet.routing.ask("m", Client())
        assert code == caught.value.refusal.code
        assert said in caught.value.refusal.message

    async def test_the_only_host_that_has_it_is_waited_for_while_it_is_away(self, fleet):
        fleet.see(b={"m": READY}, placements={"m": ("b",)})
        client = Client()
        for _ in range(3):
            lease = fleet.routing.ask("m", client) if client.lease is None else client.lease
            client.lease = None
            assert "the host that has m" in lease.unreachable().why()
            await asyncio.sleep(0.5)
            assert client.lease is None, "nobody tries b so soon"
            fleet.clock.pass_time(SILENT)
            await asyncio.sleep(0.5)
            assert "b" == client.lease.node
        client.lease.release()
        assert not fleet.routing._out

    async def test_it_is_waited_for_as_long_as_the_fleet_takes_to_give_it_up(self, fleet):
        fleet.see(b={"m": READY}, placements={"m": ("b",)})
        client, began = Client(), fleet.zoo.clock.now()
        fleet.routing.ask("m", client).unreachable()
        while client.refusal is None:
            client.lease = None
            fleet.clock.pass_time(SILENT)
            await asyncio.sleep(0.5)
            if client.lease is not None:
                try:
                    client.lease.unreachable()
                except RefusedError as error:
                    client.refused(error.refusal)
        assert Code.MODEL_NOT_HERE == client.refusal.code
        assert 10 <= fleet.zoo.clock.now() - began < 10 + 2 * SILENT

    async def test_who_asks_as_a_host_dies_has_the_fleet_s_word_where_else_it_begins(self, fleet):
        """The fleet gives the host up at the end of its lease, and has to decide and to say so."""
        fleet.see(b={"m": READY}, placements={"m": ("b",)})
        client = Client()
        fleet.routing.ask("m", client).unreachable()
        fleet.clock.pass_time(10.3)
        await asyncio.sleep(0.5)
        client.lease.unreachable()
        fleet.see(lost=("b",), b={"m": READY}, c={"m": STARTING}, placements={"m": ("c",)})
        await asyncio.sleep(0.5)
        assert ("c", None) == (client.lease.node, client.refusal)

    async def test_a_host_whose_gateway_does_not_listen_yet_is_waited_for_too(self, fleet):
        fleet.see(b={"m": READY}, placements={"m": ("b",)})
        view = fleet.zoo.fleet.view
        mute = replace(view.hosts["b"], report=replace(view.hosts["b"].report, gateway=""))
        fleet.zoo.fleet.view = replace(view, hosts={**view.hosts, "b": mute})
        client = Client()
        fleet.routing.ask("m", client)
        fleet.zoo.fleet.view = view
        await asyncio.sleep(0.5)
        assert "b" == client.lease.node

    async def test_it_may_be_had_from_another_meanwhile_or_here(self, fleet):
        fleet.see(b={"m": READY}, placements={"m": ("b",)})
        lease, late, gone = fleet.routing.ask("m", Client()), Client(), Client()
        lease.unreachable()
        fleet.routing.ask("m", late)
        fleet.routing.ask("m", gone).cancel()
        fleet.see(lost=("b",), b={"m": READY}, c={"m": READY}, placements={"m": ("c",)})
        await asyncio.sleep(0.5)
        assert ("c", "c", None) == (lease.holder.lease.node, late.lease.node, gone.lease)
        fleet.see(b={"m": READY}, placements={"m": ("b",)})
        client = Client()
        fleet.routing.ask("m", client)
        fleet.see(b={}, placements={"m": ("me",)})
        await asyncio.sleep(0.5)
        assert 1 == client.is_here

    async def test_what_nobody_is_to_run_is_refused_as_on_one_host(self, fleet):
        fleet.see(b={})
        assert "me" == fleet.ask("off")


@pytest.mark.parametrize(
    ("fields", "state", "accepted"),
    [
        ({}, "", True),
        ({"hosts": ["b"]}, "", False),
        ({"hosts": ["b"]}, "ready", True),
        ({"on_demand": False}, "", False),
        ({"on_demand": False, "active": True, "hosts": ["me"]}, "", True),
        ({"on_demand": False, "active": True}, "", False),
        ({}, "shutdown", False),
    ],
)
async def test_what_another_gateway_passes_on_is_for_this_host_or_refused(fields, state, accepted):
    fleet = Fleet(m=fields)
    if state == "ready":
        make_ready(fleet.zoo, "m")
    fleet.zoo.shutdown = state == "shutdown"
    assert accepted == (not fleet.routing.accepts("m"))


async def test_a_look_goes_where_it_runs_and_counts_nowhere(fleet):
    fleet.see(b={"m": READY}, c={"m": READY})
    lease = fleet.routing.look("m", Client())
    assert ("b", "c") == (lease.node, lease.unreachable().node)
    lease.release()
    assert not fleet.routing._out
    fleet.see(b={"m": STARTING})
    assert fleet.routing.look("m", Client()) is None


async def test_what_runs_anywhere_is_listed_once_as_running():
    fleet = Fleet(m={}, n={}, o={"active": True, "on_demand": False})
    held = {"ram": GIB, "vram:0": 2 * GIB}
    fleet.see(b={"m": replace(READY, held=held, load_time=3.0), "stranger": READY}, c={"m": READY})
    make_ready(fleet.zoo, "n")
    cards = {card.name: card for card in fleet.routing.cards()}
    assert ["m", "n", "o"] == list(cards)
    assert (Phase.READY, Phase.READY, Phase.STOPPED) == tuple(card.phase for card in cards.values())
    assert (GIB, 2 * GIB, None) == (cards["m"].running.ram, cards["m"].running.vram, cards["m"].running.until)
    assert (True, 3.0) == (cards["o"].active, cards["m"].load_time)


async def test_an_upstream_is_the_same_until_gateways_say_something_else(fleet):
    fleet.see(b={"m": READY})
    first, second = (fleet.routing.ask("m", Client()) for _ in range(2))
    assert first.upstream is second.upstream
    assert (10, 8080) == (int(first.host[:2]), first.port)
    assert first.run_id == second.run_id
    fleet.routing.present((("x-zoosup-hop", "1"), ("x-zoosup-fleet", "t")))
    assert ("x-zoosup-fleet", "t") in fleet.routing.ask("m", Client()).upstream.headers
