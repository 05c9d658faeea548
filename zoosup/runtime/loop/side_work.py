"""What goes on beside the turns: probes, looks at loads, scales of adapters, weights that are read ahead.

Each turn tells it whom to follow; what it finds comes back as messages. Refuses to decide.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping

from zoosup.core.scheduler.plan import Plan
from zoosup.core.state.observed import Observed
from zoosup.core.state.runs import Run
from zoosup.host.ports.host import Host, Warmed
from zoosup.host.ports.probes import Endpoint
from zoosup.runtime.operations.lora_scales import LoraScales
from zoosup.runtime.operations.prewarm import Prewarmer, in_words
from zoosup.runtime.operations.probes.external_probes import ExternalProbes
from zoosup.runtime.operations.probes.load_watch import LoadWatch
from zoosup.runtime.operations.probes.probes import ProbeTarget, ProbeTasks, is_probed
from zoosup.runtime.state.inbox import Inbox
from zoosup.runtime.state.zoo import Zoo
from zoosup.spec.model.model import ModelSpec


class SideWork:
    """Of one host. `where` tells how a run is reached; `restore` gives it its sessions before it counts as ready."""

    def __init__(
        self,
        host: Host,
        zoo: Zoo,
        inbox: Inbox,
        where: Callable[[Run], tuple[Endpoint, Mapping[str, str]]],
        restore: Callable[[str, Run, ModelSpec], Awaitable[None]],
    ) -> None:
        self._zoo = zoo
        self._prewarmer = Prewarmer(host.warmer, self._note_prewarmed)
        self._probes = ProbeTasks(host.prober, zoo.clock, inbox.post, where, restore)
        self._load_watch = LoadWatch(host.processes, host.logs, zoo.clock, inbox.post)
        self._lora_scales = LoraScales(host.prober, inbox.post, where, self._note_scales)
        self._external_probes = ExternalProbes(host.prober, zoo, inbox.wake)

    @property
    def prewarming(self) -> bool:
        """Whether anybody's weights are being read because they are likely to be asked for."""
        return self._prewarmer.reading

    def prewarm(self, observed: Observed, decided: Plan, likeliest: Iterable[str]) -> None:
        """Read the weights of whoever is next, and note what is in memory of them."""
        self._prewarmer.follow(self._zoo.spec, observed, decided, likeliest)
        self._zoo.warm = self._prewarmer.warm()

    def follow(self) -> None:
        """Probe and watch exactly the runs and the servers elsewhere that there are now."""
        targets = self._probe_targets()
        self._probes.follow(targets)
        self._load_watch.follow(self._zoo.live())
        self._lora_scales.follow(targets)
        self._external_probes.follow()

    async def close(self) -> None:
        """End all of it."""
        self._prewarmer.close()
        await self._probes.close()
        await self._load_watch.close()
        await self._lora_scales.close()
        await self._external_probes.close()

    def _probe_targets(self) -> list[ProbeTarget]:
        models = self._zoo.spec.models
        return [
            ProbeTarget(m.name, run, models.get(m.name, run.spec))
            for m, run in self._zoo.live()
            if is_probed(m)
        ]

    # what the journal is told

    def _note_prewarmed(self, model: str, done: Warmed) -> None:
        if not (done.read or done.problem):
            return  # it was all there already, or there is nothing that could be
        data = {"read": done.read, "there": done.there, "seconds": round(done.seconds, 3)}
        self._zoo.journal.add("Prewarmed", model, "ReadAhead", in_words(done), data)

    def _note_scales(self, model: str, scales: str) -> None:
        self._zoo.journal.add("Applied", model, "LoraScales", f"its LoRA adapters have the scales {scales}")
