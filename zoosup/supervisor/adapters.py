"""This host's adapters, opened and closed together, and what else zoosup takes from the machine it is on."""

import asyncio
import contextlib
import os
import platform
import sys
import time
from collections.abc import AsyncIterator, Callable
from functools import partial
from pathlib import Path

from zoosup.core.state.runs import Exit
from zoosup.host.config.file_watcher import ConfigWatch
from zoosup.host.fetching.background import Fetches
from zoosup.host.memory.gauge import HostGauge
from zoosup.host.memory.gpus import Gpus
from zoosup.host.memory.ram import RamGauge
from zoosup.host.ports.host import Host
from zoosup.host.preflight.inspector import HostInspector
from zoosup.host.preflight.llama_fit_params import PATIENCE, FitParams
from zoosup.host.preflight.weight_look import WeightLook
from zoosup.host.probes import port_owner
from zoosup.host.probes.prober import HttpProber
from zoosup.host.process.processes import Processes
from zoosup.host.process.table.identity import boot_session
from zoosup.host.runs.engines import Engines
from zoosup.host.runs.preflight import ContainerPreflight
from zoosup.host.runs.runs import Runs
from zoosup.host.sessions.sessions import SlotSessions
from zoosup.host.storage.model_logs import ModelLogs
from zoosup.host.storage.run_records import RecordDirectory
from zoosup.host.storage.state_dir import StateDirectory
from zoosup.host.system import descriptors
from zoosup.host.system.sd_notify import without_init_variables
from zoosup.host.weights import caches
from zoosup.host.weights.page_cache import PageWarmer
from zoosup.host.weights.reader import WeightReader
from zoosup.runtime.clock import Clock

GPU_LIST_TIMEOUT = 5.0
"""Seconds that a start-up waits for the GPUs to be listed: NVML takes its time where nothing keeps the driver awake."""


def node_name() -> str:
    """The name of this host."""
    return platform.node() or "localhost"


def system_clock() -> Clock:
    """The time of this host."""
    return Clock(now=time.monotonic, wall=time.time, boot=boot_session())


def inherited_environment() -> dict[str, str]:
    """What models inherit: ours, with our interpreter's directory last on PATH, for a host that has no other python."""
    path = os.environ.get("PATH", os.defpath)
    return without_init_variables(os.environ) | {"PATH": f"{path}{os.pathsep}{Path(sys.executable).parent}"}


@contextlib.asynccontextmanager
async def gauge() -> AsyncIterator[HostGauge]:
    """All pools of this host, with those of its GPUs listed already, unless their driver hangs."""
    gpus = Gpus()
    gpus.start()
    try:
        await asyncio.to_thread(gpus.wait, GPU_LIST_TIMEOUT)
        yield HostGauge(RamGauge(), gpus)
    finally:
        gpus.close()


def weight_look() -> WeightLook:
    """One at this host's caches."""
    return WeightLook(WeightReader(), caches.locate)


@contextlib.asynccontextmanager
async def inspector(
    gauge: HostGauge, patience: float = PATIENCE, engines: Engines | None = None
) -> AsyncIterator[HostInspector]:
    """One that doesn't leave behind what it asked; `patience`: seconds that it waits for llama.cpp's answer.

    Without `engines` no container engine is asked.
    """
    fit_params = FitParams(gauge.read, patience=patience)
    containers = None if engines is None else ContainerPreflight(engines)
    fetches = Fetches()
    try:
        yield HostInspector(weight_look(), port_owner.holder, fit_params, containers, fetches)
    finally:
        await fit_params.close()
        await fetches.close()
        if containers is not None:
            await containers.close()


@contextlib.asynccontextmanager
async def host(
    config: ConfigWatch, store: StateDirectory, on_exit: Callable[[str, Exit], None]
) -> AsyncIterator[Host]:
    """All of them; `on_exit` hears of each run whose leader has exited."""
    engines = Engines(os.environ)
    make_processes = partial(Processes, logs=store.logs, prepare=descriptors.limit_child)
    processes = Runs(make_processes, engines, store.path / "containers", on_exit)
    orphans = asyncio.create_task(processes.collect_orphans())
    prober = HttpProber()
    records = RecordDirectory(store.path / "runs")
    sessions = SlotSessions(store.path / "sessions")
    try:
        async with gauge() as pools, inspector(pools, engines=engines) as files:
            yield Host(
                processes=processes,
                gauge=pools,
                prober=prober,
                inspector=files,
                warmer=PageWarmer(),
                logs=ModelLogs(store.logs),
                store=store,
                records=records,
                config=config,
                sessions=sessions,
            )
    finally:
        orphans.cancel()
        await prober.close()
        await sessions.close()
        await processes.close()
        records.close()
