"""Which servers keep sessions, and the words by which they are told where."""

import pytest

from tests.core.sessions.models import a_model
from zoosup.core.sessions.words import keeps, key_of, unfit, with_folder

FOLDER = "/state/sessions/m"


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("llama: {weights: /w/m.gguf}", None),
        (
            "command: nice -n 5 llama-server -m /w/m.gguf",
            ("nice", "-n", "5", "llama-server", "-m", "/w/m.gguf"),
        ),
        ("command: llama serve -m /w/m.gguf", ("llama", "serve", "-m", "/w/m.gguf")),
    ],
)
def test_a_process_is_told_behind_its_own_words(body, words):
    model = a_model(body)
    assert keeps(model)
    told = with_folder(model, FOLDER).command
    assert (*(words or model.command), "--metrics", "--slot-save-path", FOLDER) == told


def test_a_folder_is_no_template():
    told = with_folder(a_model("command: llama-server -m /w/m.gguf"), "/a/${PORT}").command
    assert "/a/$${PORT}" == told[-1]


def test_a_container_has_the_folder_inside():
    model = a_model(
        "container: {image: ghcr.io/ggml-org/llama.cpp:server, args: [-m, /w/m.gguf], volumes: ['/w:/w']}"
    )
    assert keeps(model)
    own = with_folder(model, FOLDER).container
    assert ("-m", "/w/m.gguf", "--metrics", "--slot-save-path", "/zoosup-sessions") == own.args
    assert ("/w:/w", f"{FOLDER}:/zoosup-sessions") == own.volumes


def test_a_container_client_mounts_it():
    model = a_model("command: docker run --rm -v /w:/w ghcr.io/ggml-org/llama.cpp:server -m /w/m.gguf")
    assert keeps(model)
    assert (
        "docker", "run", "--volume", f"{FOLDER}:/zoosup-sessions", "--rm", "-v", "/w:/w",
        "ghcr.io/ggml-org/llama.cpp:server", "-m", "/w/m.gguf", "--metrics",
        "--slot-save-path", "/zoosup-sessions",
    ) == with_folder(model, FOLDER).command  # fmt: skip


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ("command: vllm serve m", "is not a llama-server"),
        ("command: ./my-script", "is not a llama-server"),
        ("command: llama-server -m /w/m.gguf --slot-save-path=/tmp", "--slot-save-path of its own"),
        ("command: llama-server -m /w/m.gguf --no-slots", "with --no-slots it does not tell"),
        ("command: llama-server -m /w/m.gguf --slots --no-slots", "with --no-slots it does not tell"),
        (
            "command: llama-server -m /w/m.gguf\n    env: {LLAMA_ARG_ENDPOINT_SLOTS: 'off'}",
            "with LLAMA_ARG_ENDPOINT_SLOTS=off it does not tell",
        ),
        ("command: llama-server -m /w/m.gguf --embeddings", "--embeddings: it holds no conversation"),
        ("llama: {weights: /w/m.gguf, task: rerank}", "it holds no conversation"),
    ],
)
def test_who_keeps_none_and_why(body, why):
    model = a_model(body)
    assert why in unfit(model)
    assert not keeps(model)


@pytest.mark.parametrize(
    "body",
    [
        "command: llama-server -m /w/m.gguf --no-slots --slots",
        "command: llama-server -m /w/m.gguf --slots\n    env: {LLAMA_ARG_ENDPOINT_SLOTS: '0'}",
        "command: llama-server -m /w/m.gguf\n    env: {LLAMA_ARG_ENDPOINT_SLOTS: '1'}",
        "llama: {weights: /w/m.gguf, mmproj: /w/p.gguf}",
    ],
)
def test_who_keeps_some(body):
    assert not unfit(a_model(body))


def test_nobody_keeps_any_unasked_or_once_the_file_says_no():
    asked = a_model("llama: {weights: /w/m.gguf}")
    unasked = asked.model_copy(update={"sessions": asked.sessions.model_copy(update={"keep": False})})
    assert not keeps(unasked)
    assert not keeps(asked, unasked)
    assert not keeps(unasked, asked)  # it was started without a folder
    assert keeps(asked, asked)


@pytest.mark.parametrize(
    ("more", "key"),
    [
        (("command: llama-server -m /w/m.gguf --api-key one,two",), "one"),
        (("command: llama-server -m /w/m.gguf --api-key=one",), "one"),
        (("command: llama-server -m /w/m.gguf", "env: {LLAMA_API_KEY: two}"), "two"),
        (("command: llama-server -m /w/m.gguf",), ""),
    ],
)
def test_the_key_that_its_server_asks_for(more, key):
    assert key == key_of(a_model(*more))
