"""What `container` refuses, field by field, and what it reads."""

import pytest

from tests.spec.test_parse import read, refused

REFUSALS = {
    # what is written beside the image -> the path, and a part of what is said
    "engine: 'a b'": ("engine", "got 'a b', expected"),
    "image: ''": ("image", "expected the name of an image, such as ghcr.io/ggml-org/llama.cpp:server-cuda"),
    "image: 'a b'": ("image", "expected the name of an image"),
    "volumes: [a]": ("volumes.0", "got a, expected"),
    "port: 0": ("port", "expected a port from 1 to 65535, or null for the host's network"),
    "port: true": ("port", "expected a port from 1 to 65535"),
    "port: 65536": ("port", "expected a port from 1 to 65535"),
    "options: [a]": ("options", "expected a mapping of the engine's options to values"),
    "options: {--gpus: all}": ("options", "'--gpus' is no option's name"),
    "options: {shm_size: much}": ("options", "shm_size: "),
}


@pytest.mark.parametrize(("field", "refusal"), REFUSALS.items())
def test_a_field_is_refused_by_its_path(field, refusal):
    image = "" if field.startswith("image") else "image: x, "
    (line,) = refused(f"active: []\nmodels:\n  m:\n    container: {{{image}{field}}}\n")
    path, message = refusal
    assert f": models.m.container.{path}: " in line
    assert message in line


@pytest.mark.parametrize("port", [1, 65535, "null"])
def test_a_port_within_or_the_hosts_own(port):
    found = read(f"active: []\nmodels:\n  m:\n    container: {{image: x, port: {port}}}\n").models["m"]
    assert found.container.port == (None if port == "null" else port)


def test_an_option_may_be_a_size_a_mapping_or_a_list_with_variables_in_it():
    options = "{shm_size: 2GiB, ulimits: {memlock: '${WORD}'}, cap_add: ['${WORD}'], init: true}"
    text = (
        f"active: []\nvars: {{WORD: word}}\nmodels:\n  m:\n    container: {{image: i, options: {options}}}\n"
    )
    found = read(text).models["m"].container.options
    assert {"shm_size": 2 * 2**30, "ulimits": {"memlock": "word"}, "cap_add": ["word"], "init": True} == dict(
        found
    )
