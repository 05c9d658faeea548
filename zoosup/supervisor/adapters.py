"""This host's adapters, opened and closed together, and what else zoosup takes from the machine it is on."""

import asyncio
import contextlib
import os
import platform
import sys
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

from zoosup.core.state.runs import Exit
from zoosup.host.config.file_watcher import ConfigWatch
from zoosup.host.memory.gauge import HostGauge
from zoosup.host.memory.gpu_gauge import GpuGauge
from zoosup.host.memory.ram import RamGauge
from zoosup.host.ports import Host
from zoosup.host.preflight.inspector import HostInspector
from zoosup.host.preflight.llama_fit_params import PATIENCE, FitParams
from zoosup.host.probes import port_owner
from zoosup.host.probes.prober import HttpProber
from zoosup.host.process.identity import boot_session
from zoosup.host.process.processes import Processes
from zoosup.host.storage.model_logs import ModelLogs
from zoosup.host.storage.run_records import RecordDirectory
from zoosup.host.storage.state_dir import StateDirectory
from zoosup.host.system import descriptors
from zoosup.host.system.sd_notify import without_init_variables
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
    gpus = GpuGauge()
    gpus.start()
    try:
        await asyncio.to_thread(gpus.wait, GPU_LIST_TIMEOUT)
        yield HostGauge(RamGauge(), gpus)
    finally:
        gpus.close()


@contextlib.asynccontextmanager
async def inspector(gauge: HostGauge, patience: float = PATIENCE) -> AsyncIterator[HostInspector]:
    """One that doesn't leave behind what it asked; `patience`: seconds that it waits for llama.cpp's answer."""
    fit_params = FitParams(gauge.read, patience=patience)
    try:
        yield HostInspector(WeightReader(), port_owner.holder, fit_params)
    finally:
        await fit_params.close()


@contextlib.asynccontextmanager
async def host(
    config: ConfigWatch, store: StateDirectory, on_exit: Callable[[str, Exit], None]
) -> AsyncIterator[Host]:
    """All of them; `on_exit` hears of each run whose leader has exited."""
    processes = Processes(on_exit, logs=store.logs, prepare=descriptors.limit_child)
    orphans = asyncio.create_task(processes.collect_orphans())
    prober = HttpProber()
    records = RecordDirectory(store.path / "runs")
    try:
        async with gauge() as pools, inspector(pools) as files:
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
            )
    finally:
        orphans.cancel()
        await prober.close()
        await processes.close()
        records.close()
