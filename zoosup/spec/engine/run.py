"""A container client's `run` taken apart, and put together again with a few words more.

Knows what the options that zoosup cares about mean. Words stay what they are: where they are templates (`${PORT}`), so
is every part of the answer.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, partial

from zoosup.spec.engine import values
from zoosup.spec.engine.client import Client, find_client
from zoosup.spec.engine.options import (
    GLOBAL_FLAGS,
    GLOBAL_VALUES,
    RUN_FLAGS,
    RUN_VALUES,
    run_name,
    run_takes_value,
)
from zoosup.spec.engine.scan import Option, scan
from zoosup.spec.engine.values import Publish, Volume

_RUNS = frozenset({("run",), ("container", "run")})
_VOLUMES = {"volume": values.volume, "mount": values.mount, "tmpfs": values.tmpfs}
_GLOBAL_ONLY = (GLOBAL_FLAGS | GLOBAL_VALUES) - RUN_FLAGS - RUN_VALUES
_GPU_DEVICES = ("nvidia.com/gpu", "amd.com/gpu", "/dev/nvidia", "/dev/dri", "/dev/kfd", "/dev/dxg")


@dataclass(frozen=True, slots=True)
class EngineRun:
    """A call such as `docker run …`; `at` is the index of the word `run`, `image` None where none is named."""

    client: Client
    at: int
    options: tuple[Option, ...]
    image: str | None
    args: tuple[str, ...]

    @property
    def engine(self) -> str:
        """Docker, podman or nerdctl: the client's name in small letters."""
        return self.client.engine

    @property
    def prefix(self) -> tuple[str, ...]:
        """What any other call of the same engine begins with, such as `stop`: the client and its global options.

        podman takes those after `run` too.
        """
        late = (each for each in self.options if each.name in _GLOBAL_ONLY and self.engine != "docker")
        return (*self.client.prefix, *(f"--{each.name}={each.value}" for each in late))

    @property
    def name(self) -> str | None:
        """--name."""
        return self.last("name") or None

    @property
    def detach(self) -> bool:
        """Whether the client ends at once and the container goes on."""
        return self.flag("detach")

    @property
    def remove(self) -> bool:
        """Whether the engine removes the container when it ends."""
        return self.flag("rm")

    @property
    def interactive(self) -> bool:
        """Whether its standard input stays open."""
        return self.flag("interactive")

    @property
    def tty(self) -> bool:
        """Whether it gets a terminal."""
        return self.flag("tty")

    @property
    def init(self) -> bool:
        """Whether an init passes signals on inside."""
        return self.flag("init")

    @property
    def cidfile(self) -> str | None:
        """The file for the container's id."""
        return self.last("cidfile") or None

    @property
    def restart(self) -> str:
        """The engine's own restart policy; `no` unless said."""
        return self.last("restart") or "no"

    @property
    def network(self) -> str:
        """--network, "" for the engine's default."""
        return self.last("network") or ""

    @property
    def gpus(self) -> str | None:
        """--gpus."""
        return self.last("gpus")

    @property
    def entrypoint(self) -> str | None:
        """--entrypoint; "" takes the image's away, None leaves it."""
        return self.last("entrypoint")

    @property
    def memory(self) -> str | None:
        """--memory, in the engine's notation."""
        return self.last("memory")

    @property
    def workdir(self) -> str | None:
        """--workdir."""
        return self.last("workdir")

    @property
    def volumes(self) -> tuple[Volume, ...]:
        """Everything that is mounted, also what is no folder of the host."""
        return tuple(_VOLUMES[each.name](each.value) for each in self.options if each.name in _VOLUMES)

    @property
    def env(self) -> Mapping[str, str | None]:
        """--env; None is whatever the client's own environment has under that name."""
        given = (value.partition("=") for value in self.all("env"))
        return {name: value if equals else None for name, equals, value in given}

    @property
    def publish(self) -> tuple[Publish, ...]:
        """--publish."""
        return tuple(each for value in self.all("publish") for each in values.published(value))

    @property
    def sees_gpus(self) -> bool:
        """Whether the words hand it any GPU. An engine may be set up to do so unasked, which nobody sees here."""
        handed = self.gpus is not None or self.flag("privileged") or "nvidia" in (self.last("runtime") or "")
        devices = any(value.startswith(_GPU_DEVICES) for value in self.all("device"))
        return handed or devices or "NVIDIA_VISIBLE_DEVICES" in self.env

    def last(self, name: str) -> str | None:
        """The last value of an option, None where it isn't there."""
        return next((each.value for each in reversed(self.options) if each.name == name), None)

    def all(self, name: str) -> Iterator[str]:
        """Every value of an option, in order."""
        return (each.value for each in self.options if each.name == name)

    def flag(self, name: str) -> bool:
        """Whether a flag is on."""
        given = [each for each in self.options if each.name == name]
        return bool(given) and given[-1].is_true


@dataclass(frozen=True, slots=True)
class Prepared:
    """The words to start, the file in which the container's id will stand, and what was left as the user has it."""

    words: tuple[str, ...]
    cidfile: str
    kept: tuple[str, ...] = ()


def parse_run(words: Sequence[str]) -> EngineRun | None:
    """What the words make of `docker run`, `podman container run` and the like; None for anything else."""
    return _parsed(tuple(words))


@lru_cache(maxsize=1024)
def _parsed(words: tuple[str, ...]) -> EngineRun | None:
    client = find_client(words)
    if client is None or client.subcommand not in _RUNS:
        return None
    found, image = scan(words, client.after, partial(run_takes_value, client.engine))
    options = tuple(replace(each, name=run_name(client.engine, each.name)) for each in found)
    named = words[image] if image < len(words) else None
    return EngineRun(client, client.after - 1, options, named, words[image + 1 :])


def with_additions(
    words: Sequence[str], *, cidfile: str, labels: Mapping[str, str], env: Mapping[str, str]
) -> Prepared:
    """Add a cidfile, labels and variables right behind `run`, and change nothing else.

    A cidfile and a variable of the user's own stay, and ours is left out: the engine takes one of each.
    Raises ValueError for words that are no `run`.
    """
    run = parse_run(words)
    if run is None:
        raise ValueError("internal error: these words run no container")
    own = run.env
    added = [] if run.cidfile else ["--cidfile", cidfile]
    for name, value in labels.items():
        added += ["--label", f"{name}={value}"]
    for name, value in env.items():
        added += [] if name in own else ["--env", f"{name}={value}"]
    kept = ["--cidfile"] * bool(run.cidfile) + [f"--env {name}" for name in env if name in own]
    after = run.at + 1
    return Prepared((*words[:after], *added, *words[after:]), run.cidfile or cidfile, tuple(kept))
