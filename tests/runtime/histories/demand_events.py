"""What clients do, as data; files in which requests start models, and strategies for histories full of clients."""

from dataclasses import dataclass, replace

from hypothesis import strategies as st

from tests.runtime.histories.random_events import (
    NAMES,
    Ask,
    Become,
    ByHand,
    Crash,
    EditModel,
    File,
    Kill,
    Leave,
    ModelEntry,
    Rewrite,
    SetActive,
    Sick,
    actives,
    entries,
    names,
    pauses,
    profiles,
    random_events,
)
from tests.runtime.histories.unreliable_host import FaultProfile


@dataclass(frozen=True)
class Call:
    """So many clients ask for a model; `hold` is how long each one's answer takes, `quits` how it goes before that.

    "" it does not · queue: it waits for 1 s at most · tick: in the tick of the grant · grant: while it is told of the
    grant · soon: half a second after it · fault: it can't even take the grant in
    """

    name: str
    count: int = 1
    hold: float = 0.3
    quits: str = ""


@dataclass(frozen=True)
class HangUp:
    """A client that is there goes, whether it waits or is being answered."""

    which: int


def asked(ram: str = "9GiB", **fields: object) -> ModelEntry:
    """A model that a request may start."""
    return replace(ModelEntry(ram, on_demand=True), **fields)


RULES = (("queue_timeout", "60s"), ("patience", "4s"), ("min_residency", "2s"))
ON_DEMAND = File(
    (
        ("a", ModelEntry()),
        ("b", asked()),
        ("c", asked(sleep="declared")),
        ("d", asked(sleep="learned", inflight=2)),
    ),
    ("a",),
    rules=RULES,
)

rules = st.fixed_dictionaries(
    {
        "queue_timeout": st.sampled_from(["5s", "30s", "60s"]),
        "patience": st.sampled_from(["0s", "4s"]),
        "min_residency": st.sampled_from(["0s", "2s"]),
        "max_queue": st.sampled_from([0, 4, 256, 256]),
    }
).map(lambda found: tuple(found.items()))
on_demand_entries = st.builds(
    replace,
    entries,
    on_demand=st.sampled_from([True, True, True, False]),
    idle=st.sampled_from(["0s", "5s", "20s"]),
    inflight=st.sampled_from([0, 0, 1, 2]),
    sleep=st.sampled_from(["", "declared", "learned"]),
)
open_files = st.builds(
    File,
    models=st.dictionaries(names, on_demand_entries, min_size=2, max_size=4).map(lambda d: tuple(d.items())),
    active=st.lists(names, max_size=2, unique=True).map(tuple),
    budget=st.sampled_from(["10GiB", "16GiB", "20GiB", "64GiB"]),
    strategy=st.sampled_from(["auto", "auto", "overlap", "replace"]),
    least=st.sampled_from(["0s", "0s", "2s"]),
    rules=rules,
)
calls = st.builds(
    Call,
    names,
    count=st.sampled_from([1, 1, 1, 3]),
    hold=st.sampled_from([0.0, 0.3, 2.0, 8.0, 40.0]),
    quits=st.sampled_from(["", "", "", "queue", "tick", "grant", "soon", "fault"]),
)
sleep_profiles = st.builds(
    replace,
    profiles,
    asleep=st.sampled_from([0.1, 0.1, 0.6, 1.0]),
    sleep=st.sampled_from(["ok", "ok", "ok", "wont_sleep", "wont_wake", "hangs"]),
)
demand_events = st.one_of(
    *[calls] * 6,
    st.builds(HangUp, st.integers(0, 5)),
    st.builds(Rewrite, open_files),
    st.builds(EditModel, names, on_demand_entries),
    st.builds(SetActive, actives),
    st.builds(Become, names, sleep_profiles),
    random_events,
)


def likely_crowds(name: str, other: str) -> list[list[tuple[object, float]]]:
    """Turns of fate that chance alone seldom brings about, each a few steps long."""
    rivals = File(tuple((n, asked("9GiB")) for n in NAMES), (), "16GiB", rules=RULES)
    sleepers = replace(rivals, models=tuple((n, asked("9GiB", sleep="declared")) for n in NAMES))
    narrow = asked("4GiB", inflight=1)
    hasty = replace(rivals, rules=(("queue_timeout", "5s"), ("max_queue", 1)))
    impatient = replace(rivals, rules=(("queue_timeout", "5s"),))
    forever, wont_sleep = FaultProfile(stop=1000.0), FaultProfile(sleep="wont_sleep")
    return [
        [(Rewrite(rivals), 0.3), (Call(name, 1, 40.0), 3.0), (Call(other), 3.0), (Call(name), 25.0)],
        [(Rewrite(rivals), 0.3), (Call(name, 3, 2.0), 3.0), (Call(other, 3, 2.0), 0.3), (Call(name), 8.0)],
        [(Call(name, 1, 40.0), 3.0), (ByHand("stop", name), 1.0), (Call(name), 8.0)],
        [(Call(name, 3, 8.0), 3.0), (ByHand("restart", name), 0.3), (Call(name), 8.0)],
        [(Call(name, 3, 40.0), 3.0), (Leave(None, keep=False), 1.0), (Call(name), 3.0)],
        [(Call(name, 3, 40.0), 3.0), (Crash(name), 0.0), (Call(name), 3.0)],
        [(Call(name, 1, 40.0), 3.0), (Sick(name, sick=True), 0.3), (Call(name), 8.0)],
        [(Call(name, 3, 0.3), 0.3), (HangUp(0), 0.0), (HangUp(0), 0.0), (HangUp(0), 3.0)],
        [
            (Rewrite(sleepers), 0.3),
            (Call(name), 4.0),
            (Call(other), 4.0),
            (Call(name), 0.3),
            (Kill(1, 0.5), 3.0),
        ],
        [(Rewrite(sleepers), 0.3), (Call(name), 4.0), (Call(other), 0.0), (Call(name), 3.0)],
        [(Become(name, wont_sleep), 0.0), (Rewrite(sleepers), 0.3), (Call(name), 4.0), (Call(other), 8.0)],
        [(EditModel(name, narrow), 0.3), (Call(name, 3, 2.0), 3.0), (HangUp(1), 0.0), (Call(name, 3), 3.0)],
        [(EditModel(name, narrow), 0.3), (Call(name, 1, 2.0), 1.2), (Call(name, 3, 0.0, "grant"), 3.0)],
        [(Call(name, 1, 0.3, "fault"), 3.0)],
        [(Call(name), 0.0), (Ask(), 3.0)],
        [(Rewrite(replace(rivals, active=(other, name))), 8.0), (Call(name), 8.0)],
        [(Call(name), 3.0), (Call(name, 1, 1.0), 0.3), (ByHand("restart", name), 8.0)],
        [
            (Rewrite(hasty), 0.0),
            (Become(name, FaultProfile(load=30.0)), 0.0),
            (Call(name), 8.0),
            (Call(name), 3.0),
        ],
        [
            (Rewrite(impatient), 0.0),
            (Become(name, FaultProfile(load=30.0)), 0.0),
            (Call(name), 0.3),
            (Call(name), 8.0),
        ],
        [(Become(name, forever), 0.0), (Call(name), 3.0), (Call(other), 0.0), (Call(name, 1, 40.0), 8.0)],
        [(EditModel(name, asked("40GiB")), 0.3), (Call(other), 3.0), (Call(name, 3), 3.0)],
        [(Call(name, 1, 40.0), 3.0), (EditModel(name, asked(command="better")), 1.0), (Call(name), 8.0)],
    ]


crowds = st.tuples(names, names).flatmap(lambda both: st.sampled_from(likely_crowds(*both)))
demand_histories = st.lists(
    st.one_of(*[st.tuples(demand_events, pauses).map(lambda step: [step])] * 3, crowds), max_size=14
).map(lambda parts: [step for part in parts for step in part])
