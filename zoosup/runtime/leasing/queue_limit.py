"""How many clients may wait: `gateway.max_queue` together, and for each model its equal share, whatever others take.

So at most about twice as many wait, and no model's clients are kept out by those of another. Refuses to know who waits.
"""

from math import ceil

from zoosup.core.scheduler.demand import gateway
from zoosup.spec.model.zoo import ZooSpec


def is_full(spec: ZooSpec, waiting: int, own: int) -> bool:
    """Whether one more client is one too many where `waiting` wait, `own` of them for its model."""
    most = gateway(spec).max_queue
    share = ceil(most / max(1, len(spec.models)))
    return waiting >= most and own >= share
