"""One model of a llama-swap file.

Refuses to know what other models there are, but for the names that are taken.
"""

import re

from zoosup.importing.draft import NOT_RECKONED, TO_MEASURE, LeftOut, Model, grace_of
from zoosup.importing.llama_swap.command import read_command
from zoosup.importing.llama_swap.entry import ModelEntry, Reading, RefusedError
from zoosup.importing.llama_swap.requests import read_names, read_parameters
from zoosup.importing.llama_swap.stopping import stop_of
from zoosup.importing.source import Entry
from zoosup.importing.words import can_be_estimated, template
from zoosup.spec.engine.client import find_client
from zoosup.spec.model.values.kinds import ENV_NAME_PATTERN
from zoosup.spec.syntax.units import format_size

_KEYS = frozenset(
    {
        "macros", "cmd", "name", "description", "env", "proxy", "checkEndpoint", "ttl", "useModelName", "filters",
        "aliases", "metadata", "concurrencyLimit", "sendLoadingState", "timeouts", "unlisted", "cmdStop",
        "unloadTimeout", "capabilities", "compat",
    }
)  # fmt: skip
_GPU = re.compile(r"\d{1,3}|(?:GPU|MIG)-[A-Za-z0-9/-]+")
_VISIBLE = "CUDA_VISIBLE_DEVICES"


def read_model(found: Entry, name: str, of: Reading) -> Model | LeftOut:
    """Turn one entry of `models` into one of zoo.yaml, or say why it can't be."""
    try:
        return _read(ModelEntry(found.key, found.value, Model(name, found.at), of))
    except RefusedError as refusal:
        of.report.add(found.at, f"{found.key} is left out: {refusal}")
        was = [line.strip() for line in found.value.get("cmd").text.splitlines() if line.strip()]
        return LeftOut(found.key, found.at, str(refusal), was)


def _read(entry: ModelEntry) -> Model:
    if entry.node.table is None or not entry.node.get("cmd").text.strip():
        raise RefusedError("it has no cmd")
    entry.unknown_keys(entry.node, _KEYS)
    if (elsewhere := read_command(entry)) is not None:
        return _external(entry, elsewhere)
    _env(entry)
    _memory(entry)
    _probe(entry)
    _times(entry)
    read_parameters(entry)
    read_names(entry)
    _stop(entry)
    return entry.model


def _external(entry: ModelEntry, url: str) -> Model:
    """A server that somebody else runs: its names and parameters, and nothing of a process."""
    entry.model.fields["external"] = {"url": url}
    read_parameters(entry)
    read_names(entry)
    path = entry.text("checkEndpoint").strip()
    if path.startswith("/") and path != "/health":
        _probe(entry)
    return entry.model


def _env(entry: ModelEntry) -> None:
    env: dict[str, str] = {}
    node = entry.node.get("env")
    for item in node.items or ():
        name, equals, value = entry.own_id(entry.expand(item.text, item.at)).partition("=")
        if not equals or re.fullmatch(ENV_NAME_PATTERN, name) is None:
            entry.say(f"env has {item.text!r}, which is no NAME=value", item.at)
        else:
            env[name] = template(value)
    if node.given and node.items is None:
        entry.say("env is no list and left out", node.at)
    visible = env.get(_VISIBLE)
    if visible is not None and find_client(entry.model.words or ()) is None:
        gpus = [each.strip() for each in visible.split(",")]
        if visible.strip() in {"", "-1"}:
            entry.model.fields["gpus"] = "none"
            del env[_VISIBLE]
        elif all(map(_GPU.fullmatch, gpus)) and len(set(gpus)) == len(gpus):
            entry.model.fields["gpus"] = [int(each) if each.isdecimal() else each for each in gpus]
            del env[_VISIBLE]
    if env:
        entry.model.fields["env"] = env


def _memory(entry: ModelEntry) -> None:
    words, env = entry.model.words or ["-"], entry.model.fields.get("env", {})
    if can_be_estimated(words, env):
        return
    host = entry.of.host
    need = {} if host.ram is None else {"ram": format_size(host.ram)}
    if need and host.vram is not None and entry.model.fields.get("gpus") != "none":
        need["vram"] = format_size(host.vram)
    entry.say(NOT_RECKONED)
    if need:
        entry.model.fields["memory"] = need
        entry.model.comments["memory"] = TO_MEASURE
    else:
        entry.model.notes.append("memory: say what it needs; until then 8 GiB are assumed")


def _probe(entry: ModelEntry) -> None:
    path = entry.text("checkEndpoint").strip()
    if path == "none":
        entry.model.fields["ready"] = {"tcp": True}
        if find_client(entry.model.words or ()) is not None:
            entry.note("a published port answers before its server does: a path in ready.http is better")
    elif path and path != "/health":
        whole = path if path.startswith("/") else f"/{path}"
        if re.fullmatch(r"/[^\s#]*", whole):
            entry.model.fields["ready"] = {"http": template(whole)}
        else:
            entry.say(f"checkEndpoint {path!r} is no path")


def _times(entry: ModelEntry) -> None:
    ttl = entry.node.get("ttl")
    if ttl.given and ttl.whole is None:
        entry.say(f"ttl {ttl.text!r} is no number of seconds", ttl.at)
    elif ttl.whole is not None and ttl.whole >= 0:
        entry.model.fields["idle_timeout"] = f"{ttl.whole}s"
    limit = entry.node.get("concurrencyLimit").whole
    if limit is not None and limit > 0:
        entry.model.fields["max_inflight"] = min(limit, 1_000_000)
    for key in ("timeouts", "sendLoadingState", "compat"):
        if entry.node.get(key).given:
            entry.say(f"{key} of a model has no counterpart", entry.node.get(key).at)


def _stop(entry: ModelEntry) -> None:
    node = entry.node.get("cmdStop")
    if node.given and node.text.strip():
        stop_of(entry.model, entry.text("cmdStop"), node.at, entry.of.report)
    if (grace := grace_of(entry.node.get("unloadTimeout").whole)) is not None:
        entry.model.fields.setdefault("stop", {})["grace"] = grace
