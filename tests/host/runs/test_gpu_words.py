"""How a container is handed the GPUs of its run: by the engine, or by variables behind a client's `run`."""

import os
from pathlib import Path

from zoosup.host.ports.launch import ContainerLaunch, Launch
from zoosup.host.runs.container_start import config_of, groups_of
from zoosup.host.runs.engines import client_run
from zoosup.host.runs.runs import _shown

INSIDE = ContainerLaunch("auto", "image", (), {}, (), None, "127.0.0.1", 0, {})
AMD = {
    "ROCR_VISIBLE_DEVICES": "GPU-00000000000000aa",
    "HIP_VISIBLE_DEVICES": "0",
    "GGML_VK_VISIBLE_DEVICES": "3",
}


def launch(command: str = "", **given: object) -> Launch:
    inside = None if command else INSIDE
    return Launch("r", "m", tuple(command.split()), {}, None, Path(os.devnull), container=inside, **given)


def test_nvidias_are_asked_of_the_engine_and_others_are_device_files():
    config = config_of(launch(gpus=("GPU-1",)), INSIDE, "i")
    assert (("GPU-1",), ()) == (config.gpus, config.devices)
    # With device files of its own it is shown none of NVIDIA's, which an engine may hand out unasked.
    config = config_of(launch(gpus=("GPU-aa",), gpu_devices=("/dev/kfd",)), INSIDE, "i")
    assert ((), ("/dev/kfd",)) == (config.gpus, config.devices)


def test_it_may_use_what_the_group_of_a_device_file_may(tmp_path):
    card, other, missing = tmp_path / "renderD128", tmp_path / "renderD129", tmp_path / "none"
    card.touch()
    other.touch()
    groups = os.getgroups() or [os.getgid()]
    os.chown(card, -1, groups[-1])
    os.chown(other, -1, groups[-1])
    expected = () if groups[-1] == 0 else (str(groups[-1]),)
    assert expected == groups_of([str(card), str(other), str(missing)])
    if os.getuid() == 0:
        os.chown(card, -1, 44)
        os.chown(other, -1, 993)
        assert ("44", "993") == groups_of([str(card), str(other), "/dev/null"])


def test_a_client_hands_on_what_means_the_same_inside():
    run = launch("docker run --device /dev/kfd image", gpus=("GPU-aa",), gpu_env=AMD)
    assert {"ROCR_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES"} == _shown(run, client_run(run)).keys()


def test_a_client_hands_on_all_that_hides_gpus():
    run = launch(
        "docker run image", gpus=(), gpu_env={"GGML_VK_VISIBLE_DEVICES": "", "ROCR_VISIBLE_DEVICES": ""}
    )
    assert run.gpu_env == _shown(run, client_run(run))


def test_a_clients_own_word_has_none_of_ours_beside_it():
    run = launch("docker run -e HIP_VISIBLE_DEVICES=1 image", gpus=("GPU-aa",), gpu_env=AMD)
    assert {} == _shown(run, client_run(run))
