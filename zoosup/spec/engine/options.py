"""The options of docker, podman and nerdctl: which take a value, which are flags, and which letter stands for which.

Tables only: what docker 28.2 and podman 4.3 show by --help, and what their sources and nerdctl's have beside that
(cli/command/container/opts.go, cmd/podman/common/create.go, cmd/nerdctl/container/container_run.go). One table for all
three, because no option takes a value with one and none with another.
"""

RUN_LETTERS = {
    "a": "attach", "c": "cpu-shares", "d": "detach", "e": "env", "h": "hostname", "i": "interactive", "l": "label",
    "m": "memory", "p": "publish", "P": "publish-all", "q": "quiet", "t": "tty", "u": "user", "v": "volume",
    "w": "workdir",
}  # fmt: skip

RUN_ALIASES = {"net": "network", "net-alias": "network-alias", "dns-opt": "dns-option"}
"""Older names, which `--help` does not show."""

RUN_FLAGS = frozenset(
    {
        "detach", "disable-content-trust", "env-host", "help", "http-proxy", "init", "interactive",
        "no-healthcheck", "no-hostname", "no-hosts", "oom-kill-disable", "passwd", "privileged", "publish-all",
        "quiet", "read-only", "read-only-tmpfs", "replace", "rm", "rmi", "rootfs", "sig-proxy", "tls-verify",
        "tty", "unsetenv-all", "use-api-socket",
    }
)  # fmt: skip

RUN_VALUES = frozenset(
    {
        "add-host", "annotation", "arch", "attach", "authfile", "blkio-weight", "blkio-weight-device",
        "cap-add", "cap-drop", "cert-dir", "cgroup-conf", "cgroup-parent", "cgroupns", "cgroups", "chrootdirs",
        "cidfile", "conmon-pidfile", "cosign-certificate-identity", "cosign-certificate-identity-regexp",
        "cosign-certificate-oidc-issuer", "cosign-certificate-oidc-issuer-regexp", "cosign-key", "cpu-count",
        "cpu-percent", "cpu-period", "cpu-quota", "cpu-rt-period", "cpu-rt-runtime", "cpu-shares", "cpus",
        "cpuset-cpus", "cpuset-mems", "creds", "decryption-key", "detach-keys", "device", "device-cgroup-rule",
        "device-read-bps", "device-read-iops", "device-write-bps", "device-write-iops", "dns", "dns-option",
        "dns-search", "domainname", "entrypoint", "env", "env-file", "env-merge", "expose", "gidmap", "gpus",
        "group-add", "group-entry", "health-cmd", "health-interval", "health-log-destination",
        "health-max-log-count", "health-max-log-size", "health-on-failure", "health-retries",
        "health-start-interval", "health-start-period", "health-startup-cmd", "health-startup-interval",
        "health-startup-retries", "health-startup-success", "health-startup-timeout", "health-timeout",
        "hostname", "hosts-file", "hostuser", "image-volume", "init-binary", "init-path", "intel-rdt-closid",
        "io-maxbandwidth", "io-maxiops", "ip", "ip6", "ipc", "ipfs-address", "isolation", "kernel-memory",
        "label", "label-file", "link", "link-local-ip", "log-driver", "log-opt", "mac-address", "memory",
        "memory-reservation", "memory-swap", "memory-swappiness", "mount", "name", "network", "network-alias",
        "oom-score-adj", "os", "passwd-entry", "personality", "pid", "pidfile", "pids-limit", "platform", "pod",
        "pod-id-file", "preserve-fd", "preserve-fds", "publish", "pull", "rdt-class", "requires", "restart",
        "retry", "retry-delay", "runtime", "sdnotify", "seccomp-policy", "secret", "security-opt", "shm-size",
        "shm-size-systemd", "stop-signal", "stop-timeout", "storage-opt", "subgidname", "subuidname", "sysctl",
        "systemd", "timeout", "tmpfs", "tz", "uidmap", "ulimit", "umask", "unsetenv", "user", "userns", "uts",
        "variant", "verify", "volume", "volume-driver", "volumes-from", "workdir",
    }
)  # fmt: skip

GLOBAL_LETTERS = {
    "docker": {"c": "context", "D": "debug", "H": "host", "l": "log-level", "v": "version"},
    "podman": {"c": "connection", "r": "remote", "v": "version"},
    "nerdctl": {"a": "address", "H": "address", "n": "namespace", "v": "version", "h": "help"},
}

GLOBAL_FLAGS = frozenset(
    {
        "debug", "debug-full", "experimental", "help", "insecure-registry", "kube-hide-dupe", "noout", "remote",
        "syslog", "tls", "tlsverify", "transient-store", "version",
    }
)  # fmt: skip

GLOBAL_VALUES = frozenset(
    {
        "address", "bridge-ip", "cdi-spec-dir", "cdi-spec-dirs", "cgroup-manager", "cni-config-dir",
        "cni-netconfpath", "cni-path", "config", "conmon", "connection", "context", "data-root", "db-backend",
        "default-mounts-file", "events-backend", "hooks-dir", "host", "host-gateway-ip", "hosts-dir",
        "identity", "imagestore", "log-level", "module", "namespace", "network-cmd-path", "network-config-dir",
        "out", "pull-option", "root", "runroot", "runtime", "runtime-flag", "snapshotter", "ssh",
        "storage-driver", "storage-opt", "tls-ca", "tls-cert", "tls-key", "tlscacert", "tlscert", "tlskey",
        "tmpdir", "url", "userns-remap", "volumepath",
    }
)  # fmt: skip


def run_name(engine: str, name: str) -> str:
    """The whole name of an option that stands after `run`; podman and nerdctl take their global ones there too."""
    if len(name) == 1:
        return RUN_LETTERS.get(name) or GLOBAL_LETTERS[engine].get(name, name)
    return RUN_ALIASES.get(name, name)


def run_takes_value(engine: str, name: str) -> bool:
    """Whether an option after `run` takes a value. One that is not known does: most do, and new ones come."""
    name = run_name(engine, name)
    return len(name) > 1 and name not in RUN_FLAGS | (GLOBAL_FLAGS - RUN_VALUES)


def global_name(engine: str, name: str) -> str:
    """The whole name of an option that stands before the subcommand."""
    return GLOBAL_LETTERS[engine].get(name, name)


def global_takes_value(engine: str, name: str) -> bool:
    """Whether an option before the subcommand takes a value."""
    name = global_name(engine, name)
    return len(name) > 1 and name not in GLOBAL_FLAGS
