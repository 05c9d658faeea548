"""What saved keys and values depend on, and what they don't."""

import pytest

from tests.core.sessions.models import a_model
from zoosup.core.sessions.fingerprint import fingerprint, weight_files

PLAIN = "command: llama-server -m /w/m.gguf -c 8192"
FILES = {"/w/m.gguf": (100, 5)}


def of(body, files=FILES):
    return fingerprint(a_model(body), files)


@pytest.mark.parametrize(
    "more",
    [
        "-np 4", "-np 2 --no-kv-unified",
        "-ctk q8_0", "-ctv q8_0", "-c 4096", "--lora /w/l.gguf", "--lora-scaled /w/l.gguf:0.5", "-fa off", "--swa-full",
        "--rope-scaling yarn", "--rope_freq_base 1000", "--override-kv a=int:1", "--mmproj /w/p.gguf",
        "--control-vector /w/c.gguf",
    ],
)  # fmt: skip
def test_what_bends_the_numbers_makes_another(more):
    assert of(PLAIN) != of(f"{PLAIN} {more}")


@pytest.mark.parametrize(
    "more",
    [
        "--port 81",
        "-t 8",
        "-ngl 99",
        "-np 4 --kv-unified",
        "--alias x",
        "--cache-ram 0",
        "--metrics",
        "-b 64",
    ],
)
def test_what_does_not_makes_none(more):
    assert of(PLAIN) == of(f"{PLAIN} {more}")


def test_another_program_makes_none():
    assert of(PLAIN) == of(PLAIN.replace("llama-server", "/opt/new/llama-server"))


@pytest.mark.parametrize("mark", [(101, 5), (100, 6)])
def test_weights_that_were_replaced_make_another(mark):
    assert of(PLAIN) != of(PLAIN, {"/w/m.gguf": mark})


def test_a_scale_is_told_apart():
    assert of(f"{PLAIN} --lora-scaled /w/l.gguf:0.5") != of(f"{PLAIN} --lora-scaled /w/l.gguf:0.6")


def test_which_files_are_looked_at():
    assert ("/w/m.gguf", "/w/l.gguf") == weight_files(a_model(f"{PLAIN} --lora /w/l.gguf"))


def test_of_a_container_on_another_hosts_engine_nothing_is_known():
    unknown = a_model("command: docker -H tcp://box2:2375 run -v /w:/w i/llama.cpp:server -m /w/m.gguf")
    assert ("", ()) == (fingerprint(unknown, FILES), weight_files(unknown))
