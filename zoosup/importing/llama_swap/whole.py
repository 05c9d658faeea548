"""A llama-swap file, or several that it is given together, as one draft.

Refuses to know how a single model is read.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from zoosup.importing.draft import Draft, Host, Model, grace_of
from zoosup.importing.llama_swap.entry import Reading
from zoosup.importing.llama_swap.macros import Macros, texts_of
from zoosup.importing.llama_swap.model import read_model
from zoosup.importing.names import Names
from zoosup.importing.report import Report
from zoosup.importing.source import Entry, Node, read_yaml
from zoosup.importing.words import template

_LEAST_DEADLINE = 15
_SILENT = frozenset(
    {
        "models", "macros", "logLevel", "logTimeFormat", "logToStdout", "metricsMaxInMemory", "captureBuffer",
        "startPort",
        "includeAliasesInList", "healthCheckTimeout", "globalTTL", "sendLoadingState", "apiKeys", "hooks", "groups",
        "matrix", "routing", "peers", "unloadTimeout",
    }
)  # fmt: skip
"""Keys that are carried over, or that nothing here depends on."""

_NO_COUNTERPART = frozenset(
    {"profiles", "selectors", "store", "performance", "requestTimeout", "ui", "upstream"}
)
_LISTEN = "llama-swap listens on all addresses; here only this host may connect. For others: gateway.listen, api_keys."


@dataclass(frozen=True, slots=True)
class Given:
    """One file: its name, its text, and the directory in which its relative paths begin."""

    name: str
    text: str
    directory: str


def import_llama_swap(files: Sequence[Given], report: Report, host: Host) -> Draft:
    """Read the files as one; a model or a macro that stands in two of them is the last one's."""
    roots = [read_yaml(each.text, each.name, report) for each in files]
    texts: dict[str, str] = {}
    for root in roots:
        texts |= texts_of(root.get("macros"))
    reading = Reading(report, Names(report), Macros(texts, report), host, files[0].directory)
    draft = Draft(
        head=[f"From {', '.join(each.name for each in files)}, by zoosup import llama-swap.", _LISTEN]
    )
    named: dict[str, tuple[str, Entry, str]] = {}
    for root, file in zip(roots, files, strict=True):
        _unknown(root, report)
        for entry in root.get("models").entries():
            if entry.key in named:
                report.add(
                    entry.at, f"{entry.key} stands in {named[entry.key][1].at} already; this one counts"
                )
                named[entry.key] = (named[entry.key][0], entry, file.directory)
            else:
                named[entry.key] = (reading.names.of_model(entry.key, entry.at), entry, file.directory)
    for name, entry, directory in named.values():
        reading.directory = directory
        draft.models.append(read_model(entry, name, reading))
    for root in roots:
        _shared(root, draft, report)
        _gateway(root, draft, report)
    ids = {wanted: name for wanted, (name, _, _) in named.items()}
    for root in roots:
        _hooks(root, ids, draft, report)
        _groups(root, ids, draft, report)
        _peers(root, draft, reading)
    return draft


def _unknown(root: Node, report: Report) -> None:
    for entry in root.entries():
        if entry.key in _NO_COUNTERPART and entry.value.given:
            report.add(entry.at, f"{entry.key} has no counterpart")
        elif entry.key not in _SILENT | _NO_COUNTERPART and not entry.key.startswith("x-"):
            report.add(entry.at, f"{entry.key} is no key of llama-swap's, which passes over it as well")


def _shared(root: Node, draft: Draft, report: Report) -> None:
    """What all models have: on demand, and as long as llama-swap would keep them."""
    draft.defaults["on_demand"] = True
    ttl = root.get("globalTTL").whole
    if ttl is not None or "idle_timeout" not in draft.defaults:
        draft.defaults["idle_timeout"] = f"{max(0, ttl or 0)}s"
    timeout = root.get("healthCheckTimeout")
    if timeout.whole is not None:
        draft.defaults["ready"] = {"deadline": f"{max(_LEAST_DEADLINE, timeout.whole)}s"}
    elif timeout.given:
        report.add(timeout.at, f"healthCheckTimeout {timeout.text!r} is no number of seconds")
    if (grace := grace_of(root.get("unloadTimeout").whole)) is not None:
        draft.defaults["stop"] = {"grace": grace}


def _gateway(root: Node, draft: Draft, report: Report) -> None:
    gateway = draft.top.get("gateway", {})
    if root.get("sendLoadingState").truth:
        gateway["loading"] = "reasoning"
    keys = root.get("apiKeys")
    found = [template(item.text, outside=True) for item in keys.items or () if item.text]
    if found:
        gateway["api_keys"] = [*gateway.get("api_keys", ()), *found]
        if not all(key.startswith("${env.") for key in found):
            report.add(keys.at, "keys stand in the file as they are; ${env.ZOO_KEY} keeps them out of it")
    if gateway:
        draft.top["gateway"] = gateway


def _hooks(root: Node, ids: dict[str, str], draft: Draft, report: Report) -> None:
    """What is loaded at the start is active: it runs, and makes room for others while it is idle."""
    for item in root.get("hooks").get("on_startup").get("preload").items or ():
        name = _resolved(item.text, ids, draft)
        if name is None:
            report.add(item.at, f"hooks: {item.text!r} is no model that could be carried over")
        elif name not in draft.active:
            draft.active.append(name)


def _resolved(wanted: str, ids: dict[str, str], draft: Draft) -> str | None:
    name = ids.get(wanted, wanted)
    if draft.named(name) is not None:
        return name
    also = (
        each.name
        for each in draft.models
        if isinstance(each, Model)
        and (wanted in each.fields.get("aliases", ()) or wanted in each.fields.get("variants", ()))
    )
    return next(also, None)


def _groups(root: Node, ids: dict[str, str], draft: Draft, report: Report) -> None:
    """Groups and matrix stand for what memory allows: here it is memory that decides; what they said is a comment."""
    router, scheduler = (root.get("routing").get(key) for key in ("router", "scheduler"))
    if scheduler.get("settings").given:
        report.add(scheduler.at, "the scheduler has no counterpart: who waits is served in order")
    for groups in (root.get("groups"), router.get("settings").get("groups"), router.get("groups")):
        for entry in groups.entries():
            _group(entry, ids, draft, report)
    for matrix in (root.get("matrix"), router.get("settings").get("matrix"), router.get("matrix")):
        if matrix.given:
            report.add(matrix.at, "the matrix is a comment now: memory decides what runs together")
            draft.head += [
                "The matrix of llama-swap said what may run together; here memory decides. It was:"
            ]
            draft.head += [f"  {line}" for line in _lines(matrix)]


def _group(entry: Entry, ids: dict[str, str], draft: Draft, report: Report) -> None:
    node = entry.value
    swap = node.get("swap").value is not False
    exclusive, persistent = node.get("exclusive").value is not False, node.get("persistent").truth
    members = [item.text for item in node.get("members").items or ()]
    said = [
        "one at a time" if swap else "all together",
        "alone" if exclusive else "beside other groups",
        *(["kept"] if persistent else []),
    ]
    draft.head.append(
        f"Group {entry.key} of llama-swap ({', '.join(said)}): {', '.join(members) or 'nobody'}."
    )
    report.add(entry.at, f"the group {entry.key} is a comment now: memory decides what runs together")
    for item in node.get("members").items or ():
        name = _resolved(item.text, ids, draft)
        model = draft.named(name) if name is not None else None
        if model is None:
            report.add(
                item.at, f"{item.text!r} in the group {entry.key} is no model that could be carried over"
            )
        elif persistent and model.name in draft.active:
            model.fields["on_demand"] = False
            model.comments["on_demand"] = "llama-swap kept it once it was loaded"


def _peers(root: Node, draft: Draft, reading: Reading) -> None:
    """Other servers with models of their own: a model that is elsewhere, with their names, its key for the client's."""
    for entry in root.get("peers").entries():
        node = entry.value
        url, key = (reading.macros.expand(node.get(name).text, node.at) for name in ("proxy", "apiKey"))
        names = [item.text for item in node.get("models").items or ()]
        name = reading.names.of_model(entry.key, entry.at)
        known = (reading.names.of_alias(each, name, entry.at) for each in names if each != name)
        external: dict[str, Any] = {"url": template(url, outside=True)}
        if key:
            external["api_key"] = template(key, outside=True)
        external["models"] = [*(each for each in names if each == name), *(each for each in known if each)]
        draft.models.append(Model(name, entry.at, {"external": external}))
        for each in node.entries():
            if each.key not in {"proxy", "apiKey", "models"}:
                reading.report.add(each.at, f"{each.key} of the peer {entry.key} can't be carried over")


def _lines(node: Node, depth: int = 0) -> Iterator[str]:
    for entry in node.entries():
        if entry.value.table is not None:
            yield f"{'  ' * depth}{entry.key}:"
            yield from _lines(entry.value, depth + 1)
        else:
            value = ", ".join(item.text for item in entry.value.items or ()) or " ".join(
                entry.value.text.split()
            )
            yield f"{'  ' * depth}{entry.key}: {value}"
