"""How clients ask for a model, and what becomes of their parameters.

Refuses to know what runs.
"""

from typing import Any

from zoosup.importing.llama_swap.entry import ModelEntry
from zoosup.importing.names import is_name
from zoosup.importing.report import Origin
from zoosup.importing.source import Node
from zoosup.importing.words import serves_mlx, task_of, template

_FILTERS = frozenset({"stripParams", "strip_params", "setParams", "set_params", "setParamsByID"})
_MODEL = "model"


def read_names(entry: ModelEntry) -> None:
    """Its aliases, what it is for, and the name that its server knows."""
    fields, name = entry.model.fields, entry.model.name
    own = fields.get("variants", ())
    aliases: list[str] = []
    for item in entry.node.get("aliases").items or ():
        wanted = entry.expand(item.get("id").text if item.table is not None else item.text, item.at)
        alias = None if wanted in own else entry.of.names.of_alias(wanted, name, item.at)
        aliases += [alias] if alias is not None else []
    if aliases:
        fields["aliases"] = aliases
    said = [each for each in (entry.text("name").strip(), entry.text("description").strip()) if each]
    if said:
        fields["description"] = ": ".join(said)
    if wanted := entry.text("useModelName").strip():
        fields["upstream_model"] = template(wanted)
    elif serves_mlx(entry.model.words or ["-"]):
        fields["upstream_model"] = "default_model"
    if task := _task(entry):
        fields["task"] = task
    for key, what in (("metadata", "is shown nowhere"), ("unlisted", "has no counterpart: it is listed")):
        if entry.node.get(key).given and entry.node.get(key).value is not False:
            entry.say(f"{key} {what}", entry.node.get(key).at)


def _task(entry: ModelEntry) -> str | None:
    found = task_of(entry.model.words or ["-"])
    can = entry.node.get("capabilities")
    out = {item.text for item in can.get("out").items or ()}
    if found is not None or not can.given:
        return found
    return "rerank" if can.get("reranker").truth else "image" if out == {"image"} else None


def read_parameters(entry: ModelEntry) -> None:
    """What is taken out of requests and put into them, and the names that stand for other parameters."""
    filters = entry.node.get("filters")
    entry.unknown_keys(filters, _FILTERS)
    stripped = entry.expand(filters.get("stripParams").text or filters.get("strip_params").text, filters.at)
    names = [each.strip() for each in stripped.split(",")]
    names = [each for each in dict.fromkeys(names) if each and each != _MODEL]
    if names:
        entry.model.fields["strip_params"] = names
    params = _params(filters.get("setParams"))
    by_id = filters.get("setParamsByID")
    variants: dict[str, Any] = {}
    for each in by_id.entries():
        name = entry.expand(each.key, each.at).replace("${MODEL_ID}", entry.id)
        if name == entry.id:
            params |= _params(each.value)
        elif not is_name(name):
            entry.say(f"the name {name!r} can't be one here and is left out", each.at)
        else:
            variants[name] = _params(each.value)
    if params:
        entry.model.fields["set_params"] = params
    if variants:
        _variants(entry, variants, by_id.at)


def _params(node: Node) -> dict[str, Any]:
    found = node.plain()
    if not isinstance(found, dict):
        return {}
    return {key: value for key, value in found.items() if key and key != _MODEL}


def _variants(entry: ModelEntry, variants: dict[str, Any], at: Origin) -> None:
    names = [name for name in variants if entry.of.names.of_alias(name, entry.model.name, at) is not None]
    if names:
        entry.model.fields["variants"] = {name: {"set_params": variants[name]} for name in names}
