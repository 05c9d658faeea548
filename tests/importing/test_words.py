"""Command lines as other programs split them, turned inward."""

import pytest

from zoosup.importing.words import (
    UnsplittableError,
    can_be_estimated,
    is_relative,
    is_windows,
    literal_ports,
    split,
    task_of,
    template,
    with_host,
    with_port,
)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a -b 'c d' \"e f\"", ["a", "-b", "c d", "e f"]),
        ("a\n  # a comment\n  -b 1\n", ["a", "-b", "1"]),
        ("a \\\n -b \\\n -c", ["a", "-b", "-c"]),
        ("a -p # no comment", ["a", "-p", "#", "no", "comment"]),
        ("""a --kw '{"x":false}'""", ["a", "--kw", '{"x":false}']),
        (
            "a ${PORT} ${env.X} ${MODEL_ID} ${odd} $HOME",
            ["a", "${PORT}", "${env.X}", "${MODEL_ID}", "$${odd}", "$HOME"],
        ),
    ],
)
def test_a_command_is_split_as_llama_swap_splits_it(text, words):
    assert words == split(text)


@pytest.mark.parametrize("text", ["", "# nothing", "a 'b", "''"])
def test_what_is_no_command_says_why(text):
    with pytest.raises(UnsplittableError):
        split(text)


def test_a_brace_that_is_nobodys_is_literal():
    assert "$${x} ${PORT} $${env.9}$${" == template("${x} ${PORT} ${env.9}${")


@pytest.mark.parametrize(
    ("words", "turned", "named"),
    [
        ("s --port 8012", "s --port ${PORT}", True),
        ("s --port=8012", "s --port=${PORT}", True),
        ("s -p 8012 --url http://127.0.0.1:8012/x", "s -p ${PORT} --url http://127.0.0.1:${PORT}/x", True),
        ("s --port ${PORT}", "s --port ${PORT}", True),
        ("s --ctx 8012 -c 80120", "s --ctx 8012 -c 80120", False),
        ("s --url http://h:80123", "s --url http://h:80123", False),
    ],
)
def test_a_fixed_port_becomes_the_models_own(words, turned, named):
    assert (turned.split(), named) == with_port(words.split(), [8012])


@pytest.mark.parametrize(
    ("line", "turned"),
    [
        (
            "source x && exec serve -m /m --port 8012 --jinja",
            "source x && exec serve -m /m --port ${PORT} --jinja",
        ),
        ("exec serve --port=8012", "exec serve --port=${PORT}"),
        ("serve -p 8012; curl http://[::1]:8012/x", "serve -p ${PORT}; curl http://[::1]:${PORT}/x"),
        ("serve --port 80123 --n 8012", "serve --port 80123 --n 8012"),
    ],
)
def test_the_port_in_a_line_for_a_shell_is_found_too(line, turned):
    assert (["bash", "-c", turned], line != turned) == with_port(["bash", "-c", line], [8012])


def test_ports_that_options_name():
    assert [1, 2] == literal_ports(["s", "--port", "1", "--listen-port=2", "-p", "x", "--port", "99999999"])


@pytest.mark.parametrize(
    ("words", "turned", "was"),
    [
        ("s --host 0.0.0.0", "s --host ${HOST}", "0.0.0.0"),
        ("s --host=10.0.0.5", "s --host=${HOST}", "10.0.0.5"),
        ("s --listen-ip ::", "s --listen-ip ${HOST}", "::"),
        ("s --host 127.0.0.1", "s --host 127.0.0.1", ""),
        ("s --host", "s --host", ""),
        ("s --host /run/x.sock", "s --host /run/x.sock", ""),
    ],
)
def test_an_address_becomes_this_hosts_own(words, turned, was):
    assert (turned.split(), was) == with_host(words.split())


@pytest.mark.parametrize(
    ("words", "known"),
    [
        ("llama-server -m /m.gguf", True),
        ("nice -n 5 llama serve -m /m", True),
        ("llama-server -hf o/r", True),
        ("vllm serve o/r", True),
        ("whisper-server -m /w.bin", True),
        ("sd-server --diffusion-model /d", True),
        ("llama-server --port 1", False),
        ("bash serve.sh", False),
        ("python main.py -m x", False),
        ("docker run i -m /m.gguf", False),
        ("docker run -v /srv:/m ghcr.io/ggml-org/llama.cpp:server -m /m/m.gguf", True),
        ("docker run ghcr.io/ggml-org/llama.cpp:server -m /m/m.gguf", False),
    ],
)
def test_whose_memory_can_be_estimated(words, known):
    assert known == can_be_estimated(words.split(), {})


@pytest.mark.parametrize(
    ("words", "relative"),
    [
        ("./serve --x", True),
        ("bin/serve", True),
        ("bash serve.sh", True),
        ("llama-server -m models/m.gguf", True),
        ("llama-server -m m.gguf", True),
        ("llama-server -m /m.gguf", False),
        ("vllm serve o/r", False),
        ("mlx_lm.server --model o/r", False),
    ],
)
def test_what_depends_on_where_it_is_started(words, relative):
    assert relative == is_relative(words.split())


@pytest.mark.parametrize(
    ("text", "windows"),
    [
        (r"C:\l.exe -m x", True),
        ("l.exe", True),
        ("'D:/x/y'", True),
        ("http://x:80/", False),
        ("a C:x", False),
        (r"\\box\models\a.gguf", True),
        (r"l -m '\\box.lan\m$\a.gguf'", True),
        (r"""l --chat-template "{{- '\\n<tool>\\n' + \"\\n\\n# Tools\\n\" }}\n" """, False),
        (r'l -ot "blk\\.\\d+\\.ffn=CPU"', False),
    ],
)
def test_windows_is_seen_by_its_paths(text, windows):
    assert windows == is_windows(text)


@pytest.mark.parametrize(
    ("words", "task"),
    [
        ("llama-server --embeddings", "embed"),
        ("llama-server --reranking --embedding", "rerank"),
        ("whisper-server", "audio"),
        ("/opt/sd-server", "image"),
        ("llama-server", None),
    ],
)
def test_what_it_is_for_its_options_say(words, task):
    assert task == task_of(words.split())
