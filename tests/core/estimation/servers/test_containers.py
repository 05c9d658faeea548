"""What a container's command says of the server inside it, and where its paths lie on this host."""

import pytest
from hypothesis import given, strategies as st

from zoosup.core.estimation.learned import fingerprint
from zoosup.core.estimation.llama_fit import question
from zoosup.core.estimation.need import need, offloads
from zoosup.core.estimation.servers.command_line import understand, understand_container
from zoosup.core.estimation.servers.containers import Served, served, served_by
from zoosup.core.estimation.servers.server import Server
from zoosup.core.state.weights import FileFacts, WeightFacts
from zoosup.spec.engine.values import Volume
from zoosup.spec.model.model import ModelSpec

GIB = 2**30
LLAMA = "ghcr.io/ggml-org/llama.cpp"
SRV = "-v /srv/models:/models:ro"


def model(command, gpus="auto", **env):
    return ModelSpec.model_validate({"command": command, "env": env, "gpus": gpus})


def said(command, **env):
    return understand(model(command, **env))


# the server's words

COMMANDS = {
    f"docker run --rm {SRV} {LLAMA}:server -m /models/x.gguf -c 8192": ("llama-server", "/srv/models/x.gguf"),
    f"docker run {SRV} {LLAMA}:server-cuda-b6000 -m /models/x.gguf": ("llama-server", "/srv/models/x.gguf"),
    f"docker run {SRV} {LLAMA}:full --server -m /models/x.gguf": ("llama-server", "/srv/models/x.gguf"),
    f"docker run {SRV} {LLAMA}:full-rocm -s -m /models/x.gguf": ("llama-server", "/srv/models/x.gguf"),
    f"podman run {SRV} registry.local:5000/mirror/llama.cpp:server@sha256:0f -m /models/x.gguf": (
        "llama-server", "/srv/models/x.gguf",
    ),
    f"docker run {SRV} -e LLAMA_ARG_MODEL=/models/x.gguf {LLAMA}:server": ("llama-server", "/srv/models/x.gguf"),
    f"docker run {SRV} --entrypoint /app/llama-server {LLAMA}:light -m /models/x.gguf": (
        "llama-server", "/srv/models/x.gguf",
    ),
    f"docker run {SRV} --entrypoint '' debian llama-server -m /models/x.gguf": ("llama-server", "/srv/models/x.gguf"),
    f"docker run {SRV} --entrypoint sh {LLAMA}:server -c 'exec llama-server -m /models/x.gguf'": (
        "llama-server", "/srv/models/x.gguf",
    ),
    f"podman run {SRV} --entrypoint '[\"nice\",\"llama-server\"]' debian -m /models/x.gguf": (
        "llama-server", "/srv/models/x.gguf",
    ),
    f"docker run {SRV} --entrypoint /bin/bash {LLAMA}:server -lc 'llama-server -m /models/x.gguf'": (
        "llama-server", "/srv/models/x.gguf",
    ),
    f"docker run {SRV} {LLAMA}:full --run -m /models/x.gguf": ("other", "/srv/models/x.gguf"),
    f"docker run {SRV} localhost/cuda-server:latest llama-server -m /models/x.gguf": (
        "llama-server", "/srv/models/x.gguf",
    ),
    f"docker run {SRV} localhost/mine --model /models/x.gguf": ("other", "/srv/models/x.gguf"),
    f"docker run -v ./models:/models -w /models {LLAMA}:server -m x.gguf": ("llama-server", "./models/x.gguf"),
    f"docker run -v /srv/models:/app/models {LLAMA}:server -m models/x.gguf": ("llama-server", "/srv/models/x.gguf"),
    f"docker run --gpus all {SRV} vllm/vllm-openai:v0.11 --model /models/q": ("vllm", "/srv/models/q"),
    f"docker run --gpus all {SRV} vllm/vllm-openai /models/q --port 8000": ("vllm", "/srv/models/q"),
    f"docker run {SRV} rocm/vllm vllm serve /models/q": ("vllm", "/srv/models/q"),
    f"docker run {SRV} public.ecr.aws/q9t5s3a7/vllm-cpu-release-repo:v1 --model=/models/q": ("vllm", "/srv/models/q"),
    "docker run -v /srv/d:/data ghcr.io/huggingface/text-embeddings-inference:cpu-1.8 --model-id /data/bge": (
        "text-embeddings-inference", "/srv/d/bge",
    ),
    "docker run -v /srv/d:/data -e MODEL_ID=/data/bge ghcr.io/huggingface/text-embeddings-inference:1.8": (
        "text-embeddings-inference", "/srv/d/bge",
    ),
    "docker run -v /srv/m:/app/models ghcr.io/theroyallab/tabbyapi main.py --model-name exl3": (
        "tabbyapi", "/srv/m/exl3",
    ),
    "docker run -v /srv/m:/w -e TABBY_MODEL_MODEL_DIR=/w -e TABBY_MODEL_MODEL_NAME=exl3 ghcr.io/theroyallab/tabbyapi": (
        "tabbyapi", "/srv/m/exl3",
    ),
    f"docker run {SRV} lmsysorg/sglang:latest python3 -m sglang.launch_server --model-path /models/q": (
        "sglang", "/srv/models/q",
    ),
    f"docker run {SRV} ghcr.io/ggml-org/whisper.cpp:main 'whisper-server -m /models/w.bin --port 8080'": (
        "other", "/srv/models/w.bin",
    ),
}  # fmt: skip


@pytest.mark.parametrize("command", COMMANDS)
def test_the_server_inside_is_understood_and_its_model_found_on_this_host(command):
    heard = said(command)
    assert COMMANDS[command] == (heard.kind, heard.model)
    assert (True, ()) == (heard.contained, heard.hidden)
    assert (heard.model,) == heard.files


@pytest.mark.parametrize(
    "command",
    [
        "docker run -v ollama:/root/.ollama ollama/ollama",
        f"docker run {SRV} vllm/vllm-openai --port 8000",
        f"docker run {SRV} {LLAMA}:light -m",
        f"docker run {SRV} ghcr.io/ggml-org/whisper.cpp:main 'a && b'",
        "docker run ghcr.io/theroyallab/tabbyapi",
        "docker run",
        f"docker run --entrypoint sh {SRV} debian -c 'cd /models; llama-server -m x.gguf'",
        f"docker -H ssh://box run {SRV} {LLAMA}:server -m /models/x.gguf",
        f"docker --context box run {SRV} {LLAMA}:server -m /models/x.gguf",
        f"podman --url tcp://box:1 run {SRV} {LLAMA}:server -m /models/x.gguf",
        f"podman run -c 512 --connection box {SRV} {LLAMA}:server -m /models/x.gguf",
        f"env DOCKER_HOST=tcp://box:1 docker run {SRV} {LLAMA}:server -m /models/x.gguf",
    ],
)
def test_of_others_nothing_is_known(command):
    assert said(command) is None


def test_an_engine_of_another_host_may_be_named_by_the_models_environment():
    command = f"docker run {SRV} {LLAMA}:server -m /models/x.gguf"
    assert said(command, DOCKER_HOST="tcp://box:1") is None
    assert said(command, DOCKER_CONTEXT="box") is None
    assert said(command, CONTAINER_HOST="ssh://box") is None
    assert said(command, CONTAINER_CONNECTION="box") is None
    assert said(command, DOCKER_HOST="unix:///run/user/1000/docker.sock").model == "/srv/models/x.gguf"
    assert said(f"docker --context rootless {command.removeprefix('docker ')}").model == "/srv/models/x.gguf"


def test_every_option_and_variable_counts_as_without_a_container():
    heard = said(
        f"docker run --rm --gpus all {SRV} -v /srv/lora:/lora -e LLAMA_ARG_CTX_SIZE=8192 -e LLAMA_ARG_N_PARALLEL "
        f"-p 127.0.0.1:${{PORT}}:8080 {LLAMA}:server -m /models/x.gguf --mmproj /models/p.gguf --lora /lora/a.gguf "
        "-md /models/d.gguf -np 2 --port 8080",
        LLAMA_ARG_N_PARALLEL="9",
        LLAMA_ARG_BATCH="1",
    )
    assert heard == Server(
        "llama-server", model="/srv/models/x.gguf", mmproj="/srv/models/p.gguf", adapters=("/srv/lora/a.gguf",),
        draft="/srv/models/d.gguf", context=8192, parallel=2, contained=True,
    )  # fmt: skip


def test_a_variable_without_a_value_is_the_clients():
    assert (
        3
        == said(f"docker run -e LLAMA_ARG_N_PARALLEL {LLAMA}:server -m /x", LLAMA_ARG_N_PARALLEL="3").parallel
    )


# paths

VOLUMES = (
    Volume("/srv/models", "/models"), Volume("/fast/q", "/models/q/"), Volume("cache", "/models/cache"),
    Volume("", "/models/tmp"), Volume("./here", "/here"), Volume("/one.gguf", "/m/one.gguf"), Volume("/", "/host"),
    Volume("/srv/up", "/models/../up"), Volume("/srv/max/", "/max"),
    Volume("/nowhere", ""), Volume("/nowhere", "models"),
)  # fmt: skip
PATHS = {
    "/models/x.gguf": "/srv/models/x.gguf",
    "/models/a/b/x.gguf": "/srv/models/a/b/x.gguf",
    "/models": "/srv/models",
    "/models/": "/srv/models",
    "/models/q/x.gguf": "/fast/q/x.gguf",
    "/models/qq/x.gguf": "/srv/models/qq/x.gguf",
    "/models/../models/x.gguf": "/srv/models/x.gguf",
    "/here/x.gguf": "./here/x.gguf",
    "/m/one.gguf": "/one.gguf",
    "/host/etc/x.gguf": "/etc/x.gguf",
    "/host": "/",
    "x.gguf": "/srv/models/w/x.gguf",
    "../x.gguf": "/srv/models/x.gguf",
    "//models//x.gguf": "/srv/models/x.gguf",
    "/up/x.gguf": "/srv/up/x.gguf",
    "/max/x.gguf": "/srv/max/x.gguf",
}
NOWHERE = {
    "/other/x.gguf": "/other/x.gguf is inside the container: no -v leads to it",
    "/models/../etc/x.gguf": "/models/../etc/x.gguf is inside the container: no -v leads to it",
    "/models/cache/x.gguf": "/models/cache/x.gguf is inside the container, in the engine's volume cache",
    "/models/tmp/x.gguf": "/models/tmp/x.gguf is inside the container: no -v leads to it",
}


@pytest.mark.parametrize("path", PATHS)
def test_a_path_is_followed_through_the_innermost_volume(path):
    assert (PATHS[path], "") == Served("x", volumes=VOLUMES, workdir="/models/w").on_host(path)


@pytest.mark.parametrize("path", NOWHERE)
def test_a_path_that_no_folder_leads_to_says_so(path):
    assert ("", NOWHERE[path]) == Served("x", volumes=VOLUMES, workdir="/models/w").on_host(path)


@pytest.mark.parametrize("workdir", [None, "/app"])
def test_a_name_of_a_hub_is_no_path(workdir):
    found = Served("vllm/vllm-openai", volumes=VOLUMES, workdir=workdir).on_host("Qwen/Qwen3-8B")
    assert ("", "Qwen/Qwen3-8B is looked up inside the container") == found


def test_of_two_volumes_at_one_place_the_later_counts():
    assert "/b/x" == Served("x", volumes=(Volume("/a", "/m"), Volume("/b", "/m"))).on_host("/m/x")[0]


PARTS = st.lists(st.sampled_from(["a", "b", "..", "."]), max_size=5).map("/".join)
FOLDERS = st.tuples(st.sampled_from(["/h", "/h/i", "", "vol"]), PARTS.map(lambda p: f"/{p}"))


@given(st.lists(FOLDERS, max_size=4), PARTS)
def test_no_path_leads_out_of_the_folders_that_were_handed_in(folders, path):
    volumes = tuple(Volume(host, folder) for host, folder in folders)
    there, why = Served("x", volumes=volumes).on_host(f"/{path}")
    assert bool(there) is not bool(why)
    assert not there or (there == "/h" or there.startswith("/h/"))
    assert ".." not in there


WORDS = st.lists(
    st.sampled_from(
        [
            "-m",
            "-v",
            "/a:/b",
            "/a:",
            ":",
            "--mount",
            "type=bind,src=/a",
            "--entrypoint",
            "[",
            "sh",
            "-c",
            "-e",
            "-w",
        ]
    )
    | st.text(max_size=6).filter(lambda word: "\0" not in word),
    max_size=8,
)


@given(WORDS, WORDS)
def test_no_words_are_too_strange(options, args):
    for image in (f"{LLAMA}:server", f"{LLAMA}:full", "vllm-openai", "tabbyapi", "whisper.cpp", "x"):
        heard = understand(ModelSpec(command=("docker", "run", *options, image, *args)))
        assert heard is None or heard.contained
    assert ("[" * 100_000, "x") == served_by(
        ("podman", "run", "--entrypoint", "[" * 100_000, "x", "x"), {}
    ).words


# a container that the file describes


def described(**fields):
    container = {"image": f"{LLAMA}:server", "volumes": ["/srv/models:/models"], **fields}
    return understand(ModelSpec.model_validate({"container": container}))


@pytest.mark.parametrize(
    ("options", "args", "model"),
    [
        ({}, ["-m", "/models/x.gguf"], "/srv/models/x.gguf"),
        ({"working_dir": "/models"}, ["-m", "x.gguf"], "/srv/models/x.gguf"),
        ({"entrypoint": ["nice", "llama-server"]}, ["-m", "/models/x.gguf"], "/srv/models/x.gguf"),
        ({"entrypoint": "/app/llama-server"}, ["-m", "/models/x.gguf"], "/srv/models/x.gguf"),
        # It takes the image's away.
        ({"entrypoint": ""}, ["llama-server", "-m", "/models/x.gguf"], "/srv/models/x.gguf"),
        ({"entrypoint": [""]}, ["llama-server", "-m", "/models/x.gguf"], "/srv/models/x.gguf"),
    ],
)
def test_a_container_of_the_file_is_read_like_one_of_a_command(options, args, model):
    heard = described(args=args, options=options)
    assert ("llama-server", model, True) == (heard.kind, heard.model, heard.contained)


@pytest.mark.parametrize("entry", ["nice llama-server", "sh 'x", 7, [7], True])
def test_an_entry_point_in_one_text_is_one_program_whatever_stands_in_it(entry):
    """The engine is handed it so. It was once split into words, and a quote that was not closed ended the pass."""
    assert "other" == described(args=["-m", "/models/x.gguf"], options={"entrypoint": entry}).kind


def test_one_of_the_file_that_names_no_weights_says_nothing():
    assert described(args=["--port", "1"], options={"entrypoint": "ollama"}) is None


# what follows

FACTS = FileFacts("plain", 4 * GIB)


def test_an_estimate_is_that_of_the_file_on_this_host():
    spec = model(f"docker run {SRV} {LLAMA}:server -m /models/x.gguf --cache-ram 0")
    found = need(spec, WeightFacts((("/srv/models/x.gguf", FACTS),)))
    assert ("derived", 6 * GIB) == (found.source, found.amounts["ram"])


@pytest.mark.parametrize(
    ("command", "why"),
    [
        (
            f"docker run {LLAMA}:server -m /models/x.gguf",
            "/models/x.gguf is inside the container: no -v leads to it",
        ),
        (
            f"docker run -v m:/models {LLAMA}:server -m /models/x.gguf",
            "/models/x.gguf is inside the container, in the engine's volume m",
        ),
        ("docker run vllm/vllm-openai --model Qwen/Q", "Qwen/Q is looked up inside the container"),
        (
            f"docker run {SRV} {LLAMA}:server -m /models/x.gguf",
            "llama-server weights /srv/models/x.gguf are not on this host",
        ),
        ("docker run ollama/ollama", "its command names no weights"),
    ],
)
def test_a_guess_says_why_it_is_one(command, why):
    of = need(model(command), WeightFacts())
    assert ("default", f"a guess: {why}") == (of.source, of.terms[0].how)


def test_a_file_of_this_host_that_only_has_the_same_path_is_not_looked_at():
    assert () == said(f"docker run {LLAMA}:server -m /models/x.gguf --mmproj /p.gguf").files


def test_a_part_that_no_volume_leads_to_is_told_beside_the_sum():
    spec = model(f"docker run {SRV} {LLAMA}:server -m /models/x.gguf --mmproj /p.gguf")
    assert ("/srv/models/x.gguf",) == understand(spec).files
    found = need(spec, WeightFacts((("/srv/models/x.gguf", FACTS),)))
    assert "not reckoned: /p.gguf is inside the container: no -v leads to it" == found.note


@pytest.mark.parametrize(
    ("options", "gpus", "env", "uses"),
    [
        ("", "auto", {}, False),
        ("", 1, {}, True),
        ("--gpus all", "auto", {}, True),
        ("--gpus all", "none", {}, False),
        ("--gpus all -e CUDA_VISIBLE_DEVICES=-1", "auto", {}, False),
        ("--gpus all -e CUDA_VISIBLE_DEVICES=", "auto", {}, False),
        ("--gpus all", "auto", {"CUDA_VISIBLE_DEVICES": "-1"}, True),
        ("--device nvidia.com/gpu=all", "auto", {}, True),
    ],
)
def test_only_a_container_that_is_handed_gpus_uses_them(options, gpus, env, uses):
    assert uses is offloads(
        model(f"docker run {options} {SRV} {LLAMA}:server -m /models/x.gguf", gpus, **env)
    )
    assert uses is offloads(model(f"docker run {options} mine", gpus, **env))


def test_llama_fit_params_of_this_host_is_not_asked_about_another_build():
    assert question(model("llama-server -m /srv/models/x.gguf"), on_gpu=False) is not None
    assert question(model(f"docker run {SRV} {LLAMA}:server -m /models/x.gguf"), on_gpu=False) is None
    wrapped = "env " + "A=1 " * 12 + f"docker run {SRV} x llama-server -m /models/x.gguf"
    assert question(model(wrapped), on_gpu=False) is None


def test_what_is_learned_is_of_one_image():
    one, other = (model(f"docker run {SRV} {LLAMA}:server-b{n} -m /models/x.gguf") for n in (1, 2))
    assert fingerprint(one, None, []) != fingerprint(other, None, [])


def test_a_container_may_be_told_without_a_clients_words():
    one = Served(
        f"{LLAMA}:server",
        ("-m", "/models/x.gguf"),
        (Volume("/srv/models", "/models", ("ro",)),),
        sees_gpus=False,
    )
    assert one == served(model(f"docker run {SRV} {LLAMA}:server -m /models/x.gguf"))
    assert ("llama-server", "-m", "/models/x.gguf") == one.words
    heard = understand_container(one)
    assert Server("llama-server", model="/srv/models/x.gguf", contained=True) == heard
