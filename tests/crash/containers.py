"""The models of a case as containers of a real engine, made by its API or by its client; and what that engine has.

Knows the words for both. Refuses to ask zoosup which container is whose: the token in its command says so.
"""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.containers.engines import RealEngine, running
from tests.containers.images import DEMO, PYTHON, TINY, demo_changes, demo_root, tiny_root

HERE = Path(__file__).parent
VOLUMES = (f"{HERE}:/crash:ro", "/bin/sleep:/bin/sleep:ro")
"""The model, and what its helper is."""

STRANGER = "zoo-stranger"


class Containers:
    """How models of many cases are served in one engine; `by` is "api" or "client"."""

    def __init__(self, engine: RealEngine, by: str) -> None:
        self.engine = engine
        self.by = by

    def served(self, token: str, model: str) -> list[str]:
        """The lines of zoo.yaml that say so. By command its name is the same at every start."""
        words = ["-IS", "/crash/model.py", token, model, "${PORT}"]
        if self.by == "api":
            container = {"image": DEMO, "engine": self.engine.address, "args": words, "volumes": VOLUMES}
            return [f"    container: {json.dumps(container | {'options': {'entrypoint': str(PYTHON)}})}"]
        options = ["--name", f"zoo-{token}-{model}", "--network", "host", "--entrypoint", str(PYTHON)]
        options += [word for each in VOLUMES for word in ("-v", each)]
        command = [*self.engine.client, "run", *options, DEMO, *words]
        return [f"    command: {json.dumps(command)}", f"    env: {json.dumps(self.engine.env)}"]

    def of(self, token: str) -> list[tuple[str, bool]]:
        """All that the engine has of a case: which model, and whether it runs."""
        lines = self.engine.cli(
            "ps", "-a", "--no-trunc", "--format", "{{.Status}}: {{.Command}}"
        ).splitlines()
        found = re.compile(rf"(\w+).*: .*/crash/model\.py {token} (\w+) ")
        return sorted((m[2], m[1] == "Up") for m in map(found.match, lines) if m)

    def settle_a_stranger(self) -> None:
        """One that is of another zoosup, by its labels, and that nobody here may touch."""
        labels = ("--label", "zoosup.run=ffffffff-0123456789abcdef", "--label", "zoosup.instance=ffffffff")
        words = ("run", "-d", "--name", STRANGER, "--network", "host", *labels, TINY, "sleep", "0")
        self.engine.cli(*words)

    def stranger_lives(self) -> bool:
        """Whether it runs on."""
        return STRANGER in self.engine.cli("ps", "--format", "{{.Names}}").split()

    def sweep(self, token: str) -> None:
        """Remove what is left of a case."""
        lines = self.engine.cli("ps", "-a", "--no-trunc", "--format", "{{.ID}} {{.Command}}").splitlines()
        for line in lines:
            if f" {token} " in line:
                self.engine.cli("rm", "-f", line.split()[0], check=False)


@contextmanager
def in_own_engine(name: str, by: str) -> Iterator[Containers]:
    """Containers of a private engine; NoEngineError and NoImageError say why there can be none."""
    with running(name) as engine:
        engine.import_image(tiny_root(engine.home), TINY, 'ENTRYPOINT ["/tiny"]')
        engine.import_image(demo_root(engine.home), DEMO, *demo_changes())
        containers = Containers(engine, by)
        containers.settle_a_stranger()
        yield containers
