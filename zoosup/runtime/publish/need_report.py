"""What a model needs as JSON-ready data, term by term: for `GET /status`, `zoosup plan` and `zoosup estimate`.

Knows no model's state.
"""

from functools import lru_cache
from typing import Any

from zoosup.core.estimation import need as estimate
from zoosup.core.estimation.derived import Term
from zoosup.core.state.pools import VRAM
from zoosup.core.state.weights import WeightFacts
from zoosup.runtime.state.zoo import Zoo


@lru_cache(maxsize=1024)  # built for every model at every pass, and hardly ever another
def terms_of(terms: tuple[Term, ...], kind: str) -> list[dict[str, Any]]:
    """What a need is the sum of; of memory on GPUs, whichever they are. Shared: never to be changed."""
    return [{"name": t.name, "amount": t.amount, "how": t.how} for t in terms if t.pool == kind]


def need_data(need: estimate.Need) -> dict[str, Any]:
    """A need as JSON-ready data, its terms among it."""
    terms = [{"name": t.name, "amount": t.amount, "how": t.how, "pool": t.pool} for t in need.terms]
    amounts = {**need.amounts, **_of_gpus(need)}
    return {
        "amounts": amounts,
        "source": need.source,
        "note": need.note,
        "certain": need.certain,
        "terms": terms,
    }


def estimate_data(model: str, need: estimate.Need, weights: WeightFacts | None) -> dict[str, Any]:
    """A need with the name it is known by, and beside it what is needed where there are GPUs, if that differs."""
    located = weights.located if weights is not None else ()
    found = {"model": model, "weights": {name: there.path for name, there in located}, **need_data(need)}
    if need.on_gpus is not None:
        found["on_gpus"] = {"model": model, **need_data(need.on_gpus)}
    return found


def _of_gpus(need: estimate.Need) -> dict[str, int]:
    """Of a model that isn't booked yet nobody knows on which GPU its part for GPUs will be."""
    return {"vram": need.whole_vram} if need.whole_vram and need.certain else {}


def unplaced(zoo: Zoo, need: estimate.Need) -> dict[str, int]:
    """Bytes that a model without a run needs, by pool; nobody knows yet on which GPU."""
    on_host = need.on_gpus or need if has_gpus(zoo) else need
    return {**on_host.amounts, **_of_gpus(on_host)}


def has_gpus(zoo: Zoo) -> bool:
    """Whether this host has pools of GPU memory."""
    return any(pool.id.startswith(VRAM) for pool in zoo.memory.pools())
