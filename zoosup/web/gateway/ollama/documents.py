"""What the gateway itself tells Ollama's clients: which models there are, which of them run, what each can do.

Knows what is known of models to all clients; refuses to know who asks. Names are those of zoo.yaml, with no `:latest`
put behind them; `digest` is no file's, but changes where the weights do.
"""

import hashlib
from collections.abc import Iterable
from typing import Any

from zoosup.core.estimation.servers.command_line import understand
from zoosup.runtime.api.listing import ModelCard
from zoosup.spec.model.model import ModelSpec, Task
from zoosup.web.gateway.ollama.answers import Document, stamp
from zoosup.web.wire import as_json

VERSION = "0.12.11"
"""The release of Ollama whose API this is, as far as it goes; clients ask whether it is new enough for them."""

_FOR_EVER = 292 * 365 * 86400.0
"""Seconds until what never leaves by itself is said to leave: what Ollama says of `keep_alive` -1."""

_TEXTS = frozenset({None, Task.CHAT, Task.EMBED})


def tags(cards: Iterable[ModelCard], *, aliases: bool) -> bytes:
    """All that can be asked here; aliases as entries of their own where that is wanted."""
    models = [
        {"name": name, "model": name, "modified_at": stamp(card.created), **_known(card)}
        for card in cards
        if card.spec.task in _TEXTS
        for name in (card.name, *(_aliases(card) if aliases else ()))
    ]
    return as_json({"models": models})


def running(cards: Iterable[ModelCard], now: float) -> bytes:
    """Those that run; `now` is wall time."""
    return as_json({"models": [_running(card, now) for card in cards if card.running is not None]})


def show(card: ModelCard) -> bytes:
    """One model."""
    length = card.context_length
    kind = _architecture(card) or "unknown"
    info: Document = {"general.architecture": kind, "general.basename": card.name}
    if length is not None:
        info[f"{kind}.context_length"] = length
    return as_json(
        {
            "license": "",
            "modelfile": f"# {card.name} is a model of zoosup, which has no Modelfiles: it stands in zoo.yaml\n",
            "parameters": "" if length is None else f"num_ctx {length}",
            "template": "",
            "details": _details(card),
            "model_info": info,
            "capabilities": _capabilities(card),
            "modified_at": stamp(card.created),
        }
    )


def _running(card: ModelCard, now: float) -> Document:
    run = card.running
    assert run is not None  # noqa: S101 - or it is not asked
    until = now + _FOR_EVER if run.until is None else run.until
    known = _known(card) | {"size": run.ram + run.vram, "size_vram": run.vram, "expires_at": stamp(until)}
    if card.context_length is not None:
        known["context_length"] = card.context_length
    return {"name": card.name, "model": card.name, **known}


def _known(card: ModelCard) -> Document:
    size, changed = (card.weights.size, card.weights.changed) if card.weights is not None else (0, 0)
    digest = hashlib.sha256(f"{card.model or card.name} {size} {changed}".encode()).hexdigest()
    return {"size": size, "digest": digest, "details": _details(card)}


def _details(card: ModelCard) -> dict[str, Any]:
    kind = _architecture(card)
    return {
        "parent_model": card.model,
        "format": card.weights.format if card.weights is not None else "",
        "family": kind,
        "families": [kind] if kind else [],
        "parameter_size": "",
        "quantization_level": "",
    }


def _architecture(card: ModelCard) -> str:
    found = card.weights.metadata.get("general.architecture") if card.weights is not None else None
    return found if isinstance(found, str) else ""


def _capabilities(card: ModelCard) -> list[str]:
    """Whether tools are of use is the model's template's business, which is not read: they are never refused."""
    if card.spec.task is Task.EMBED:
        return ["embedding"]
    server = understand(card.spec) if isinstance(card.spec, ModelSpec) else None
    return ["completion", "tools", *(["vision"] if server is not None and server.mmproj else [])]


def _aliases(card: ModelCard) -> tuple[str, ...]:
    return () if card.model else card.spec.aliases
