"""NVIDIA's management library asked once: which GPUs and MIG devices there are, and what each holds for whom.

Knows the calls of `pynvml`, the ways each may fail and what then is still known. NVML alone: a question to CUDA would
create a context of some 500 MB in the asking process. Not for two threads at a time, and any call may hang for as long
as the driver likes: `gpu_gauge` has it asked where nobody waits.
"""

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import pynvml

from zoosup.host.memory.gpu_types import Gpu, GpuLook, GpusUnavailableError

_INITIAL_NAMESPACE = "pid:[4026531836]"
"""What /proc/self/ns/pid leads to outside every container: PROC_PID_INIT_INO, include/linux/proc_ns.h."""


class Nvml:
    """A session with the library, begun at the first look and at the first one after `close`.

    The library finds GPUs when a session begins, so that one which has come back is seen by a new session only.
    """

    def __init__(self) -> None:
        self._begun = False
        self._driver = ""
        self._shared_pids = _pids_are_everybodys()

    def look(self) -> GpuLook:
        """Everything once; GpusUnavailableError when nothing can be asked at all."""
        try:
            if not self._begun:
                pynvml.nvmlInit()
                self._begun = True
                self._driver = _driver()
            found = self._all()
        except pynvml.NVMLError as error:
            self.close()
            raise GpusUnavailableError(_said(error)) from None
        return found

    def close(self) -> None:
        """End the session; a later look begins another."""
        if self._begun:
            self._begun = False
            with suppress(pynvml.NVMLError):
                pynvml.nvmlShutdown()

    def _all(self) -> GpuLook:
        cards: list[Gpu] = []
        troubles: list[str] = []
        for index in range(pynvml.nvmlDeviceGetCount()):
            try:
                device = pynvml.nvmlDeviceGetHandleByIndex(index)
                for handle, name in _devices(device, index):
                    cards.append(card := self._card(handle, name))
                    troubles += [f"GPU {name}: {card.trouble}"] * bool(card.trouble)
            except pynvml.NVMLError as error:
                # Which one it is can't even be asked; it is known by its absence.
                troubles.append(f"GPU {index}: {_said(error)}")
        return GpuLook(tuple(cards), trouble="; ".join(troubles))

    def _card(self, handle: Any, index: str) -> Gpu:
        """One device; where its memory is not supported it is the host's (GB10, Jetson)."""
        uuid, model = _text(pynvml.nvmlDeviceGetUUID(handle)), _text(pynvml.nvmlDeviceGetName(handle))
        name, device = f"GPU {index} {model}", f"{model}, driver {self._driver or 'unknown'}"
        try:
            total, free = _memory(handle)
        except pynvml.NVMLError_NotSupported:
            return Gpu(uuid, index, name, 0, 0, self._processes(handle), device=device, unified=True)
        except pynvml.NVMLError as error:
            return Gpu(uuid, index, name, 0, None, trouble=_said(error), device=device)
        return Gpu(uuid, index, name, total, free, self._processes(handle), device=device)

    def _processes(self, handle: Any) -> Mapping[int, int | None] | None:
        """Bytes by pid; None where the driver doesn't tell, or speaks of pids that mean nothing here.

        Older drivers tell a container the host's pids, or none at all. Nothing here can translate them: NSpid of
        /proc/PID/status leads from the outside in only.
        """
        held: dict[int, int | None] = {}
        try:
            for ask in _LISTS:
                for process in ask(handle):
                    known = held.get(process.pid, 0)
                    # One process may stand in both lists, with all that it holds in each.
                    used = process.usedGpuMemory
                    held[process.pid] = None if known is None or used is None else max(known, used)
        except pynvml.NVMLError:
            return None
        strange = not self._shared_pids and (not held or not all(map(_exists, held)))
        return None if strange else held


def _graphics(handle: Any) -> list[Any]:
    """Processes that draw; none where the device can't (MIG, data centre cards in some drivers)."""
    try:
        return list(pynvml.nvmlDeviceGetGraphicsRunningProcesses(handle))
    except (pynvml.NVMLError_NotSupported, pynvml.NVMLError_FunctionNotFound):
        return []


def _compute(handle: Any) -> list[Any]:
    """Processes that compute; asked once more where there were suddenly more than there was room for."""
    try:
        return list(pynvml.nvmlDeviceGetComputeRunningProcesses(handle))
    except pynvml.NVMLError_InsufficientSize:
        return list(pynvml.nvmlDeviceGetComputeRunningProcesses(handle))


_LISTS = (_compute, _graphics)


def _devices(device: Any, index: int) -> Iterator[tuple[Any, str]]:
    """The device, or its MIG devices where it is divided: then it can't be used as a whole."""
    if not _is_divided(device):
        yield device, str(index)
        return
    for part in range(pynvml.nvmlDeviceGetMaxMigDeviceCount(device)):
        with suppress(pynvml.NVMLError_NotFound, pynvml.NVMLError_InvalidArgument):
            yield pynvml.nvmlDeviceGetMigDeviceHandleByIndex(device, part), f"{index}:{part}"


def _is_divided(device: Any) -> bool:
    try:
        return bool(pynvml.nvmlDeviceGetMigMode(device)[0])
    except (pynvml.NVMLError_NotSupported, pynvml.NVMLError_FunctionNotFound):
        return False


def _memory(handle: Any) -> tuple[int, int]:
    """(total, free) in bytes. The second version tells what the driver keeps; the first counts it as used."""
    try:
        told = pynvml.nvmlDeviceGetMemoryInfo(handle, version=pynvml.nvmlMemory_v2)
        return told.total - told.reserved, told.free
    except _OLD:
        told = pynvml.nvmlDeviceGetMemoryInfo(handle)
        return told.total, told.free


_OLD = (
    pynvml.NVMLError_FunctionNotFound,
    pynvml.NVMLError_ArgumentVersionMismatch,
    pynvml.NVMLError_InvalidArgument,
)
"""How a driver from before 510 answers a question of the second version."""


def _text(value: str | bytes) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else value


def _driver() -> str:
    """The driver's version; empty where it doesn't say."""
    with suppress(pynvml.NVMLError):
        return _text(pynvml.nvmlSystemGetDriverVersion())
    return ""


def _said(error: pynvml.NVMLError) -> str:
    try:
        return str(error)
    except pynvml.NVMLError:  # it asks the library for the words
        return f"NVML error {error.value}"


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return True


def _pids_are_everybodys() -> bool:
    """Whether our pids are the driver's, as they are outside containers."""
    if sys.platform != "linux":
        return True
    with suppress(OSError):
        return str(Path("/proc/self/ns/pid").readlink()) == _INITIAL_NAMESPACE
    return False
