"""How Ray is started: nothing of it on more than it needs, and nothing of somebody else's."""

import sys
from pathlib import Path

import pytest

from zoosup.fleet import ray_settings
from zoosup.spec.model.fleet import FleetSpec

SPEC = FleetSpec(
    head="10.0.0.5:6379",
    node="gpu-1",
    token_file="/etc/zoosup/fleet.token",
    ports={"node": 7001, "objects": 7002, "workers": "7100-7120"},
)
STATE = Path("/var/lib/zoosup/default")
STORE = f"{STATE}/fleet/head-{ray_settings.VERSION}"


def command(address):
    return ray_settings.start_command("/bin/python", SPEC, address, Path("/tmp/r"))


def environment(spec=SPEC, head=False, **environ):
    return ray_settings.environment(spec, environ, STATE, head=head, token=Path(spec.token_file))


def test_the_host_with_the_heads_address_runs_the_head_and_all_others_join_it():
    head, worker = command("10.0.0.5"), command("10.0.0.7")
    assert {"--head", "--port=6379"} <= set(head)
    assert "--address=10.0.0.5:6379" in worker
    assert "--head" not in worker
    assert "--node-ip-address=10.0.0.7" in worker


@pytest.mark.parametrize("address", ["10.0.0.5", "10.0.0.7"])
def test_it_takes_no_processor_no_gpu_and_the_least_of_memory_and_the_ports_of_the_file(address):
    expected = {
        "--num-cpus=0",
        "--num-gpus=0",
        "--object-store-memory=80000000",
        "--node-manager-port=7001",
        "--object-manager-port=7002",
        "--min-worker-port=7100",
        "--max-worker-port=7120",
        "--temp-dir=/tmp/r",
        "--block",
    }
    assert expected <= set(command(address))


def test_somebody_elses_ray_is_not_joined():
    env = environment(RAY_ADDRESS="10.9.9.9:6379", RAY_x="1", PATH="/bin")
    assert ("/bin", None, None) == (env["PATH"], env.get("RAY_ADDRESS"), env.get("RAY_x"))


def test_it_asks_for_the_token_tells_nobody_of_its_use_and_kills_nothing_for_memory():
    env = environment()
    assert ("token", "/etc/zoosup/fleet.token") == (env["RAY_AUTH_MODE"], env["RAY_AUTH_TOKEN_PATH"])
    assert ("0", "0") == (env["RAY_USAGE_STATS_ENABLED"], env["RAY_memory_monitor_refresh_ms"])


@pytest.mark.parametrize(
    ("store", "expected"),
    [
        ("auto", {"RAY_gcs_storage": "rocksdb", "RAY_gcs_storage_path": STORE}),
        ("rocksdb", {"RAY_gcs_storage": "rocksdb", "RAY_gcs_storage_path": STORE}),
        ("memory", {}),
        ("redis://10.0.0.9:6379", {"RAY_REDIS_ADDRESS": "10.0.0.9:6379"}),
    ],
)
def test_the_head_alone_keeps_what_it_knows(store, expected):
    spec = SPEC.model_copy(update={"head_store": store})
    kept = {k: v for k, v in environment(spec, head=True).items() if "gcs_storage" in k or "REDIS" in k}
    assert expected == kept
    assert not [k for k in environment(spec) if "gcs_storage" in k or "REDIS" in k]


@pytest.mark.parametrize("state", ["/tmp/s", f"/home/{'x' * 90}/zoosup/default"])
def test_its_sockets_have_paths_that_the_kernel_takes(state):
    temp = ray_settings.temp_dir(Path(state))
    session = "session_2026-11-30_07-44-27_357283_4194304/sockets/plasma_store"
    assert len(str(temp / session)) <= 107


def test_two_hosts_on_one_machine_have_places_of_their_own():
    assert 2 == len({ray_settings.temp_dir(Path(f"/home/{'x' * 90}/{name}")) for name in "ab"})


def test_none_of_this_imports_ray():
    assert "ray" not in sys.modules
