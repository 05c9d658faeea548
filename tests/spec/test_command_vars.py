"""`${name}` in a command: where a text of `vars` is several words, and where it stays one."""

import pytest

from zoosup.spec.parse import parse
from zoosup.spec.syntax.problems import SpecError

VARS = "vars: {flags: '-c 4096 --jinja', none: '', odd: 'a ${x', quoted: \"--t 'a b'\", pipe: 'a | b'}\n"


def words_of(command):
    text = f"active: []\n{VARS.replace('${x', '$${x')}models:\n  a:\n    command: {command}\n"
    return parse(text, path="zoo.yaml", environ={"E": "-x -y"}).models["a"].command


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("serve ${flags}", ("serve", "-c", "4096", "--jinja")),
        ("serve ${flags} --port ${PORT}", ("serve", "-c", "4096", "--jinja", "--port", "${PORT}")),
        ("serve ${none} x", ("serve", "x")),
        ("serve ${quoted}", ("serve", "--t", "a b")),
        ("serve ${odd}", ("serve", "a", "$${x")),
        ("""'serve "${flags}"'""", ("serve", "-c 4096 --jinja")),
        ("serve --more=${flags}", ("serve", "--more=-c 4096 --jinja")),
        ("[serve, '${flags}']", ("serve", "-c 4096 --jinja")),
        ("serve ${env.E}", ("serve", "-x -y")),
    ],
)
def test_a_text_of_vars_that_is_a_whole_word_is_split_like_the_rest(command, words):
    assert words == words_of(command)


def test_what_only_a_shell_would_understand_is_refused_in_vars_too():
    with pytest.raises(SpecError, match=r"holds the shell's \|"):
        words_of("serve ${pipe}")
