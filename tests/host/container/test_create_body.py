"""The create call's body, and what is refused before the engine is asked."""

from typing import Any

import pytest

from zoosup.host.container.create_body import create_body
from zoosup.host.container.engine import ContainerConfig, EngineRefusedError

DOCKER: dict[str, Any] = {"Components": [{"Name": "Engine", "Version": "28.2.2"}]}
PODMAN: dict[str, Any] = {"Components": [{"Name": "Podman Engine", "Version": "5.4.1-dev"}]}
OLD_PODMAN: dict[str, Any] = {"Components": [{"Name": "Podman Engine", "Version": "4.3.1"}]}


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


def test_without_words_the_images_own_are_left() -> None:
    assert "Cmd" not in body()
    assert body(args=("a", "b"))["Cmd"] == ["a", "b"]


def test_gpus_are_handed_out_by_uuid() -> None:
    given = body(gpus=("GPU-1", "GPU-2"))["HostConfig"]["DeviceRequests"]
    assert [(each["DeviceIDs"], each["Capabilities"]) for each in given] == [(["GPU-1", "GPU-2"], [["gpu"]])]
    given = body(PODMAN, gpus=("GPU-1",))["HostConfig"]["DeviceRequests"]
    assert [(each["Driver"], each["DeviceIDs"]) for each in given] == [("cdi", ["nvidia.com/gpu=GPU-1"])]


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
    with pytest.raises(EngineRefusedError, match="runtime"):
        host(PODMAN, runtime="nvidia")
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
    assert host()["LogConfig"]["Type"] == "local"
    assert host(PODMAN)["LogConfig"]["Type"] == "k8s-file"
