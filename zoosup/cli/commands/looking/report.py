"""`zoosup doctor --report`: one file for a bug report, with what its readers would have to ask for otherwise.

Reads only. Nothing in it is a secret's value, a variable's value, or what a model has written.
"""

import json
import os
import platform
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoosup import __version__
from zoosup.cli import disk
from zoosup.cli.client import Client
from zoosup.cli.light_imports import lightly
from zoosup.cli.render.redacted import is_secret, redacted, without
from zoosup.errors import UnreachableError, ZoosupError

if TYPE_CHECKING:
    from zoosup.spec.model.zoo import ZooSpec
    from zoosup.supervisor.settings import Settings

EVENTS = 200
"""The newest events that are told."""

_DISPLAYS = "0x03"  # how the PCI classes of GPUs begin
_MOST = 20_000  # characters of one file of the kernel's


@dataclass(frozen=True, slots=True)
class Seen:
    """What doctor has found already: the settings, the file unless it is wrong, the status where one is running."""

    settings: "Settings"
    spec: "ZooSpec | None"
    snapshot: Mapping[str, Any] | None


def write(out: str, findings: str, seen: Seen) -> None:
    """Write the report to a file that is not there yet, or print it; ZoosupError says why it can't be."""
    text = without(_text(findings, seen, Path("/")), _secrets(seen.spec)).replace(str(Path.home()), "~")
    if out == "-":
        print(text, end="")
        return
    try:
        with Path(out).open("x", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise ZoosupError(
            f"{out}: {error.strerror or error}; expected a file that is not there yet"
        ) from None
    print(f"{out} is written; look through it before you send it")


def _text(findings: str, seen: Seen, root: Path) -> str:
    sections: tuple[tuple[str, Callable[[], str]], ...] = (
        ("what zoosup doctor says", lambda: findings),
        ("host", lambda: _host(root)),
        ("GPUs by the kernel", lambda: _gpus(root)),
        ("limits", lambda: _read(root / "proc/self/limits") + _read(root / "proc/self/cgroup")),
        ("environment: names of what is set", _variables),
        ("zoo.yaml as it was read, without defaults", lambda: _file(seen.spec)),
        ("status", lambda: _json(seen.snapshot)),
        (f"the last {EVENTS} events", lambda: _events(seen)),
    )
    head = f"zoosup {__version__}, {time.strftime('%Y-%m-%d %H:%M:%S %z')}"
    return "\n".join([head, *(f"\n## {title}\n\n{make().rstrip()}" for title, make in sections)]) + "\n"


def _host(root: Path) -> str:
    processors = [
        line.partition(":")[2].strip()
        for line in _read(root / "proc/cpuinfo").splitlines()
        if line.startswith("model name")
    ]
    model = processors[0] if processors else platform.processor() or "unknown"
    files = ("proc/version", "proc/meminfo", "proc/pressure/memory", "proc/driver/nvidia/version")
    told = [f"{os.cpu_count()} x {model}, {platform.machine()}"]
    return "\n".join([*told, *(f"{file}:\n{text}" for file in files if (text := _read(root / file)))])


def _gpus(root: Path) -> str:
    """Each display controller on the PCI bus with its ids and its driver, and what amdgpu says of its memory."""
    lines = []
    for device in sorted((root / "sys/bus/pci/devices").glob("*")):
        if _read(device / "class").startswith(_DISPLAYS):
            ids = ":".join(_read(device / name).strip() for name in ("vendor", "device"))
            driver = (device / "driver").resolve().name if (device / "driver").exists() else "no driver"
            memory = [f"{path.name} {_read(path).strip()}" for path in sorted(device.glob("mem_info_*"))]
            lines.append("  ".join([device.name, ids, driver, *memory]))
    return "\n".join(lines) or "none on the PCI bus"


def _variables() -> str:
    wanted = ("ZOOSUP_", "CUDA_", "HIP_", "ROCR_", "HSA_", "GGML_", "LLAMA_", "HF_", "XDG_", "NVIDIA_", "ZE_")
    return " ".join(sorted(name for name in os.environ if name.startswith(wanted))) or "none"


def _file(spec: "ZooSpec | None") -> str:
    if spec is None:
        return "none, or none that is valid: see above"
    return _json(spec.model_dump(mode="json", exclude_defaults=True))


def _events(seen: Seen) -> str:
    try:
        found = Client(seen.settings.control_socket).get("events", limit=EVENTS)["events"]
    except UnreachableError:
        try:
            found = disk.events(seen.settings.state_directory, 0, None, EVENTS)
        except UnreachableError as error:
            return str(error)
    return "\n".join(json.dumps(redacted(event), ensure_ascii=False) for event in found) or "none"


def _json(value: Any) -> str:
    return "none" if value is None else json.dumps(redacted(value), indent=1, ensure_ascii=False)


def _secrets(spec: "ZooSpec | None") -> Iterable[str]:
    """What clients present, and what stands in variables whose names say that it is secret."""
    told = [value for name, value in os.environ.items() if is_secret(name)]
    if spec is not None:
        with lightly():
            from zoosup.supervisor.assembly import secrets_of  # noqa: PLC0415 - as much as a supervisor needs
        told += secrets_of(spec).texts
    return told


def _read(path: Path) -> str:
    with suppress(OSError):
        return path.read_text(encoding="utf-8", errors="replace")[:_MOST]
    return ""
