"""One installed zoosup and one real engine, with two models of which one fits at a time, for tests of both."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.request import Request, urlopen

import psutil

from tests.containers.engines import RealEngine
from tests.e2e.driver import Zoosup, alive, free_ports

MIB = 1 << 20
HELD = 200 * MIB
ZOO = """\
active: a
budget: {{ram: 500MiB, ram_reserve: 64MiB}}
gateway: {{listen: "127.0.0.1:0"}}
status: {{listen: "127.0.0.1:{status}"}}
defaults:
  memory: {{ram: 300MiB}}
  on_demand: true
  stop: {{grace: 10s}}
models:
  a: {{{a}}}
  b: {{{b}}}
"""


class Box:
    """One zoosup and one engine: `a` and `b` are containers there, by its API or by its client."""

    def __init__(self, zoosup: Callable[..., Zoosup], engine: RealEngine, image: str, by: str) -> None:
        self.engine = engine
        (port,) = free_ports(1)
        words = "--host ${HOST} --port ${PORT} --ram 200MiB --load-time 0.2s"
        if by == "client":
            served = f'command: "{" ".join(engine.client)} run --network host {image} {words}"'
            env = {"env": json.dumps(engine.env)}
            served = f"{served}, env: {env['env']}"
        else:
            served = f'container: {{image: "{image}", args: "{words}", engine: "{engine.address}"}}'
        self.zoo = zoosup(ZOO.format(status=port, a=served, b=served), port)

    def begin(self) -> None:
        self.zoo.start()
        self.zoo.wait_phase("a", "ready")

    def end(self) -> None:
        """Zoosup goes as it is told to, if it hasn't gone; nothing of ours is left in the engine."""
        assert self.zoo.process is not None
        if self.zoo.process.poll() is None:
            assert 0 == self.zoo.terminate(), self.zoo.log.read_text()
        left = [self.engine.cli("inspect", each) for each in self.containers()]
        assert [] == left, f"zoosup has ended and left these: {left}\n{self.zoo.log.read_text()}"

    def containers(self, model: str = "") -> list[str]:
        label = f"label=zoosup.model={model}" if model else "label=zoosup.run"
        return self.engine.cli("ps", "-aq", "--no-trunc", "--filter", label).split()

    def held(self, container: str) -> int:
        """What the processes in it hold, by the operating system."""
        return sum(psutil.Process(pid).memory_info().rss for pid in self.pids(container))

    def pids(self, container: str) -> list[int]:
        found = []
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                try:
                    inside = container in (entry / "cgroup").read_text()
                except OSError:
                    continue
                if inside and alive(int(entry.name)):
                    found.append(int(entry.name))
        return found

    def ask(self, model: str) -> int:
        body = {"model": model, "messages": [{"role": "user", "content": "hello"}], "max_tokens": 3}
        request = Request(
            f"{self.zoo.gateway()}/v1/chat/completions",
            json.dumps(body).encode(),
            {"Content-Type": "application/json"},
        )
        with urlopen(request, timeout=120) as answer:
            json.load(answer)
            return answer.status

    def alone(self, model: str) -> str:
        """The one container there is, which is this model's and holds its memory; its id."""
        (container,) = self.containers()
        assert [container] == self.containers(model)
        assert self.held(container) >= HELD, self.engine.cli("inspect", container)
        return container


@contextmanager
def running_box(zoosup: Callable[..., Zoosup], engine: RealEngine, image: str, by: str) -> Iterator[Box]:
    """A box that is up; in the end nothing of it is left.

    Zoosup goes before its engine is emptied: it would answer that by starting anew.
    """
    box = Box(zoosup, engine, image, by)
    try:
        box.begin()
        yield box
        box.end()
    finally:
        box.zoo.clean_up()
