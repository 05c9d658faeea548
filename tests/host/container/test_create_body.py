"""The create call's body, and what is refused before the engine is asked."""

from typing import Any

import pytest

from zoosup.host.container.create_body import create_body
from zoosup.host.container.engine import ContainerConfig, EngineRefusedError

DOCKER: dict[str, Any] = {"Components": [{"Name": "Engine", "Version": "28.2.2"}]}
PODMAN: dict[str, Any] = {"Components": [{"Name": "Podman Engine", "Version": "5.4.1-dev"}]}
OLD_PODMAN: dict[str, Any] = {"Components": [{"Name": "Podman Engine", "Version": "4.3.1"}]}


def podman(version: str) -> dict[str, Any]:
    return {"Components": [{"Name": "Podman Engine", "Version": version}]}


def body(version: dict[str, Any] = DOCKER, **changes: Any) -> dict[str, Any]:
    return create_body(ContainerConfig("a", "image:1", **changes), version)


def host(version: dict[str, Any] = DOCKER, **options: Any) -> dict[str, Any]:
    found: dict[str, Any] = body(version, options=options)["HostConfig"]
    return found


def test_it_is_in_the_hosts_network_or_its_port_is_published() -> None:
    assert body()["HostConfig"]["NetworkMode"] == "host"
    published = body(inner_port=8080, host="127.0.0.1", port=1234)
    assert published["ExposedPorts"] == {"8080/tcp": {}}
    assert published["HostConfig"]["PortBindings"] == {
        "8080/tcp": [{"HostIp": "127.0.0.1", "HostPort": "1234"}]
    }
    assert "NetworkMode" not in published["HostConfig"]


def test_it_has_its_image_its_labels_its_variables_and_its_volumes() -> None:
    found = body(labels={"zoosup.run": "r1"}, env={"A": "b c", "D": ""}, volumes=("/m:/m:ro",))
    assert (found["Image"], found["Labels"], found["Env"]) == (
        "image:1", {"zoosup.run": "r1"}, ["A=b c", "D="]
    )  # fmt: skip
    assert found["HostConfig"]["Binds"] == ["/m:/m:ro"]


def test_without_words_the_images_own_are_left() -> None:
    assert "Cmd" not in body()
    assert body(args=("a", "b"))["Cmd"] == ["a", "b"]


def test_gpus_are_handed_out_by_uuid() -> None:
    wanted = {"Count": 0, "Capabilities": [["gpu"]], "Options": {}}
    given = body(gpus=("GPU-1", "GPU-2"))["HostConfig"]["DeviceRequests"]
    assert given == [wanted | {"Driver": "", "DeviceIDs": ["GPU-1", "GPU-2"]}]
    given = body(PODMAN, gpus=("GPU-1",))["HostConfig"]["DeviceRequests"]
    assert given == [wanted | {"Driver": "cdi", "DeviceIDs": ["nvidia.com/gpu=GPU-1"]}]
    own = {"device_requests": [{"Driver": "mine"}]}
    given = body(gpus=("GPU-1",), options=own)["HostConfig"]["DeviceRequests"]
    assert [each["Driver"] for each in given] == ["mine", ""]


@pytest.mark.parametrize("version", ["5.4", "5.4.0", "5.10.1", "6.0"])
def test_a_podman_from_5_4_on_can_hand_out_gpus(version: str) -> None:
    assert "DeviceRequests" in body(podman(version), gpus=("GPU-1",))["HostConfig"]


@pytest.mark.parametrize("version", ["5.3.9", "4.9", "0.1"])
def test_one_before_can_not(version: str) -> None:
    with pytest.raises(EngineRefusedError, match=r"which takes 5\.4") as refused:
        body(podman(version), gpus=("GPU-1",))
    assert refused.value.status == 501


def test_no_gpu_is_hidden_and_nothing_is_left_alone() -> None:
    assert body(gpus=())["Env"] == ["NVIDIA_VISIBLE_DEVICES=void"]
    assert body(gpus=(), env={"NVIDIA_VISIBLE_DEVICES": "0"})["Env"] == ["NVIDIA_VISIBLE_DEVICES=0"]
    assert body(gpus=None)["Env"] == []
    assert "DeviceRequests" not in body(gpus=())["HostConfig"]


def test_cards_that_are_no_nvidias_are_device_files_and_the_groups_that_may_use_them() -> None:
    config = {"devices": ("/dev/kfd", "/dev/dri/renderD129"), "groups": ("44", "993")}
    made = body(gpus=(), **config)["HostConfig"]
    assert [
        {"PathOnHost": path, "PathInContainer": path, "CgroupPermissions": "rwm"}
        for path in config["devices"]
    ] == made["Devices"]
    assert ["44", "993"] == made["GroupAdd"]
    options = {"devices": ["/dev/fuse"], "group_add": ["audio"]}
    made = body(options=options, **config)["HostConfig"]
    assert (3, ["audio", "44", "993"]) == (len(made["Devices"]), made["GroupAdd"])
    made = body(options={"group_add": ["keep-groups"]}, **config)["HostConfig"]
    assert ["keep-groups"] == made["GroupAdd"]


def test_what_an_older_podman_would_leave_out_in_silence_is_refused() -> None:
    with pytest.raises(EngineRefusedError, match=r"Podman 4\.3 can't hand out GPUs through its API"):
        body(OLD_PODMAN, gpus=("GPU-1",))
    with pytest.raises(EngineRefusedError, match="runtime") as refused:
        host(PODMAN, runtime="nvidia")
    assert refused.value.status == 501
    assert host(runtime="nvidia")["Runtime"] == "nvidia"


@pytest.mark.parametrize(
    ("options", "wanted"),
    [
        ({"shm_size": 8 << 30, "ipc": "host"}, {"ShmSize": 8 << 30, "IpcMode": "host"}),
        (
            {"cap_add": "SYS_NICE", "group_add": [44, "video"]},
            {"CapAdd": ["SYS_NICE"], "GroupAdd": ["44", "video"]},
        ),
        (
            {"devices": ["/dev/kfd", "/dev/dri/renderD128:/dev/dri/renderD129:r"]},
            {
                "Devices": [
                    {"PathOnHost": "/dev/kfd", "PathInContainer": "/dev/kfd", "CgroupPermissions": "rwm"},
                    {
                        "PathOnHost": "/dev/dri/renderD128",
                        "PathInContainer": "/dev/dri/renderD129",
                        "CgroupPermissions": "r",
                    },
                ]
            },
        ),
        ({"ulimits": {"memlock": -1}}, {"Ulimits": [{"Name": "memlock", "Soft": -1, "Hard": -1}]}),
        ({"ulimits": ["nofile=10:20"]}, {"Ulimits": [{"Name": "nofile", "Soft": 10, "Hard": 20}]}),
        ({"tmpfs": ["/a", "/b:size=1m"]}, {"Tmpfs": {"/a": "", "/b": "size=1m"}}),
        ({"cpus": 1.5, "network": "none"}, {"NanoCpus": 1_500_000_000, "NetworkMode": "none"}),
        ({"log_driver": "none"}, {"LogConfig": {"Type": "none", "Config": {}}}),
        (
            {"log_driver": "json-file", "log_opts": {"max-size": "1m"}},
            {"LogConfig": {"Type": "json-file", "Config": {"max-size": "1m"}}},
        ),
    ],
)
def test_options_have_the_calls_own_shape(options: dict[str, Any], wanted: dict[str, Any]) -> None:
    found = host(**options)
    assert {each: found[each] for each in wanted} == wanted


# Beside those that have a test of their own: by the names of moby's api/swagger.yaml.
PLAIN = {
    "cap_add": ("CapAdd", ["A"]), "cap_drop": ("CapDrop", ["A"]), "cgroup_parent": ("CgroupParent", "x"),
    "cgroupns": ("CgroupnsMode", "host"), "cpu_shares": ("CpuShares", 7), "cpuset_cpus": ("CpusetCpus", "0-3"),
    "cpuset_mems": ("CpusetMems", "0"), "device_cgroup_rules": ("DeviceCgroupRules", ["c 1:3 r"]),
    "device_requests": ("DeviceRequests", [{"Driver": "x"}]), "dns": ("Dns", ["1.1.1.1"]),
    "extra_hosts": ("ExtraHosts", ["a:1.2.3.4"]), "group_add": ("GroupAdd", ["a"]), "init": ("Init", True),
    "ipc": ("IpcMode", "host"), "memory": ("Memory", 7), "memory_swap": ("MemorySwap", 7),
    "mounts": ("Mounts", [{"Target": "/a"}]), "network": ("NetworkMode", "none"), "oom_score_adj": ("OomScoreAdj", 5),
    "pid": ("PidMode", "host"), "pids_limit": ("PidsLimit", 5), "privileged": ("Privileged", True),
    "read_only": ("ReadonlyRootfs", True), "runtime": ("Runtime", "x"), "security_opt": ("SecurityOpt", ["a=b"]),
    "shm_size": ("ShmSize", 7), "sysctls": ("Sysctls", {"a": "1"}), "tmpfs": ("Tmpfs", {"/a": "size=1m"}),
    "userns": ("UsernsMode", "host"), "uts": ("UTSMode", "host"), "volumes_from": ("VolumesFrom", ["a"]),
}  # fmt: skip
PLAIN_OF_ITSELF = {
    "entrypoint": ("Entrypoint", ["a", "b"]), "healthcheck": ("Healthcheck", {"Test": ["NONE"]}),
    "hostname": ("Hostname", "a"), "stop_signal": ("StopSignal", "SIGINT"), "tty": ("Tty", True),
    "user": ("User", "a:b"), "working_dir": ("WorkingDir", "/srv"),
}  # fmt: skip


@pytest.mark.parametrize("option", PLAIN)
def test_an_option_has_the_calls_own_name(option: str) -> None:
    name, value = PLAIN[option]
    assert host(**{option: value})[name] == value


@pytest.mark.parametrize("option", PLAIN_OF_ITSELF)
def test_one_of_the_container_itself_has_it_too(option: str) -> None:
    name, value = PLAIN_OF_ITSELF[option]
    assert body(options={option: value})[name] == value


@pytest.mark.parametrize(
    ("options", "name", "value"),
    [
        ({"sysctls": ["a=1", "b=2=3"]}, "Sysctls", {"a": "1", "b": "2=3"}),
        ({"sysctls": {"a": 1}}, "Sysctls", {"a": "1"}),
        ({"tmpfs": "/a"}, "Tmpfs", {"/a": ""}),
        ({"dns": ("1.1.1.1",)}, "Dns", ["1.1.1.1"]),
        ({"ulimits": {"nofile": "10:20"}}, "Ulimits", [{"Name": "nofile", "Soft": 10, "Hard": 20}]),
        ({"log_driver": "journald"}, "LogConfig", {"Type": "journald", "Config": {}}),
        ({"log_opts": ["max-size=1m"]}, "LogConfig", {"Type": "local", "Config": {"max-size": "1m"}}),
    ],
)
def test_a_value_may_be_written_in_more_than_one_way(
    options: dict[str, Any], name: str, value: object
) -> None:
    assert host(**options)[name] == value


def test_options_of_the_container_itself() -> None:
    found = body(options={"entrypoint": "/bin/server", "user": 1000, "tty": True, "working_dir": "/srv"})
    assert found["Entrypoint"] == ["/bin/server"]
    assert (found["User"], found["Tty"], found["WorkingDir"]) == ("1000", True, "/srv")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"colour": "red"}, "colour is no option of a container; known are cap_add, "),
        ({"devices": {"a": 1}}, "devices is a list"),
        ({"ulimits": {"nofile": "many"}}, "ulimits: nofile=many is no number"),
    ],
)
def test_what_is_no_option_is_refused(options: dict[str, Any], words: str) -> None:
    with pytest.raises(EngineRefusedError, match=words) as refused:
        host(**options)
    assert refused.value.status == 400


def test_the_log_is_bounded_where_the_engine_bounds_nothing() -> None:
    assert host()["LogConfig"] == {"Type": "local", "Config": {"max-size": "20971520", "max-file": "3"}}
    assert host(PODMAN)["LogConfig"] == {"Type": "k8s-file", "Config": {}}
    assert host({"Components": None})["LogConfig"]["Type"] == "local"
