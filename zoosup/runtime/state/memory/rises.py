"""What has come free since it was last looked at what everybody holds, pool by pool.

Step by step: a stranger who takes as much at the same time must not hide what a model gives back. Refuses to know who
it was: the next look tells.
"""

from collections.abc import Iterable, Mapping

from zoosup.host.ports.host import PoolReading

STEPS = 64
"""Steps of one pool that are told apart; before these they are one."""


class Rises:
    """By pool id, in bytes. Pools that can't be read for a while are compared with what they were before."""

    def __init__(self) -> None:
        self._free: dict[str, int] = {}
        self._steps: dict[str, list[tuple[float, int]]] = {}  # when each was seen, oldest first

    def sample(self, readings: Iterable[PoolReading], now: float) -> None:
        """Take in one reading of all pools."""
        for reading in readings:
            if reading.available is None:
                continue
            risen = reading.available - self._free.get(reading.id, reading.available)
            self._free[reading.id] = reading.available
            if risen > 0:
                self._add(self._steps.setdefault(reading.id, []), now, risen)

    def looked(self, since: float) -> None:
        """What everybody holds was looked at by a look that began then: what came free before is known."""
        for steps in self._steps.values():
            steps[:] = [step for step in steps if step[0] > since]

    def known(self) -> Mapping[str, int]:
        """Bytes by pool id; pools in which nothing has come free are left out."""
        return {pool: sum(risen for _, risen in steps) for pool, steps in self._steps.items() if steps}

    @staticmethod
    def _add(steps: list[tuple[float, int]], now: float, risen: int) -> None:
        steps.append((now, risen))
        if len(steps) > STEPS:
            (_, first), (at, second), *rest = steps
            steps[:] = [(at, first + second), *rest]
