import pytest

from zoosup.spec.engine.client import find_client

CALLS = {
    "docker run x": ("docker", "docker", "run"),
    "/usr/bin/podman run x": ("podman", "/usr/bin/podman", "run"),
    "nerdctl -n k8s.io run x": ("nerdctl", "nerdctl -n k8s.io", "run"),
    "nerdctl --namespace=models -a /run/c.sock run x": ("nerdctl", "nerdctl --namespace=models -a /run/c.sock", "run"),
    "docker container run x": ("docker", "docker", "container run"),
    "podman container --root /srv run x": ("podman", "podman --root /srv", "container run"),
    "docker --context gpu-box run x": ("docker", "docker --context gpu-box", "run"),
    "docker -c gpu-box run x": ("docker", "docker -c gpu-box", "run"),
    "docker -H unix:///run/d.sock run x": ("docker", "docker -H unix:///run/d.sock", "run"),
    "docker -Hunix:///run/d.sock run x": ("docker", "docker -Hunix:///run/d.sock", "run"),
    "docker -D -l debug run x": ("docker", "docker -D -l debug", "run"),
    "docker --debug --log-level=warn --tlsverify run x": (
        "docker", "docker --debug --log-level=warn --tlsverify", "run",
    ),
    "podman --root /a --runroot /b --cgroup-manager cgroupfs run x": (
        "podman", "podman --root /a --runroot /b --cgroup-manager cgroupfs", "run",
    ),
    "podman -r --url unix:///p.sock run x": ("podman", "podman -r --url unix:///p.sock", "run"),
    "podman --remote -c box run x": ("podman", "podman --remote -c box", "run"),
    "env docker run x": ("docker", "env docker", "run"),
    "env DOCKER_HOST=tcp://b:1 A=b docker run x": ("docker", "env DOCKER_HOST=tcp://b:1 A=b docker", "run"),
    "env -i -u HOME --unset=X -C / A=b docker run x": ("docker", "env -i -u HOME --unset=X -C / A=b docker", "run"),
    "/usr/bin/env -- docker run x": ("docker", "/usr/bin/env -- docker", "run"),
    "sudo -n docker run x": ("docker", "sudo -n docker", "run"),
    "sudo -nEu models X=1 /usr/bin/docker run x": ("docker", "sudo -nEu models X=1 /usr/bin/docker", "run"),
    "sudo -n --user=models podman run x": ("podman", "sudo -n --user=models podman", "run"),
    "nice -n 10 docker run x": ("docker", "nice -n 10 docker", "run"),
    "nice -10 docker run x": ("docker", "nice -10 docker", "run"),
    "ionice -c3 nice docker run x": ("docker", "ionice -c3 nice docker", "run"),
    "taskset -c 0-7 docker run x": ("docker", "taskset -c 0-7 docker", "run"),
    "timeout -k 5 10m docker run x": ("docker", "timeout -k 5 10m docker", "run"),
    "numactl --cpunodebind=0 -m 0 docker run x": ("docker", "numactl --cpunodebind=0 -m 0 docker", "run"),
    "stdbuf -oL docker run x": ("docker", "stdbuf -oL docker", "run"),
    "sudo -n env A=b nice docker run x": ("docker", "sudo -n env A=b nice docker", "run"),
    "podman-remote --url unix:///p.sock run x": ("podman", "podman-remote --url unix:///p.sock", "run"),
    "docker compose up": ("docker", "docker", "compose"),
    "docker-compose -f a.yml up": ("docker", "", "compose"),
    "docker start -a x": ("docker", "docker", "start"),
    "docker container exec x y": ("docker", "docker", "container exec"),
    "docker": ("docker", "docker", ""),
    "docker container": ("docker", "docker", "container"),
    "docker --version": ("docker", "docker --version", ""),
}  # fmt: skip


@pytest.mark.parametrize("command", CALLS)
def test_the_client_and_what_it_is_told_are_found(command):
    found = find_client(tuple(command.split()))
    assert CALLS[command] == (found.engine, " ".join(found.prefix), " ".join(found.subcommand))


@pytest.mark.parametrize(
    "command",
    ["llama-server -m docker", "sh -c docker", "env", "env -S docker run x", "timeout docker", "", "sudo -n",
     "dockerd run x", "docker.sh run x", "env A=b", "ssh box docker run x", "nice " * 9 + "docker run x"],
)  # fmt: skip
def test_other_programs_are_no_clients(command):
    assert find_client(tuple(command.split())) is None


def test_global_options_have_their_whole_names():
    found = find_client(("docker", "-H", "tcp://b:1", "-D", "run", "x"))
    assert [("host", "tcp://b:1"), ("debug", "true")] == [(each.name, each.value) for each in found.options]
