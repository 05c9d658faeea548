"""`docker run` as another program holds it, made one that is reached on this host and stays in the foreground.

Refuses to know what runs inside, but for the port that it is told to listen on.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby

from zoosup.importing.words import is_port
from zoosup.spec.engine.client import find_client
from zoosup.spec.engine.run import EngineRun
from zoosup.spec.engine.scan import TRUE, Option
from zoosup.spec.engine.values import published
from zoosup.spec.syntax.words import values_of

_BACKGROUND = {"detach": "-d", "interactive": "-i", "tty": "-t"}
"""What goes with -d: in the foreground there is no terminal to ask for."""

_OWN_NETWORKS = frozenset({"host", "bridge", "none", "default", "slirp4netns", "pasta"})


@dataclass(frozen=True, slots=True)
class Inward:
    """The words of a run, changed, and what has been changed, in words."""

    words: list[str]
    said: list[str]


@dataclass(frozen=True, slots=True)
class _Change:
    """Other words in the place of options, words behind them all, and what is said of it."""

    edits: Mapping[Option, tuple[str, ...]] = field(default_factory=dict)
    added: tuple[str, ...] = ()
    said: tuple[str, ...] = ()


def turned_inward(run: EngineRun, inside: int | None) -> Inward | None:
    """Publish its port on this host's own address alone and keep it in the foreground.

    `inside` is the port at which the old program reached it. None where nothing tells which port it listens on.
    """
    front = _in_front(run)
    port = _Change() if "host" in run.all("network") else _bound(run) or _published(run, inside)
    if port is None:
        return None
    words = _edited(run, {**front.edits, **port.edits}, port.added)
    return Inward(words, [*front.said, *port.said])


def _in_front(run: EngineRun) -> _Change:
    if not run.detach:
        return _Change()
    out = [each for each in run.options if each.name in _BACKGROUND]
    letters = " ".join(dict.fromkeys(_BACKGROUND[each.name] for each in out))
    said = f"{letters} is taken out: zoosup watches the client in the foreground"
    return _Change(dict.fromkeys(out, ()), said=(said,))


def _bound(run: EngineRun) -> _Change | None:
    """What it publishes already, on this host's own address; None where it publishes nothing."""
    option = next((each for each in run.options if each.name == "publish"), None)
    if option is None:
        return None
    wanted = f"127.0.0.1:${{PORT}}:{_inside(option.value)}"
    said = f"-p {option.value} is bound to {wanted}: this host alone"
    so_already = option.value in {wanted, wanted.replace("127.0.0.1", "${HOST}")}
    return _Change({option: ("-p", wanted)}, said=() if so_already else (said,))


def _published(run: EngineRun, inside: int | None) -> _Change | None:
    """The port at which it listens, published in the place of a network of its own; None where nothing tells it."""
    port = _listens(run.args) or inside
    if port is None:
        return None
    own = [each for each in run.options if each.name == "network" and each.value not in _OWN_NETWORKS]
    network = f" and --network {own[0].value} taken out" if own else ""
    said = f"port {port} of the container is published on 127.0.0.1:${{PORT}}{network}"
    return _Change(dict.fromkeys(own, ()), ("-p", f"127.0.0.1:${{PORT}}:{port}"), (said,))


def _inside(value: str) -> str:
    """The container's port of a published one."""
    ports = (each.container_port for each in published(value) if each.protocol == "tcp")
    return next((port for port in ports if port.isascii() and port.isdecimal()), "${PORT}")


def _edited(run: EngineRun, edits: Mapping[Option, tuple[str, ...]], added: Sequence[str] = ()) -> list[str]:
    """Its words with others in the place of these options, and `added` behind them all.

    A word whose options all stay is left as it is written.
    """
    words = run.client.words
    out, end = list(words[: run.at + 1]), run.at + 1
    for at, options in groupby(run.options, key=lambda each: each.at):
        cluster = list(options)
        end = at + cluster[-1].words
        if edits.keys().isdisjoint(cluster):
            out += words[at:end]
        else:
            out += (word for each in cluster for word in edits.get(each, _written(each)))
    return [*out, *added, *words[end:]]


def _written(option: Option) -> tuple[str, ...]:
    return (f"--{option.name}" if option.value == TRUE else f"--{option.name}={option.value}",)


def _listens(inside: Sequence[str]) -> str | None:
    """The port that its own words say: a number, or the one that is chosen for it."""
    said = (value for _, _, value in values_of(inside, {"--port"}))
    return next((value for value in said if value == "${PORT}" or is_port(value)), None)


def stop_words(words: Sequence[str]) -> tuple[list[str] | None, str]:
    """A command that stops it, as zoosup needs it, and what is to be said; None: needless or dangerous."""
    program = words[0].rpartition("/")[2]
    if any("${PID}" in word.replace("$${", "${") for word in words):
        return (
            None,
            ""
            if program == "kill"
            else "the command that stops it names a process, which zoosup ends by itself",
        )
    if program in {"pkill", "killall"}:
        return None, f"{program} is left out: it may hit others; zoosup ends all processes of a model itself"
    client = find_client(words)
    if client is not None and client.subcommand[-1:] == ("rm",):
        names = [word for word in words[client.after :] if not word.startswith("-")]
        return [*client.prefix, "stop", *names], "rm -f is made stop, so that it can end by itself"
    return list(words), ""
