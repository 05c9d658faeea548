"""What a container's command says that can't work, or probably won't."""

import pytest
from hypothesis import given, strategies as st

from zoosup.spec.lint.engine_lint import lint_containers
from zoosup.spec.lint.lint import lint
from zoosup.spec.model.model import ModelSpec
from zoosup.spec.model.zoo import ZooSpec
from zoosup.spec.parse import parse
from zoosup.spec.syntax.problems import Problems

HEAD = "active: []\ngateway: false\nstatus: {listen: null}\n"
P = "-p 127.0.0.1:${PORT}:80"


def found(text):
    spec = parse(text, path="z", environ={})
    return lint(text, spec, path="z")


def model(command, rest="", top=""):
    text = f"{HEAD}{top}models:\n  a:\n    command: {command}\n" + (f"    {rest}\n" if rest else "")
    return found(text)


def lines(problems):
    return [str(each) for each in problems]


@pytest.mark.parametrize(
    "command",
    [
        f"docker run --rm {P} x",
        "docker run -p ${HOST}:${PORT}:80 x",
        "docker run --network host x --port ${PORT}",
        "docker run --net=host x --host 0.0.0.0 --port=${PORT}",
        "docker run --network container:b x",
        f"docker run {P} -p 127.0.0.1:9090:9090 -p 127.0.0.1:53:53/udp x",
        f"docker run -i {P} x",
        f"docker run --gpus all {P} x",
        f"podman run --name zoo-${{MODEL_ID}} {P} x --port 80",
    ],
)
def test_what_works_is_not_spoken_of(command):
    said = model(command)
    assert [] == lines(said.errors) + lines(said.warnings)


@pytest.mark.parametrize(
    ("command", "what", "instead"),
    [
        ("docker run -p 80 x", "-p without an address lets other hosts reach", "-p 127.0.0.1:${PORT}:80"),
        (
            "docker run -p 8080:80 x",
            "-p without an address lets other hosts reach",
            "-p 127.0.0.1:${PORT}:80",
        ),
        ("docker run -p ${PORT}:80 x", "-p without an address", "-p 127.0.0.1:${PORT}:80"),
        (
            "docker run -p 0.0.0.0:${PORT}:80 x",
            "-p on 0.0.0.0 lets other hosts reach",
            "-p 127.0.0.1:${PORT}:80",
        ),
        ("docker run -p [::]:${PORT}:80 x", "-p on :: lets other hosts reach", "-p 127.0.0.1:${PORT}:80"),
        (
            "docker run -p localhost:${PORT}:80 x",
            "localhost, which is no IP address",
            "-p 127.0.0.1:${PORT}:80",
        ),
        (f"docker run {P} -p 9090:9090 x", "-p without an address", "-p 127.0.0.1:9090:9090"),
        ("docker run -p 127.0.0.1:8080:80 x", "-p 8080:80 is not the model's port, which is auto", P),
        ("docker run -p [::1]:${PORT}:80 x", "-p on ::1 is not where zoosup asks, which is 127.0.0.1", P),
        ("docker run -p 127.0.0.1::80 x", "publishes a port that docker chooses", P),
        ("podman run -P x", "publishes a port that podman chooses", "-p 127.0.0.1:${PORT}:8080"),
        ("docker run x", "publishes no port", "-p 127.0.0.1:${PORT}:8080"),
        ("docker run --network models x", "publishes no port", "-p 127.0.0.1:${PORT}:8080"),
        (
            "docker run --network host x --port 80",
            "--port 80 is not the model's port",
            "${PORT}, or port: 80",
        ),
        (f"docker run --network host x --port {'1' * 5000}", "is not the model's port", "1" * 5000),
        (
            "docker run --network host x --port=80",
            "--port 80 is not the model's port",
            "${PORT}, or port: 80",
        ),
    ],
)
def test_ports_that_others_reach_or_nobody_are_told(command, what, instead):
    warnings = lines(model(command).warnings)
    assert any(what in line and line.endswith(instead) for line in warnings), warnings
    assert all(line.startswith("z:6:14: models.a.command: ") for line in warnings)


def test_a_fixed_port_may_be_published_under_its_number():
    assert [] == lines(model("docker run -p 127.0.0.1:9001:80 x", "port: 9001").warnings)
    (line,) = lines(model("docker run -p 9001:80 x", "port: 9001").warnings)
    assert line.endswith("expected -p 127.0.0.1:${PORT}:80")


def test_the_place_is_that_of_the_word():
    (line,) = lines(
        model("\n      [docker, run,\n       -p, '8080:80', -p, '127.0.0.1:${PORT}:81', x]").warnings
    )
    assert line.startswith("z:8:23: models.a.command: -p without an address")


def test_a_terminal_is_not_to_be_had():
    assert "-t asks for a terminal" in lines(model(f"nerdctl run -t {P} x").errors)[0]
    (line,) = lines(model(f"docker run -it {P} x").errors)
    assert "-it asks for a terminal, and there is none: docker refuses to start, expected neither" in line
    for command in (f"docker run -t {P} x", f"podman run -it {P} x"):
        said = model(command)
        assert [] == said.errors
        assert "-t makes its output a terminal's" in lines(said.warnings)[0]


NAMED = "{HEAD}models:\n  a: {{command: {a}}}\n  b: {{command: {b}}}\n"


@pytest.mark.parametrize(
    ("a", "b", "clash"),
    [
        ("docker run --name zoo", "sudo -n docker run --name=zoo", True),
        ("docker run --name zoo", "docker run --name zoo2", False),
        ("docker run --name zoo", "podman run --name zoo", False),
        ("docker run --name z${PORT}", "docker run --name z${PORT}", False),
        ("docker run", "docker run", False),
    ],
)
def test_two_models_of_one_name_are_named_both(a, b, clash):
    said = found(NAMED.format(HEAD=HEAD, a=f"'{a} {P} x'", b=f"'{b} {P} x'"))
    expected = "z:6:16: models.b.command: --name zoo is the name of a's container too, expected a name each"
    assert [True] * clash == [line.startswith(expected) for line in lines(said.errors)]


@pytest.mark.parametrize(
    ("options", "rest", "top", "what"),
    [
        (
            "--gpus all",
            "",
            "budget: {vram: {0: 20GiB, 1: 20GiB}}\n",
            "are in CUDA_VISIBLE_DEVICES, which zoosup adds",
        ),
        ("--gpus=all,capabilities=utility", "gpus: 2", "", "hands over every GPU"),
        ("--device nvidia.com/gpu=all", "gpus: [0, 1]", "", "hands over every GPU"),
        ("--gpus all", "memory: {ram: 1GiB, vram: {0: 1GiB, 1: 1GiB}}", "", "hands over every GPU"),
        (
            "--gpus device=1",
            "",
            "",
            "--gpus device=1 is fixed, and by gpus: auto zoosup may give the model another",
        ),
        ("--gpus '\"device=0,1\"'", "gpus: 2", "", "--gpus device=0,1 is fixed, and by gpus: 2"),
        ("--gpus 1", "", "", "--gpus 1 is fixed"),
        (
            "--device nvidia.com/gpu=0",
            "",
            "",
            "expected --device nvidia.com/gpu=all, or those GPUs under gpus",
        ),
        ("--gpus all", "", "", None),
        ("--gpus all", "gpus: none", "budget: {vram: {0: 20GiB, 1: 20GiB}}\n", None),
        ("--gpus device=1", "gpus: [1]", "", None),
    ],
)
def test_gpus_that_placement_may_choose_otherwise_are_told(options, rest, top, what):
    said = " ".join(lines(model(f"docker run {options} {P} x", rest, top).warnings))
    assert what in said if what else not said


@pytest.mark.parametrize(
    ("command", "what", "fatal"),
    [
        (
            "docker compose up",
            "docker compose starts containers of which zoosup sees the client alone",
            False,
        ),
        ("docker-compose -f x.yml up -d", "docker compose starts containers", True),
        ("docker start x", "docker start starts a container that was made elsewhere, and ends at once", True),
        ("docker start -a x", "docker start starts a container that was made elsewhere", False),
        ("podman exec x serve", "podman exec starts the server in a container of somebody else's", False),
        ("podman container exec -d x serve", "podman container exec starts the server in", True),
        ("docker create x", "docker create starts nothing", True),
        ("podman kube play x.yaml", "podman kube starts containers in the background", True),
    ],
)
def test_other_subcommands_are_told_what_to_write_instead(command, what, fatal):
    said = model(command)
    (line,) = lines(said.errors if fatal else said.warnings)
    assert what in line
    assert f"{'podman' if 'podman' in command else 'docker'} run --rm …" in line
    assert [] == (said.warnings if fatal else said.errors)


def test_a_subcommand_that_runs_nothing_of_ours_is_let_pass():
    said = model("docker logs -f x")
    assert [] == said.errors + said.warnings


def test_a_run_without_an_image_can_not_work():
    (line,) = lines(model(f"docker run {P} --name").errors)
    assert "docker run names no image" in line


def test_a_cidfile_of_ones_own_is_in_the_way_of_the_next_start():
    (line,) = lines(model(f"podman run --cidfile /run/x {P} x").warnings)
    assert "--cidfile leaves its file behind, and podman refuses the next start" in line


@pytest.mark.parametrize(
    ("command", "seen"),
    [
        ("[sh, -c, 'exec docker run --rm x']", True),
        ("[bash, -lc, 'cd /srv && sudo -n /usr/bin/podman run x | tee log']", True),
        ("[sh, -c, 'docker logs -f x']", False),
        ("[sh, -c, './serve --docker run']", False),
        ("[python, -c, 'docker run x']", False),
    ],
)
def test_a_run_within_a_shell_is_told_that_nobody_sees_it(command, seen):
    found = lines(model(command).warnings)
    assert [True] * seen == ["run within a shell is not seen" in line for line in found]


OPTIONS = st.lists(
    st.sampled_from(
        ["-p", "-p:", "::", "[", "--net", "host", "--gpus", "=", "--port", "--name", "-it", "--", "9", "x"]
    )
    | st.text("-:=[]/.,9a", max_size=6),
    max_size=8,
)


@given(st.sampled_from(["run", "container", "start", "compose", "-H", "--context="]), OPTIONS)
def test_no_words_are_too_strange(subcommand, words):
    spec = ZooSpec(models={"a": ModelSpec(command=("docker", subcommand, *words))})
    errors, warnings = Problems("z"), Problems("z")
    lint_containers(spec, lambda _, at: (1, at), lambda _: "z", errors, warnings)
    assert all(0 <= each.column < len(words) + 2 for each in (*errors.found, *warnings.found))
