"""The words by which a llama-server is told where its saved slots lie, and which servers are told.

Knows processes, containers and container clients. Refuses to know where that is.
"""

from collections.abc import Iterator

from zoosup.core.estimation.servers.command_line import understand
from zoosup.core.estimation.servers.server import LLAMA_SERVER
from zoosup.core.estimation.servers.server_words import split_option
from zoosup.spec.engine.run import parse_run
from zoosup.spec.model.model import ModelSpec

OPTION = "--slot-save-path"

METRICS = "--metrics"
"""Has a server say how fast it computes prompts; one of old says so unasked."""

INSIDE = "/zoosup-sessions"
"""Where a container has its model's folder."""

_KEY = "--api-key"

_SLOTS, _NO_SLOTS, _SLOTS_VARIABLE = "--slots", "--no-slots", "LLAMA_ARG_ENDPOINT_SLOTS"
_NO = frozenset({"off", "disabled", "false", "0"})
_POOLING = frozenset({"--embedding", "--embeddings", "--rerank", "--reranking"})
"""Options of servers that hold no conversation."""


def keeps(started: ModelSpec, now: ModelSpec | None = None) -> bool:
    """Whether a run's conversations are kept: it was `started` for it, and the file still says so `now`."""
    return started.sessions.keep and (now is None or now.sessions.keep) and not unfit(started)


def unfit(spec: ModelSpec) -> str:
    """Why its server can't keep any, for people; "" where it can."""
    server = understand(spec)
    if server is None or server.kind != LLAMA_SERVER:
        return "its command is not a llama-server, as far as its words tell"
    options = [option for option, _ in _options(spec)]
    if OPTION in options:
        return f"it has {OPTION} of its own; without it, zoosup gives it one"
    pooling = next((option for option in options if option in _POOLING), None)
    return f"{pooling}: it holds no conversation" if pooling else _why_hidden(spec, options)


def _why_hidden(spec: ModelSpec, options: list[str]) -> str:
    """What keeps it from telling of its slots: the last word counts, and words before variables."""
    said = [option for option in options if option in {_SLOTS, _NO_SLOTS}]
    if said[-1:] == [_NO_SLOTS]:
        return f"with {_NO_SLOTS} it does not tell of its slots"
    if not said and spec.env.get(_SLOTS_VARIABLE, "").lower() in _NO:
        return f"with {_SLOTS_VARIABLE}={spec.env[_SLOTS_VARIABLE]} it does not tell of its slots"
    return ""


def with_folder(spec: ModelSpec, folder: str) -> ModelSpec:
    """The model as it is started with a folder of this host for its files."""
    path, own = folder.replace("${", "$${"), spec.container
    if own is not None:
        more = {"args": (*own.args, METRICS, OPTION, INSIDE), "volumes": (*own.volumes, f"{path}:{INSIDE}")}
        return spec.model_copy(update={"container": own.model_copy(update=more)})
    run, words = parse_run(spec.command), spec.command
    if run is None:
        return spec.model_copy(update={"command": (*words, METRICS, OPTION, path)})
    after = run.at + 1
    volume = ("--volume", f"{path}:{INSIDE}")
    told = (METRICS, OPTION, INSIDE)
    return spec.model_copy(update={"command": (*words[:after], *volume, *words[after:], *told)})


def key_of(spec: ModelSpec) -> str:
    """The first key that its server asks for, "" for none."""
    given = [value for option, value in _options(spec) if option == _KEY]
    return (given[-1] if given else spec.env.get("LLAMA_API_KEY", "")).partition(",")[0]


def _options(spec: ModelSpec) -> Iterator[tuple[str, str]]:
    """Every option among its words, with its value or the word behind it."""
    words = spec.command if spec.container is None else spec.container.args
    for word, following in zip(words, (*words[1:], ""), strict=True):
        option, equals, value = split_option(word)
        if option:
            yield option, value if equals else following
