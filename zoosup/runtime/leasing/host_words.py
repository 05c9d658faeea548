"""What clients are told of models that other hosts have: where they run, and why nobody answers for them.

Pure. Refuses to know which host is whose turn.
"""

from collections.abc import Sequence
from dataclasses import replace

from zoosup.core.fleet.choose import is_weighed
from zoosup.core.fleet.words import Choice, FleetView
from zoosup.core.state.phases import Phase
from zoosup.core.state.refusal import Code, Refusal
from zoosup.runtime.api.listing import ModelCard, Running
from zoosup.runtime.leasing.catalogue import by_kind
from zoosup.runtime.leasing.host_table import HostTable
from zoosup.runtime.leasing.refusals import LOOK_AGAIN
from zoosup.spec.model.model import ModelSpec

AGAIN = 2.0
"""Seconds after which a host that could not be reached may be."""


def among_hosts(card: ModelCard, hosts: HostTable) -> ModelCard:
    """What clients are told of a name where its model runs on another host."""
    model = card.model or card.name
    ready = hosts.row(model).ready
    if not ready or card.phase is Phase.READY or not isinstance(card.spec, ModelSpec):
        return card
    known = hosts.view.hosts[ready[0][1].node].report.models[model]
    running = None if card.model else Running(*by_kind(known.held), None)
    return replace(card, phase=Phase.READY, running=running, load_time=card.load_time or known.load_time)


def runs_nowhere(model: str, placed: Sequence[str], view: FleetView, node: str) -> Refusal:
    """Of an active model on none of the hosts that `node` can reach: `placed` are to run it, or nobody can."""
    if placed:
        said = f"{model} runs on {', '.join(placed)}, which can't be reached from {node} now"
        return Refusal(Code.MODEL_NOT_HERE, said, retry_after=AGAIN)
    if why := view.refusals.get(model):
        return _nowhere(model, f"{model} runs on no host: {why}", view)
    said = f"{model} runs on no host yet, as far as {node} knows"
    return Refusal(Code.MODEL_NOT_HERE, said, retry_after=AGAIN)


def of_choice(model: str, choice: Choice, view: FleetView, node: str) -> Refusal:
    """Of one that nobody was asked for: the host that was chosen can't be reached from `node`, or none can have it."""
    if choice.node:
        said = f"{model} is to run on {choice.node}, which can't be reached from {node} now"
        return Refusal(Code.MODEL_NOT_HERE, said, retry_after=AGAIN)
    return _nowhere(model, f"{model}: {choice.refusal}", view)


def _nowhere(model: str, why: str, view: FleetView) -> Refusal:
    """It lacks memory only where a host that may have it is there."""
    code = Code.INSUFFICIENT_MEMORY if is_weighed(view, model) else Code.MODEL_NOT_HERE
    return Refusal(code, why, retry_after=LOOK_AGAIN)
