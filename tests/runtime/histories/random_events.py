"""What can happen to one host, as data: the file, people, models, strangers, the disk; and strategies.

Knows nothing of how any of it is brought about: that is `history`.
"""

import json
from dataclasses import dataclass

from hypothesis import strategies as st

from tests.runtime.histories.unreliable_host import SLEEP, WAKE, FaultProfile

NAMES = "abcd"
DAY = 86400.0

# the file


@dataclass(frozen=True)
class ModelEntry:
    """A model of the file."""

    memory: str = "4GiB"
    command: str = "serve"
    port: int | None = None
    grace: str = "5s"
    drains: bool = False
    live: bool = False
    deadline: str = "20s"
    restart: str = "always"  # always | limited | never
    on_demand: bool = False
    idle: str = "20s"
    inflight: int = 0
    sleep: str = ""  # it can sleep, and what it then holds is declared | learned

    def data(self, name: str) -> dict[str, object]:
        back = {"initial": "1s", "max": "8s", "reset_after": "20s"}
        limited = back | {"limit": {"count": 3, "within": "60s"}}
        kinds = {"always": back, "limited": limited, "never": {"policy": "never"}}
        stop = {"drain": self.grace, "grace": self.grace} | (
            {"before": {"http": "POST /drain"}} if self.drains else {}
        )
        return {
            "command": [self.command, name, "${PORT}"],
            "memory": "auto" if self.memory == "auto" else {"ram": self.memory},
            "port": self.port or "auto",
            "stop": stop,
            "ready": {"http": "/health", "deadline": self.deadline},
            "restart": kinds[self.restart],
            "on_demand": self.on_demand,
            "max_inflight": self.inflight,
        } | self._optional()

    def _optional(self) -> dict[str, object]:
        live = {"live": {"http": "/health", "period": "1s", "failures": 2}} if self.live else {}
        idle = {"idle_timeout": self.idle} if self.on_demand else {}
        holds = {"holds": {"ram": "1GiB"}} if self.sleep == "declared" else {}
        park = {"park": {"sleep": SLEEP, "wake": WAKE} | holds} if self.sleep else {}
        return live | idle | park


@dataclass(frozen=True)
class File:
    """A whole file."""

    models: tuple[tuple[str, ModelEntry], ...]
    active: tuple[str, ...]
    budget: str = "20GiB"
    strategy: str = "auto"
    rollback: bool = True
    least: str = "0s"
    rules: tuple[tuple[str, object], ...] = ()  # of the gateway

    def text(self) -> str:
        switch = {
            "strategy": self.strategy,
            "rollback": self.rollback,
            "cooldown": {"min": self.least, "max": "4s"},
        }
        active = [n for n in self.active if n in dict(self.models)]
        models = {name: entry.data(name) for name, entry in self.models}
        gateway = {"gateway": {"listen": "127.0.0.1:0"} | dict(self.rules)} if self.rules else {}
        return json.dumps(
            {"active": active, "budget": {"ram": self.budget}, "switch": switch, "models": models} | gateway
        )


FIRST = File(tuple((name, ModelEntry()) for name in NAMES), ("a",))

names = st.sampled_from(NAMES)
entries = st.builds(
    ModelEntry,
    memory=st.sampled_from(["1GiB", "4GiB", "6GiB", "9GiB", "15GiB", "40GiB", "auto"]),
    command=st.sampled_from(["serve", "better"]),
    port=st.sampled_from([None, None, None, 8000]),
    grace=st.sampled_from(["1s", "5s"]),
    drains=st.booleans(),
    live=st.booleans(),
    deadline=st.sampled_from(["10s", "20s"]),
    restart=st.sampled_from(["always", "always", "limited", "never"]),
)
actives = st.lists(names, max_size=3, unique=True).map(tuple)
files = st.builds(
    File,
    models=st.dictionaries(names, entries, max_size=4).map(lambda d: tuple(d.items())),
    active=actives,
    budget=st.sampled_from(["10GiB", "16GiB", "20GiB", "64GiB"]),
    strategy=st.sampled_from(["auto", "auto", "overlap", "replace"]),
    rollback=st.booleans(),
    least=st.sampled_from(["0s", "0s", "2s"]),
)
profiles = st.builds(
    FaultProfile,
    spawn=st.sampled_from([0.002, 0.002, 0.5, 3.0]),
    load=st.sampled_from([0.1, 1.0, 3.0, 30.0]),
    holds=st.sampled_from([0.0, 0.5, 0.9, 1.0]),
    start=st.sampled_from(["ok", "ok", "ok", "refused", "eagain", "dies", "hangs"]),
    stop=st.sampled_from([0.0, 0.2, 12.0, 1000.0]),
    stuck=st.sampled_from([False, False, False, True]),
    remains=st.booleans(),
    release=st.sampled_from([0.01, 0.3, 6.0]),
)


# what can happen


@dataclass(frozen=True)
class Rewrite:
    """The file is another one."""

    file: File


@dataclass(frozen=True)
class SetActive:
    """`zoosup use`."""

    active: tuple[str, ...]


@dataclass(frozen=True)
class EditModel:
    """One model is changed or added."""

    name: str
    entry: ModelEntry


@dataclass(frozen=True)
class BadFile:
    """The file is cut short, empty or nonsense; `None` says it once more as it is."""

    text: str | None


@dataclass(frozen=True)
class ByHand:
    """`zoosup start|stop|restart`."""

    verb: str
    name: str


@dataclass(frozen=True)
class Crash:
    """The model's leader ends by itself."""

    name: str


@dataclass(frozen=True)
class Become:
    """The model's next process behaves like this."""

    name: str
    profile: FaultProfile


@dataclass(frozen=True)
class Sick:
    """Its probes fail, or no longer."""

    name: str
    sick: bool


@dataclass(frozen=True)
class Surroundings:
    """The host: what strangers hold (GiB), what can be read, whether the disk is full, who holds port 8000."""

    foreign: int = 2
    readable: bool = True
    countable: bool = True
    disk_full: bool = False
    port_taken: bool = False
    missing: str = ""


@dataclass(frozen=True)
class Messages:
    """Wake-ups get lost, facts come twice."""

    lost: bool
    doubled: bool


@dataclass(frozen=True)
class Late:
    """A fact about a run that is gone comes once more."""

    which: int
    kind: int


@dataclass(frozen=True)
class Jump:
    """The wall clock is set."""

    seconds: float


@dataclass(frozen=True)
class Ask:
    """`zoosup plan`."""


@dataclass(frozen=True)
class Leave:
    """SIGTERM to zoosup, with `grace` the second one; it is started again when it has ended."""

    grace: float | None
    keep: bool


@dataclass(frozen=True)
class Kill:
    """kill -9 of zoosup before its `acts`-th next act; it is started again after `away` seconds.

    `damage`: its records are from another version, or lost.
    """

    acts: int
    away: float
    damage: str = ""


random_events = st.one_of(
    st.builds(Rewrite, files),
    st.builds(SetActive, actives),
    st.builds(SetActive, actives),
    st.builds(EditModel, names, entries),
    st.builds(
        BadFile, st.sampled_from([None, "", "active: [a\n", "active: z\nmodels: {}\n", "models: {a: {}}\n"])
    ),
    st.builds(ByHand, st.sampled_from(["start", "stop", "restart"]), names),
    st.builds(Crash, names),
    st.builds(Become, names, profiles),
    st.builds(Become, names, profiles),
    st.builds(Sick, names, st.booleans()),
    st.builds(
        Surroundings,
        foreign=st.sampled_from([2, 2, 8, 16, 27, 33]),
        readable=st.sampled_from([True, True, False]),
        countable=st.sampled_from([True, True, False]),
        disk_full=st.sampled_from([False, False, True]),
        port_taken=st.booleans(),
        missing=st.sampled_from(["", "", "a", "b"]),
    ),
    st.builds(Messages, st.booleans(), st.booleans()),
    st.builds(Late, st.integers(0, 5), st.integers(0, 8)),
    st.builds(Jump, st.sampled_from([-DAY, -30.0, 30.0, DAY])),
    st.builds(Ask),
    st.builds(Leave, st.sampled_from([None, 2.0]), st.booleans()),
    st.builds(
        Kill,
        st.integers(0, 12),
        st.sampled_from([0.0, 0.5, 10.0]),
        st.sampled_from(["", "", "", "version", "lost"]),
    ),
)
pauses = st.sampled_from([0.0, 0.001, 0.0015, 0.004, 0.02, 0.3, 1.0, 3.0, 3.0, 8.0, 25.0])


def likely_trouble(name: str, other: str) -> list[list[tuple[object, float]]]:
    """Turns of fate that chance alone seldom brings about, each a few steps long."""
    dies, hangs = FaultProfile(start="dies", load=0.2), FaultProfile(start="hangs", load=0.2)
    undying, slow = FaultProfile(stuck=True, stop=1000.0), FaultProfile(spawn=3.0, load=3.0)
    crowd = File(tuple((n, ModelEntry("9GiB")) for n in NAMES), tuple(NAMES), "64GiB")
    fickle = ModelEntry(restart="limited")
    return [
        [(SetActive((other,)), 8.0), (Become(name, dies), 0.0), (SetActive((name,)), 25.0)],
        [(SetActive((other,)), 8.0), (Become(name, hangs), 0.0), (SetActive((name,)), 8.0)],
        [(EditModel(name, fickle), 0.0), (Become(name, dies), 0.0), (ByHand("start", name), 25.0)],
        [(Become(name, dies), 0.0), (ByHand("restart", name), 3.0), (Kill(0, 0.5), 1.0)],
        [(Become(name, undying), 0.0), (ByHand("restart", name), 3.0), (ByHand("stop", name), 25.0)],
        [(Become(name, slow), 0.0), (ByHand("restart", name), 1.0), (ByHand("stop", name), 3.0)],
        [(ByHand("start", name), 8.0), (ByHand("restart", name), 3.0), (Late(0, 4), 0.0), (Late(0, 1), 0.0)],
        [(Become(name, FaultProfile(load=30.0, holds=1.0)), 0.0), (Rewrite(crowd), 8.0)],
        [
            (SetActive((name,)), 8.0),
            (EditModel(name, ModelEntry(command="better")), 0.0),
            (Kill(3, 0.5), 3.0),
        ],
    ]


troubles = st.tuples(names, names).flatmap(lambda both: st.sampled_from(likely_trouble(*both)))
histories = st.lists(
    st.one_of(*[st.tuples(random_events, pauses).map(lambda step: [step])] * 3, troubles), max_size=20
).map(lambda parts: [step for part in parts for step in part])
