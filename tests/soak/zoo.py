"""The zoo under soak, and the things that are done to it over and over: edits, crashes, restarts by hand.

Light children come and go in two sets, a demonstration server is killed now and then, and a steady one must never
be touched. Knows how to do each and how to see that it is done; not what it costs.
"""

import json
import os
import signal
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.bench.child_log import command
from tests.e2e.driver import Zoosup, free_ports
from zoosup.cli.client import Client
from zoosup.host.storage.paths import control_socket

OBSERVED = Path(__file__).with_name("instrumented_zoosup.py")

HEAD = """\
active: [steady, demo, {active}]
budget: {{ram: 8GiB, ram_reserve: 64MiB}}
status: {{listen: "127.0.0.1:{port}"}}
gateway: false
defaults:
  memory: {{ram: 24MiB}}
  stop: {{grace: {grace}s}}
  restart: {{initial: 10ms, max: 10ms, factor: 1}}
models:
"""
MODEL = """\
  {name}: {{command: {words}}}
"""


class Soaked:
    """A running zoosup and how many runs it has begun."""

    def __init__(self, zoo: Zoosup, sets: Sequence[Sequence[str]]) -> None:
        self.zoo = zoo
        self.cycles = 0
        self._sets = list(sets)
        self._grace = 10
        self._client = Client(control_socket(zoo.state))
        self._steady = zoo.pid("steady")

    @property
    def models(self) -> int:
        """How many run when nothing is under way."""
        return len(self._sets[0]) + 2

    def turn(self, number: int) -> None:
        """One of each: a switch of sets, crashes, a restart by hand, an edit that touches nothing."""
        self.switch()
        self.crash(self._sets[0][:2] if number % 5 else [*self._sets[0][:2], "demo"])
        self.restart(self._sets[0][-1])
        self.live_edit()
        if number % 3 == 0:
            self.slip()

    def switch(self) -> None:
        """Edit `active` from one set to the other; both fit, so that the new ones start beside the old."""
        old, new = self._sets
        self.zoo.edit((", ".join(old), ", ".join(new)))
        self._sets = [new, old]
        self._settle("the switch of sets", lambda m: all(m[n]["phase"] == "stopped" for n in old))
        self.cycles += len(new)

    def crash(self, names: Sequence[str]) -> None:
        """SIGKILL these, and wait until others have taken their places."""
        models = self.zoo.status()["models"]
        before = {name: models[name]["pid"] for name in names}
        for pid in before.values():
            os.kill(pid, signal.SIGKILL)
        self._settle("the restart of the killed", lambda m: all(m[n]["pid"] != p for n, p in before.items()))
        self.cycles += len(names)

    def restart(self, name: str) -> None:
        """Restart one by hand, over the control socket."""
        before = self.zoo.pid(name)
        self._client.post("models", name, "restart")
        self._settle("the restart by hand", lambda m: m[name]["pid"] != before)
        self.cycles += 1

    def live_edit(self) -> None:
        """Change the grace of all; no process may feel it."""
        old, self._grace = self._grace, 19 - self._grace
        before = self.zoo.status()["config"]["generation"]
        self.zoo.edit((f"grace: {old}s", f"grace: {self._grace}s"))
        self.zoo.wait(lambda s: s["config"]["observed_generation"] > before, "the live edit")

    def slip(self) -> None:
        """Save a broken file, and the good one again."""
        self.zoo.edit(("\nmodels:\n", "\nmodel:\n"))
        self.zoo.wait(lambda s: s["config"]["error"], "the slip of the pen")
        self.zoo.edit(("\nmodel:\n", "\nmodels:\n"))
        self.zoo.wait(lambda s: not s["config"]["error"], "its correction")

    def settle(self) -> None:
        """Wait until nothing is under way; the steady one has to be who it was."""
        self._settle("the zoo to settle", lambda _: True)
        assert self._steady == self.zoo.pid("steady"), "the steady model was touched"

    def _settle(self, what: str, also: Any) -> None:
        wanted = [*self._sets[0], "demo", "steady"]

        def settled(status: Mapping[str, Any]) -> bool:
            models = status["models"]
            return all(models[name]["phase"] == "ready" for name in wanted) and also(models)

        self.zoo.wait(settled, what)


@contextmanager
def soaked(folder: Path, light: int) -> Iterator[Soaked]:
    """Run a zoo with two sets of `light` children each until the block ends."""
    sets = [[f"{letter}{i}" for i in range(light)] for letter in "xy"]
    port = free_ports(1)[0]
    text = HEAD.format(active=", ".join(sets[0]), port=port, grace=10)
    tiny = json.dumps(command(Path(os.devnull), "${PORT}"))
    for name in (*sets[0], *sets[1], "steady"):
        text += MODEL.format(name=name, words=tiny)
    demo = [sys.executable, "-m", "zoosup.demo", "--host", "${HOST}", "--port", "${PORT}"]
    text += MODEL.format(name="demo", words=json.dumps(demo))
    zoo = Zoosup(
        folder,
        text,
        port,
        (sys.executable, "-P", str(OBSERVED), str(folder), "run", str(folder / "zoo.yaml")),
    )
    # glibc gives each thread an arena of its own, which keeps the most that the thread has ever needed: some 2 MiB more
    # whenever another thread of a pool gets a large task for the first time. With one arena, memory tells of leaks.
    zoo.env["MALLOC_ARENA_MAX"] = "1"
    zoo.start()
    try:
        for name in (*sets[0], "demo", "steady"):
            zoo.wait_phase(name, "ready")
        made = Soaked(zoo, sets)
        made.cycles = made.models
        yield made
        assert zoo.terminate() == 0, "zoosup did not end in good order"
    finally:
        zoo.clean_up()
