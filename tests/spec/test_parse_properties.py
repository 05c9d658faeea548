"""Whatever is fed in, the answer is a spec or a list of problems with places."""

from contextlib import suppress
from itertools import groupby

import pytest
from hypothesis import given, strategies as st

from zoosup.spec.fragments import SEPARATOR
from zoosup.spec.parse import decode, parse
from zoosup.spec.syntax.problems import SpecError

VALID = """\
active: [a, b]
budget: {ram: 48GiB}
vars: {w: /srv}
defaults: &d
  ready: {http: /health, deadline: 5m}
models:
  a:
    command: serve -m ${w}/q.gguf --port ${PORT}
    env: {A: "0"}
    stop: {grace: 10s, before: {http: POST /drain}}
  b: {<<: *d, command: [x, "${PORT}"], restart: {limit: {count: 5, within: 10m}}}
"""
FRAGMENTS = st.sampled_from(
    [
        "{",
        "}",
        "[",
        "]",
        ":",
        "- ",
        "\n",
        "  ",
        "&d ",
        "*d",
        "<<: ",
        "!t ",
        "'",
        '"',
        "#",
        "|",
        "${",
        "$${",
        "\t",
        "%",
        "---\n",
        "\0",
        "é",
        "\ud800",
        "null",
        "1e3",
        "~",
        "? ",
        ",",
    ]
)


def settle(text):
    problems = ()
    try:
        spec = parse(text, path="z", environ={})
    except SpecError as error:
        problems = error.problems
    else:
        assert set(spec.active) <= set(spec.models)
        return
    assert problems
    files = [(file, list(each)) for file, each in groupby(problems, lambda problem: problem.file)]
    assert len({file for file, _ in files}) == len(files)
    for _, found in files:
        places = [(problem.line, problem.column) for problem in found]
        assert sorted(places) == places
        assert (1, 1) <= places[0]


@given(st.text(max_size=200))
def test_any_text_is_a_spec_or_problems(text):
    settle(text)


@given(
    st.lists(st.one_of(FRAGMENTS, st.sampled_from(VALID.splitlines(keepends=True))), max_size=40).map("".join)
)
def test_any_pile_of_yaml_is_a_spec_or_problems(text):
    settle(text)


@given(st.integers(0, len(VALID)), st.integers(0, 20), st.one_of(FRAGMENTS, st.text(max_size=5)))
def test_any_change_of_a_valid_file_is_a_spec_or_problems(at, length, new):
    settle(VALID[:at] + new + VALID[at + length :])


def test_problems_stand_file_by_file():
    settle("active:" + SEPARATOR + "more.yaml" + VALID[7:])


@given(st.binary(max_size=100))
def test_any_bytes_are_text_or_a_problem(data):
    with suppress(SpecError):
        settle(decode(data, path="z"))


@pytest.mark.parametrize("text", [VALID, "active: []\nmodels: {}\n"])
def test_the_valid_files_are_valid(text):
    parse(text, path="z", environ={})
