"""How Ray is started, so that it is a fleet's way to its controller and nothing else.

Pure: command lines and environments out of zoo.yaml. Ray's own defaults would take memory, ports and processes of this
host, and would end the controller where models fill the memory. Knows no process, and imports no Ray.
"""

import hashlib
from collections.abc import Mapping
from pathlib import Path

from zoosup.spec.model.fleet import FleetSpec
from zoosup.spec.syntax.addresses import split_address

VERSION = "2.60.0"
"""All hosts need the same: Ray refuses any other."""

EXTRA = f"ray=={VERSION}"
"""What brings it, as pip is told; the same as zoosup's extra `fleet`."""

NAMESPACE = "zoosup"

OBJECT_STORE = 80_000_000
"""Bytes of /dev/shm: the least that Ray takes. Nothing large is sent through it."""

_TEMP_LIMIT = 40
"""Bytes of a temporary directory's path: sockets lie deep in it, and theirs may have 107."""

NEAR = Path("/tmp")  # noqa: S108 - what is made there is private
"""Where Ray's place is when the state directory's path is too long."""

_SETTINGS: Mapping[str, str] = {
    # A host that is lost is known by our own lease; these are for the calls of its neighbours.
    "RAY_health_check_period_ms": "1000",
    "RAY_health_check_timeout_ms": "2000",
    "RAY_health_check_failure_threshold": "5",
    "RAY_health_check_initial_delay_ms": "2000",
    "RAY_gcs_rpc_server_reconnect_timeout_s": "60",
    "RAY_memory_monitor_refresh_ms": "0",  # it would end the controller for what models hold
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_DISABLE_IMPORT_WARNING": "1",
    "RAY_BACKEND_LOG_LEVEL": "warning",
    "RAY_ROTATION_MAX_BYTES": "10000000",
    "RAY_ROTATION_BACKUP_COUNT": "1",
}


def is_head(spec: FleetSpec, address: str) -> bool:
    """Whether a host with this address runs the head and the controller."""
    return split_address(spec.head)[0] == address


def environment(
    spec: FleetSpec, environ: Mapping[str, str], state_dir: Path, *, head: bool, token: Path
) -> dict[str, str]:
    """What Ray's processes, and those that speak with it, are given; a RAY_ADDRESS of somebody's is not.

    There is always a `token` (a file): Ray listens on every address, and runs what whoever reaches it says.
    """
    kept = {name: value for name, value in environ.items() if not name.startswith("RAY_")}
    auth = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": str(token)}
    return kept | dict(_SETTINGS) | auth | (_storage(spec, state_dir) if head else {})


def store(spec: FleetSpec, state_dir: Path) -> Path | None:
    """The directory in which a head keeps what it knows; None where it keeps it elsewhere, or nowhere."""
    return head_store(state_dir) if spec.head_store in {"auto", "rocksdb"} else None


def _storage(spec: FleetSpec, state_dir: Path) -> dict[str, str]:
    """Where the head keeps what it knows, so that its hosts and the controller are there again after its restart."""
    if (place := store(spec, state_dir)) is not None:
        return {"RAY_gcs_storage": "rocksdb", "RAY_gcs_storage_path": str(place)}
    if spec.head_store == "memory":
        return {}
    return {"RAY_REDIS_ADDRESS": spec.head_store.partition("://")[2]}


def head_store(state_dir: Path) -> Path:
    """What the head knows, on disk: of this Ray alone, for another's may mean something else to it."""
    return state_dir / "fleet" / f"head-{VERSION}"


def temp_dir(state_dir: Path) -> Path:
    """Where Ray keeps sockets and logs: one for each host, and short. Ray opens it to all, so its parent is private."""
    near = state_dir / "ray"
    if len(str(near)) <= _TEMP_LIMIT:
        return near
    name = f"zoosup-ray-{hashlib.sha256(str(state_dir).encode()).hexdigest()[:8]}"
    return NEAR / name / "t"


def start_command(python: str, spec: FleetSpec, address: str, temp: Path) -> list[str]:
    """What runs Ray on this host, as a child that stays: SIGTERM ends all of it."""
    ports, (first, last) = spec.ports, spec.ports.workers
    host, port = split_address(spec.head)
    role = (
        ["--head", f"--port={port}", "--include-dashboard=false", "--no-monitor"]
        if is_head(spec, address)
        else [f"--address={host}:{port}"]
    )
    return [
        python,
        "-c",
        "from ray.scripts.scripts import main; main()",
        "start",
        "--block",
        *role,
        f"--node-ip-address={address}",
        f"--node-manager-port={ports.node}",
        f"--object-manager-port={ports.objects}",
        f"--min-worker-port={first}",
        f"--max-worker-port={last}",
        "--num-cpus=0",
        "--num-gpus=0",
        f"--object-store-memory={OBJECT_STORE}",
        f"--temp-dir={temp}",
        "--include-log-monitor=false",
        "--disable-usage-stats",
    ]
