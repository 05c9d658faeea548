"""What zoosup costs before it touches a process: one pass of judgement, and two commands that start and end."""

import os
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.bench.child_log import ms, run_time
from tests.bench.figures import Figure
from zoosup.core.scheduler.plan import plan
from zoosup.core.state.observed import Model, Observed
from zoosup.core.state.phases import Phase
from zoosup.core.state.pools import Node, Pool
from zoosup.core.state.runs import Run
from zoosup.spec.model.model import ModelSpec
from zoosup.spec.model.zoo import ZooSpec
from zoosup.spec.parse import parse

GIB = 1 << 30
BIN = Path(sys.executable).parent

ENTRY = """\
  model-{i}:
    command: llama-server -m /srv/models/{i}.gguf -c 4096 --host ${{HOST}} --port ${{PORT}}
    port: {port}
    memory: {{ram: {mib}MiB}}
    ready: {{http: /health, deadline: 10m}}
    stop: {{grace: 30s}}
"""


def zoo_text(declared: int, active: Sequence[str]) -> str:
    """A zoo.yaml of many models as people write them."""
    entries = (ENTRY.format(i=i, port=20000 + i, mib=1000 + i) for i in range(declared))
    return f"active: [{', '.join(active)}]\nbudget: {{ram: 220GiB}}\nmodels:\n{''.join(entries)}"


def judgement(short: bool, folder: Path) -> Iterator[Figure]:
    """plan() for 1,000 declared and 200 running models, 20 more waiting for memory."""
    del folder
    names = [f"model-{i}" for i in range(1000)]
    spec = parse(zoo_text(1000, names[:220]), path="zoo.yaml", environ={})
    observed = _observed(spec, set(names[:200]))
    samples, walks = [], []
    for _ in range(50 if short else 300):
        before = time.perf_counter_ns()
        answer = plan(spec, observed)
        samples.append(ms(before, time.perf_counter_ns()))
        before = time.perf_counter_ns()
        _walk(spec, observed)
        walks.append(ms(before, time.perf_counter_ns()))
    running = [a for a in answer.actions if getattr(a, "model", "") in set(names[:200])]
    assert not running, f"a settled host was touched: {running[:3]}"
    yield Figure("plan(), 1,000 declared, 200 running", "ms", samples, 10, {"one look at each model": walks})


def _observed(spec: ZooSpec, running: set[str]) -> Observed:
    models = {n: _running(n, m) if n in running else Model(n) for n, m in spec.models.items()}
    held = sum(m.run.reserved["ram"] for m in models.values() if m.run)
    total = 256 * GIB
    pool = Pool("local", "ram", "ram", "RAM", total, total - held, 220 * GIB, 8 * GIB)
    return Observed(now=1000.0, nodes=(Node("local", (pool,)),), models=models)


def _running(name: str, spec: ModelSpec) -> Model:
    assert not isinstance(spec.memory, str)
    assert isinstance(spec.port, int)
    need = {"ram": spec.memory.ram}
    run = Run(
        id=f"run-{name}", node="local", spec=spec, port=spec.port, reserved=need, booked_at=0.0, started_at=0.0,
        pid=1000 + spec.port, ready_at=1.0, ready_since=1.0, measured=need, peak=need,
    )  # fmt: skip
    return Model(name, phase=Phase.READY, reason="", run=run)


def _walk(spec: ZooSpec, observed: Observed) -> int:
    return sum(m.run is not None and m.run.spec is spec.models[n] for n, m in observed.models.items())


def commands(short: bool, folder: Path) -> Iterator[Figure]:
    """`zoosup --version` and `zoosup check` of 100 models, beside a Python that does nothing."""
    rounds = 5 if short else 20
    file = folder / "zoo.yaml"
    file.write_text(zoo_text(100, ["model-0"]))
    os.environ["ZOOSUP_STATE_DIR"] = str(folder / "state")
    zoosup = str(BIN / "zoosup")
    run_time([zoosup, "check", str(file)], 1)  # the first compiles what was installed
    floor = {"python -c pass": run_time([sys.executable, "-c", "pass"], rounds)}
    yield Figure("zoosup --version", "ms", run_time([zoosup, "--version"], rounds), 150, floor)
    yield Figure("zoosup check, 100 models", "ms", run_time([zoosup, "check", str(file)], rounds), 400, floor)
