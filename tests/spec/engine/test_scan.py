import pytest

from zoosup.spec.engine.scan import scan

VALUES = frozenset({"p", "e", "publish", "name"})


def read(*words):
    options, at = scan(words, 0, VALUES.__contains__)
    return [(each.name, each.value, each.at) for each in options], at


@pytest.mark.parametrize(
    ("words", "options", "at"),
    [
        ("--name a x", [("name", "a", 0)], 2),
        ("--name=a x", [("name", "a", 0)], 1),
        ("--name= x", [("name", "", 0)], 1),
        ("-p 1:2 x", [("p", "1:2", 0)], 2),
        ("-p1:2 x", [("p", "1:2", 0)], 1),
        ("-p=1:2 x", [("p", "1:2", 0)], 1),
        ("-it x", [("i", "true", 0), ("t", "true", 0)], 1),
        ("-itp 1:2 x", [("i", "true", 0), ("t", "true", 0), ("p", "1:2", 0)], 2),
        ("-itp1 x", [("i", "true", 0), ("t", "true", 0), ("p", "1", 0)], 1),
        ("-it=false x", [("i", "true", 0), ("t", "false", 0)], 1),
        ("--rm --init=false x --name y", [("rm", "true", 0), ("init", "false", 1)], 2),
        ("-e --rm x", [("e", "--rm", 0)], 2),
        ("--rm -- -x", [("rm", "true", 0)], 2),
        ("-- x", [], 1),
        ("- x", [], 0),
        ("x --rm", [], 0),
        ("--name", [("name", "", 0)], 1),
        ("", [], 0),
    ],
)
def test_options_are_read_as_pflag_reads_them(words, options, at):
    assert (options, at) == read(*words.split())


@pytest.mark.parametrize(("value", "truth"), [("true", True), ("1", True), ("false", False), ("yes", False)])
def test_a_flag_is_on_by_a_word_that_means_true(value, truth):
    (option,), _ = scan([f"--rm={value}"], 0, VALUES.__contains__)
    assert truth is option.is_true
