"""In how many ways models could stand on a host: another's reckoning than `room`'s, by trying them all."""

from itertools import combinations

from zoosup.core.fleet.placement.room import _share
from zoosup.core.memory.unified import in_ram
from zoosup.core.state.pools import VRAM


def layouts(wanted, free, capacity):
    """Every way in which a model could stand on a host, by another's reckoning: bytes by pool."""
    cards = [pool for pool in capacity if pool.startswith(VRAM)]
    if not cards and (wanted.gpus or wanted.cards):
        return  # cards, of none
    if not cards or not (wanted.vram or wanted.gpus or wanted.cards) or wanted.gpus == 0:
        whole = wanted.ram + (0 if cards or wanted.gpus == 0 else wanted.vram)
        yield {"ram": whole}
        if not cards and wanted.without is not None:
            yield {"ram": wanted.without}
        return
    named = [pool for pool in cards for key in wanted.cards if pool.endswith(f"-{key}")]
    counts = [len(named)] if named else [wanted.gpus] if wanted.gpus else range(1, len(cards) + 1)
    for count in counts:
        for chosen in [named] if named else combinations(cards, count):
            yield {"ram": wanted.ram, **dict.fromkeys(chosen, _share(wanted, count))}
    if wanted.without is not None:
        yield {"ram": wanted.without}


def could_hold(wanted, free, capacity, unified=frozenset()):
    """Whether all of them can stand on a host together in any way at all; what is in `unified` is in RAM as well."""
    order = sorted(wanted, key=lambda each: (-each.vram, -each.ram))
    states = {tuple(sorted(free.items()))}
    for each in order:
        states = {
            tuple(sorted(left.items()))
            for state in states
            for found in layouts(each, dict(state), capacity)
            for way in [in_ram(found, unified)]
            if all((left := {p: n - way.get(p, 0) for p, n in state})[p] >= 0 for p, n in way.items() if n)
        }
    return bool(states)
