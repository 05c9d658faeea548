"""A container's configuration as the API's create call takes it, Docker's and Podman's alike.

Knows the names of the call's keys (moby's api/swagger.yaml, v1.41). Refuses to judge values: the engine does, in its
own words.
"""

from collections.abc import Callable, Mapping
from typing import Any

from zoosup.host.container.engine import ContainerConfig, EngineRefusedError

_BAD_REQUEST, _NOT_IMPLEMENTED = 400, 501

_CDI_SINCE = (5, 4)
"""Podman's version from which on its API hands devices out by CDI names; before, it leaves them out in silence."""

_LOG_BYTES = 20 << 20
"""Of a container's own log, as the engine keeps it; `log_copier` has read it long before it grows so far."""

_NVIDIA = "NVIDIA_VISIBLE_DEVICES"

_KEEP_GROUPS = "keep-groups"
"""Podman's word for all groups of whoever starts it, beside which it takes no other."""

_Value = Callable[[str, Any], Any]


def create_body(config: ContainerConfig, version: Mapping[str, Any]) -> dict[str, Any]:
    """The body of `POST /containers/create`, for an engine that says this of its version.

    EngineRefusedError for an option that nobody knows, or a GPU that this engine can't hand out.
    """
    body: dict[str, Any] = {
        "Image": config.image,
        "Labels": dict(config.labels),
        "Env": [f"{name}={value}" for name, value in _env(config).items()],
    }
    if config.args:
        body["Cmd"] = list(config.args)
    host: dict[str, Any] = {"Binds": list(config.volumes), "LogConfig": _log(version)}
    _publish(config, body, host)
    if "runtime" in config.options and podman_version(version) is not None:
        raise EngineRefusedError(
            _NOT_IMPLEMENTED, "Podman's API leaves `runtime` out without a word: set it in containers.conf"
        )
    for key, value in config.options.items():
        _add(key, value, body, host)
    if config.gpus:
        host["DeviceRequests"] = [*host.get("DeviceRequests", ()), _gpus(config.gpus, version)]
    if config.devices:
        host["Devices"] = [*host.get("Devices", ()), *map(_device, config.devices)]
        own = host.get("GroupAdd", [])
        host["GroupAdd"] = own if _KEEP_GROUPS in own else [*own, *config.groups]
    body["HostConfig"] = host
    return body


def podman_version(version: Mapping[str, Any]) -> tuple[int, ...] | None:
    """Podman's own version; None for another engine."""
    for each in version.get("Components") or ():
        if "podman" in str(each.get("Name", "")).lower():
            return tuple(int(part) for part in str(each.get("Version", "0")).split(".")[:2] if part.isdigit())
    return None


def _env(config: ContainerConfig) -> dict[str, str]:
    """() of GPUs: an image that asks for all must not have them where NVIDIA's runtime is the default."""
    hidden = {_NVIDIA: "void"} if config.gpus == () else {}
    return hidden | dict(config.env)


def _log(version: Mapping[str, Any]) -> dict[str, Any]:
    """A log that can be read, keeps every byte as it is, and is bounded: Docker's default is none of the last two."""
    if podman_version(version) is not None:
        return {"Type": "k8s-file", "Config": {}}
    return {"Type": "local", "Config": {"max-size": str(_LOG_BYTES), "max-file": "3"}}


def _publish(config: ContainerConfig, body: dict[str, Any], host: dict[str, Any]) -> None:
    if config.inner_port is None:
        host["NetworkMode"] = "host"
        return
    inner = f"{config.inner_port}/tcp"
    body["ExposedPorts"] = {inner: {}}
    host["PortBindings"] = {inner: [{"HostIp": config.host, "HostPort": str(config.port)}]}


def _gpus(uuids: tuple[str, ...], version: Mapping[str, Any]) -> dict[str, Any]:
    podman = podman_version(version)
    if podman is None:
        return {"Driver": "", "Count": 0, "DeviceIDs": list(uuids), "Capabilities": [["gpu"]], "Options": {}}
    if podman < _CDI_SINCE:
        raise EngineRefusedError(
            _NOT_IMPLEMENTED,
            f"Podman {'.'.join(map(str, podman))} can't hand out GPUs through its API, which takes 5.4: "
            "write command: podman run --device nvidia.com/gpu=… instead",
        )
    names = [f"nvidia.com/gpu={uuid}" for uuid in uuids]
    return {"Driver": "cdi", "Count": 0, "DeviceIDs": names, "Capabilities": [["gpu"]], "Options": {}}


def _add(key: str, value: Any, body: dict[str, Any], host: dict[str, Any]) -> None:
    if key in _HOST:
        name, shape = _HOST[key]
        host[name] = shape(key, value)
    elif key in _CONFIG:
        name, shape = _CONFIG[key]
        body[name] = shape(key, value)
    elif key == "log_opts":
        host["LogConfig"] = {**host["LogConfig"], "Config": _texts(key, value)}
    elif key == "log_driver":
        host["LogConfig"] = {"Type": str(value), "Config": {}}
    elif key == "cpus":
        host["NanoCpus"] = int(float(value) * 1e9)
    else:
        known = ", ".join(sorted((*_HOST, *_CONFIG, "cpus", "log_driver", "log_opts")))
        raise EngineRefusedError(_BAD_REQUEST, f"{key} is no option of a container; known are {known}")


def _as_is(_: str, value: Any) -> Any:
    return value


def _words(key: str, value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    return [str(each) for each in _listed(key, value)]


def _listed(key: str, value: Any) -> list[Any]:
    if not isinstance(value, list | tuple):
        raise EngineRefusedError(_BAD_REQUEST, f"{key} is a list")
    return list(value)


def _texts(key: str, value: Any) -> dict[str, str]:
    """{NAME: TEXT}, or a list of NAME=TEXT."""
    if isinstance(value, Mapping):
        return {str(name): str(text) for name, text in value.items()}
    parts = [each.partition("=") for each in _words(key, value)]
    return {name: text for name, _, text in parts}


def _tmpfs(key: str, value: Any) -> dict[str, str]:
    """{PATH: OPTIONS}, or a list of PATH[:OPTIONS]."""
    if isinstance(value, Mapping):
        return _texts(key, value)
    parts = [each.partition(":") for each in _words(key, value)]
    return {path: options for path, _, options in parts}


def _devices(key: str, value: Any) -> list[dict[str, str]]:
    """A list of HOST[:CONTAINER[:rwm]]."""
    return [_device(each) for each in _words(key, value)]


def _device(text: str) -> dict[str, str]:
    host, _, rest = text.partition(":")
    inside, _, permissions = rest.partition(":")
    return {"PathOnHost": host, "PathInContainer": inside or host, "CgroupPermissions": permissions or "rwm"}


def _ulimits(key: str, value: Any) -> list[dict[str, Any]]:
    """{NAME: NUMBER or SOFT:HARD}, or a list of NAME=SOFT[:HARD]; -1 is no limit."""
    return [_ulimit(key, name, limits) for name, limits in _texts(key, value).items()]


def _ulimit(key: str, name: str, limits: str) -> dict[str, Any]:
    soft, _, hard = limits.partition(":")
    try:
        return {"Name": name, "Soft": int(soft), "Hard": int(hard or soft)}
    except ValueError:
        raise EngineRefusedError(_BAD_REQUEST, f"{key}: {name}={limits} is no number") from None


_HOST: Mapping[str, tuple[str, _Value]] = {
    "cap_add": ("CapAdd", _words),
    "cap_drop": ("CapDrop", _words),
    "cgroup_parent": ("CgroupParent", _as_is),
    "cgroupns": ("CgroupnsMode", _as_is),
    "cpu_shares": ("CpuShares", _as_is),
    "cpuset_cpus": ("CpusetCpus", _as_is),
    "cpuset_mems": ("CpusetMems", _as_is),
    "device_cgroup_rules": ("DeviceCgroupRules", _words),
    "device_requests": ("DeviceRequests", _listed),
    "devices": ("Devices", _devices),
    "dns": ("Dns", _words),
    "extra_hosts": ("ExtraHosts", _words),
    "group_add": ("GroupAdd", _words),
    "init": ("Init", _as_is),
    "ipc": ("IpcMode", _as_is),
    "memory": ("Memory", _as_is),
    "memory_swap": ("MemorySwap", _as_is),
    "mounts": ("Mounts", _listed),
    "network": ("NetworkMode", _as_is),
    "oom_score_adj": ("OomScoreAdj", _as_is),
    "pid": ("PidMode", _as_is),
    "pids_limit": ("PidsLimit", _as_is),
    "privileged": ("Privileged", _as_is),
    "read_only": ("ReadonlyRootfs", _as_is),
    "runtime": ("Runtime", _as_is),
    "security_opt": ("SecurityOpt", _words),
    "shm_size": ("ShmSize", _as_is),
    "sysctls": ("Sysctls", _texts),
    "tmpfs": ("Tmpfs", _tmpfs),
    "ulimits": ("Ulimits", _ulimits),
    "userns": ("UsernsMode", _as_is),
    "uts": ("UTSMode", _as_is),
    "volumes_from": ("VolumesFrom", _words),
}
"""Options of HostConfig, by the names that the engines' clients give them."""

_CONFIG: Mapping[str, tuple[str, _Value]] = {
    "entrypoint": ("Entrypoint", _words),
    "healthcheck": ("Healthcheck", _as_is),
    "hostname": ("Hostname", _as_is),
    "stop_signal": ("StopSignal", _as_is),
    "tty": ("Tty", _as_is),
    "user": ("User", lambda _, value: str(value)),
    "working_dir": ("WorkingDir", _as_is),
}
"""Options of the container itself."""
