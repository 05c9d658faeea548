"""GPUs without memory of their own: what is promised on one, or held there, stands in RAM as well, and counts once.

What a run is booked with, holds and has shown is kept apart for each pool: its RAM is what it has beside its GPUs, as
it is declared, estimated and learned. Only where a pool of RAM is summed does the GPU's part come on top. Pure
arithmetic; bytes by pool id.
"""

from collections.abc import Mapping, Set as AbstractSet


def in_ram(amounts: Mapping[str, int], unified: AbstractSet[str]) -> Mapping[str, int]:
    """The same amounts, with those in the pools of `unified` in RAM as well."""
    shared = sum(amount for pool, amount in amounts.items() if pool in unified)
    return {**amounts, "ram": amounts.get("ram", 0) + shared} if shared else amounts
