"""Which state of the file is in force among the hosts: the highest generation, of two with one number the later epoch.

A host that has edited what is in force makes the next generation. One that comes back with an old text is told so, and
so is one whose edit is of a text that was in force longer ago than a lease: nobody's work is undone by a host that was
away. Of two that edit at once the one heard last wins. Times are seconds. Knows no lease and no assignment.
"""

from dataclasses import replace

from zoosup.core.fleet.words import FleetSpec


class Generations:
    """The states of the file that this life of the controller has seen."""

    def __init__(self) -> None:
        self.spec = FleetSpec()
        """What is in force."""
        self._epoch = 0
        self._seen: dict[str, int] = {}  # the last generation of each text, by digest
        self._since: list[tuple[float, int]] = []  # from when on which generation has been in force

    def learn(self, spec: FleetSpec, epoch: int) -> bool:
        """Take what a host says that an earlier controller has numbered; whether it is in force now."""
        if (
            not spec.digest
            or not spec.generation
            or (spec.generation, epoch) <= (self.spec.generation, self._epoch)
        ):
            return False
        if spec.digest == self.spec.digest and spec.generation == self.spec.generation:
            return False
        self._enforce(spec, spec.generation, epoch, float("-inf"))  # nobody knows since when
        return True

    def edit(self, spec: FleetSpec, epoch: int, now: float, *, abandoned: bool = False) -> bool:
        """Take what a host says that nobody has numbered; whether it is in force now.

        `abandoned`: no host has what is in force any more, so that whatever is new takes its place.
        """
        if not spec.digest or spec.generation or spec.digest == self.spec.digest:
            return False
        if not abandoned:
            if spec.base < self._seen.get(spec.digest, 0):
                return False  # that edit has been taken already
            if spec.base < self._a_lease_ago(now):
                return False
        self._enforce(spec, max(self.spec.generation, spec.base) + 1, epoch, now)
        return True

    def reach(self, generation: int) -> None:
        """Number what is in force no lower than what some host has obeyed: it would not obey this any more."""
        if generation > self.spec.generation and self.spec.digest:
            self.spec = replace(self.spec, generation=generation)
            self._seen[self.spec.digest] = generation

    def is_old(self, spec: FleetSpec) -> bool:
        """Whether a host's file is another than the one in force."""
        return bool(spec.digest) and spec.digest != self.spec.digest

    def _enforce(self, spec: FleetSpec, generation: int, epoch: int, since: float) -> None:
        self.spec = replace(spec, generation=generation, base=0)
        self._epoch = epoch
        self._seen[spec.digest] = generation
        self._since.append((since, generation))
        self._since = self._since[-64:]

    def _a_lease_ago(self, now: float) -> int:
        """The generation that was in force then; what is based on it was edited as others were."""
        then = now - self.spec.lost_after
        earlier = [generation for since, generation in self._since if since <= then]
        return earlier[-1] if earlier else 0
