"""A YAML parser's complaints, in words that say what to mend."""

import pytest

from zoosup.errors import InvalidFileError
from zoosup.spec.parse import parse

A = "active: [a]\nmodels:\n  a:\n"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("active: a\nmodels:\n\ta: {command: x}\n", "z:3:1: not YAML: the line is indented with a tab"),
        (A + "    command: x\n     port: 1\n", "a key is indented more than the line above"),
        (A + "    command: x\n   port: 1\n", "indented less or more than those it belongs to"),
        (
            A + "    command: x\n    description: use: this\n",
            "a colon and a blank, as a key does, expected quotes",
        ),
        ("<<<<<<< HEAD\nactive: a\n", "line 1 is git's mark of a merge"),
        ("active: a\n<<<<<<< x\nmodels: {}\n=======\n>>>>>>> y\n", "line 2 is git's mark of a merge"),
        (A + "    command: 'x\n", "a quote is opened and not closed"),
        ("active: [a\nmodels: {}\n", "a bracket is opened and not closed"),
        (A + "    cmd: x\n", "models.a.cmd: unknown key; did you mean command?"),
        (A + "    command: x ${Port}\n", "${Port} is not in vars; did you mean ${PORT}?"),
        (
            A + "    command: x\n    checkEndpoint: /\n",
            "a key of llama-swap, whose files zoosup import llama-swap",
        ),
    ],
    ids=range(11),
)
def test_an_everyday_mistake_is_told_in_words(text, says):
    with pytest.raises(InvalidFileError) as refused:
        parse(text, path="z", environ={})
    assert says in str(refused.value)
