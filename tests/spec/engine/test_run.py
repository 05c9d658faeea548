import pytest
from hypothesis import assume, given, strategies as st

from zoosup.spec.engine.options import RUN_FLAGS, RUN_VALUES
from zoosup.spec.engine.run import parse_run, with_additions
from zoosup.spec.engine.values import Publish, Volume
from zoosup.spec.syntax.words import split_words

LLAMA = "ghcr.io/ggml-org/llama.cpp:server"
COMMANDS = {
    f"docker run --rm {LLAMA} -m /m.gguf": (LLAMA, "-m /m.gguf"),
    f"docker run --rm -it {LLAMA}": (LLAMA, ""),
    f"docker run -itp 8080:80 {LLAMA} --port 80": (LLAMA, "--port 80"),
    f"docker run -p8080:80 {LLAMA}": (LLAMA, ""),
    f"docker run -p=8080:80 {LLAMA}": (LLAMA, ""),
    f"docker run --name=a --gpus=all {LLAMA} -c 1": (LLAMA, "-c 1"),
    f"docker run --name a --gpus all -v /srv:/models:ro {LLAMA} -m /models/x": (LLAMA, "-m /models/x"),
    f"docker run --gpus '\"device=0,1\"' {LLAMA}": (LLAMA, ""),
    f"docker run --shm-size 8g --ipc host --ulimit memlock=-1 {LLAMA}": (LLAMA, ""),
    f"docker run -m 11g --memory-swap 11g --cpus 4 --cpuset-cpus 0-3 {LLAMA}": (LLAMA, ""),
    f"docker run -e A=b --env C --env-file=/e -w /app -u 1000:1000 {LLAMA}": (LLAMA, ""),
    f"docker run -- {LLAMA} -- x": (LLAMA, "-- x"),
    f"docker run --rm=false --init --read-only --privileged {LLAMA}": (LLAMA, ""),
    f"docker run --log-driver json-file --log-opt max-size=10m {LLAMA}": (LLAMA, ""),
    f"docker run --security-opt seccomp=unconfined --cap-add SYS_PTRACE --cap-drop=ALL {LLAMA}": (LLAMA, ""),
    f"docker run --device /dev/kfd --device=/dev/dri --group-add video {LLAMA}": (LLAMA, ""),
    f"docker run --no-healthcheck --stop-timeout 30 --stop-signal SIGINT {LLAMA}": (LLAMA, ""),
    f"docker run --entrypoint /bin/sh {LLAMA} -c 'exec x'": (LLAMA, "-c|exec x"),
    f"docker run --pull always --platform linux/amd64 -q {LLAMA}": (LLAMA, ""),
    f"docker run --net host --add-host a:1.2.3.4 --dns-opt x {LLAMA}": (LLAMA, ""),
    f"docker run --brand-new thing {LLAMA}": (LLAMA, ""),
    f"docker run -P --sig-proxy=false -a stdout -a stderr {LLAMA}": (LLAMA, ""),
    f"podman run --replace --name a --rm --userns keep-id --device nvidia.com/gpu=all {LLAMA}": (LLAMA, ""),
    f"podman run --security-opt=label=disable --tls-verify=false --http-proxy {LLAMA}": (LLAMA, ""),
    f"podman run --ulimit nofile=1:1 --cgroups=enabled --network host {LLAMA}": (LLAMA, ""),
    f"podman run --log-level debug --root /srv {LLAMA} x": (LLAMA, "x"),
    f"podman container run --health-cmd none --sdnotify=ignore --tz local {LLAMA}": (LLAMA, ""),
    "podman run --rootfs --env-host --no-hosts /srv/root x": ("/srv/root", "x"),
    f"nerdctl --namespace m run --ipfs-address /x --cosign-key k {LLAMA}": (LLAMA, ""),
    f"nerdctl run --insecure-registry -n m --rm {LLAMA} x": (LLAMA, "x"),
    f"env DOCKER_HOST=unix:///x sudo -n docker run {LLAMA} x": (LLAMA, "x"),
    "docker run localhost:5000/a/b@sha256:0f x": ("localhost:5000/a/b@sha256:0f", "x"),
    "docker run --rm": (None, ""),
    "docker run --name": (None, ""),
    "docker run": (None, ""),
}  # fmt: skip


@pytest.mark.parametrize("command", COMMANDS)
def test_image_and_arguments_are_found(command):
    image, args = COMMANDS[command]
    found = parse_run(split_words(command))
    assert (image, tuple(args.split("|") if "|" in args else args.split())) == (found.image, found.args)


@pytest.mark.parametrize(
    "command", ["docker start x", "docker compose run x", "docker image x", "docker", "llama-server run x"]
)
def test_other_calls_run_nothing(command):
    assert parse_run(command.split()) is None
    with pytest.raises(ValueError, match="run no container"):
        with_additions(command.split(), cidfile="/c", labels={}, env={})


def run(options, engine="docker"):
    return parse_run([*f"{engine} run {options}".split(), "image"])


def test_what_the_options_say():
    found = run(
        "-d --rm -it --init --name zoo-a --cidfile /c --restart always --net host --gpus all --entrypoint /x "
        "--memory 11g -w /app -e A=b=c -e D -p 127.0.0.1:${PORT}:80 -p 9 -v /s:/m:ro --mount type=bind,src=/t,dst=/n "
        "--tmpfs /n/x"
    )
    assert (True, True, True, True, True) == (
        found.detach, found.remove, found.interactive, found.tty, found.init,
    )  # fmt: skip
    assert ("zoo-a", "/c", "always", "host", "all", "/x", "11g", "/app") == (
        found.name, found.cidfile, found.restart, found.network, found.gpus, found.entrypoint, found.memory,
        found.workdir,
    )  # fmt: skip
    assert {"A": "b=c", "D": None} == found.env
    assert (Publish("127.0.0.1", "${PORT}", "80"), Publish("", "", "9")) == found.publish
    assert (Volume("/s", "/m", ("ro",)), Volume("/t", "/n"), Volume("", "/n/x")) == found.volumes


def test_what_is_not_said_is_not_there():
    found = run("")
    assert not any((found.detach, found.remove, found.interactive, found.tty, found.init, found.sees_gpus))
    assert {None} == {
        found.name, found.cidfile, found.gpus, found.entrypoint, found.memory, found.workdir
    }  # fmt: skip
    assert ("no", "", {}, (), ()) == (found.restart, found.network, found.env, found.publish, found.volumes)


@pytest.mark.parametrize(
    ("options", "detached"),
    [("-d", True), ("--detach", True), ("--detach=true", True), ("-itd", True), ("-dit", True), ("-d=false", False),
     ("--detach=false", False), ("--detach --detach=false", False), ("--detach-keys d", False), ("-e -d", False)],
)  # fmt: skip
def test_a_run_that_does_not_stay_in_front_is_seen(options, detached):
    assert detached is run(options).detach


@pytest.mark.parametrize(
    ("options", "sees"),
    [("--gpus all", True), ("--device nvidia.com/gpu=all", True), ("--device=/dev/kfd --device=/dev/dri", True),
     ("--runtime nvidia", True), ("--privileged", True), ("-e NVIDIA_VISIBLE_DEVICES=0", True),
     ("--device /dev/fuse", False), ("--runtime crun", False), ("-e CUDA_VISIBLE_DEVICES=0", False)],
)  # fmt: skip
def test_whether_it_is_handed_a_gpu(options, sees):
    assert sees is run(options).sees_gpus


def test_options_of_the_engine_that_stand_behind_run_belong_to_every_other_call():
    assert ("podman", "--root=/srv", "--log-level=debug") == run(
        "--root /srv --log-level debug", "podman"
    ).prefix
    assert ("docker",) == run("--rm").prefix


def added(command, env=None):
    return with_additions(
        command.split(), cidfile="/cid", labels={"zoosup.run": "1", "zoosup.model": "a"}, env=env or {}
    )


def test_additions_stand_right_behind_run():
    found = added("sudo -n docker container run --rm image run", {"CUDA_VISIBLE_DEVICES": "GPU-1"})
    expected = (
        "sudo -n docker container run --cidfile /cid --label zoosup.run=1 --label zoosup.model=a "
        "--env CUDA_VISIBLE_DEVICES=GPU-1 --rm image run"
    )
    assert expected == " ".join(found.words)
    assert ("/cid", ()) == (found.cidfile, found.kept)


def test_what_the_user_has_said_himself_stays():
    command = "docker run --cidfile=/mine -e CUDA_VISIBLE_DEVICES image"
    found = added(command, {"CUDA_VISIBLE_DEVICES": "1", "B": "2"})
    expected = command.replace("run ", "run --label zoosup.run=1 --label zoosup.model=a --env B=2 ")
    assert expected.split() == list(found.words)
    assert ("/mine", ("--cidfile", "--env CUDA_VISIBLE_DEVICES")) == (found.cidfile, found.kept)


WORD = st.text("ab-=:/$ {}é", max_size=8)
IMAGE = st.sampled_from(["image", "ghcr.io/a/b:tag", "run", "docker"])
FLAG = st.sampled_from(sorted(RUN_FLAGS)).map(lambda name: [f"--{name}"])
LONG = st.tuples(st.sampled_from(sorted(RUN_VALUES)), WORD, st.booleans()).map(
    lambda each: [f"--{each[0]}={each[1]}"] if each[2] else [f"--{each[0]}", each[1]]
)
LETTERS = st.tuples(
    st.text("itqP", max_size=3), st.sampled_from("pevmwul"), WORD.filter(bool), st.booleans()
).map(lambda each: [f"-{each[0]}{each[1]}", each[2]] if each[3] else [f"-{each[0]}{each[1]}{each[2]}"])
PREFIX = st.sampled_from(
    [
        "docker",
        "podman",
        "/opt/nerdctl",
        "sudo -n docker",
        "env A=b docker -H x",
        "podman --root /a",
        "nice docker",
    ]
)
RUN = st.sampled_from(["run", "container run"])


@st.composite
def calls(draw):
    """(words before, words of options, the image, its arguments)."""
    before = [*draw(PREFIX).split(), *draw(RUN).split()]
    options = [word for option in draw(st.lists(FLAG | LONG | LETTERS, max_size=6)) for word in option]
    return before, options, draw(IMAGE), draw(st.lists(WORD, max_size=4))


@given(calls(), st.booleans())
def test_whatever_is_composed_is_found_again(call, ended):
    before, options, image, args = call
    found = parse_run([*before, *options, *(["--"] if ended else []), image, *args])
    assert (image, tuple(args)) == (found.image, found.args)
    assert before[: before.index("run")] == [
        *found.client.prefix,
        *(["container"] if "container" in before else []),
    ]


@given(calls(), st.dictionaries(st.sampled_from(["zoosup.run", "zoosup.model"]), WORD),
       st.dictionaries(st.sampled_from("ABC"), WORD))  # fmt: skip
def test_additions_leave_everything_else_as_it_is(call, labels, env):
    before, options, image, args = call
    words = (*before, *options, image, *args)
    assume(parse_run(words).last("cidfile") != "")  # refused
    was, prepared = parse_run(words), with_additions(words, cidfile="/c", labels=labels, env=env)
    now = parse_run(prepared.words)
    size = len(prepared.words) - len(words)
    assert words == prepared.words[: was.at + 1] + prepared.words[was.at + 1 + size :]
    assert (was.image, was.args, was.prefix) == (now.image, now.args, now.prefix)
    assert [(o.name, o.value) for o in was.options] == [(o.name, o.value) for o in now.options][
        len(now.options) - len(was.options) :
    ]
    assert prepared.cidfile == now.cidfile == (was.cidfile or "/c")
    assert {**env, **was.env} == dict(now.env)
