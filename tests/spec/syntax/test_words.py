import shlex

import pytest
from hypothesis import assume, given, strategies as st

from zoosup.spec.syntax.words import WordsError, split_words, values_of

WORDS = {
    "llama-server -c 4096": ("llama-server", "-c", "4096"),
    "a 'b c' \"d e\"": ("a", "b c", "d e"),
    "a ''": ("a", ""),
    r"a b\ c": ("a", "b c"),
    r'a "\"\\\n"': ("a", '"\\\\n'),
    "a \\\n  --b \\\r\n  --c": ("a", "--b", "--c"),
    "a 'b\\\nc'": ("a", "b\\\nc"),
    "a\n  --b\n": ("a", "--b"),
    "a $HOME ${PORT}": ("a", "$HOME", "${PORT}"),
    "sh -c 'a | b; c > d && `e`'": ("sh", "-c", "a | b; c > d && `e`"),
    "a '|' \"&&\" \\; '>'": ("a", "|", "&&", ";", ">"),
    "a --x=b=c": ("a", "--x=b=c"),
    "a {json} k#1": ("a", "{json}", "k#1"),
    "": (),
    "a \n  # a note; | with $(signs)\n  --b\n": ("a", "--b"),
    "# a note\na --b": ("a", "--b"),
    "a \\\n  # a note \\\n  --b": ("a", "--b"),
    "a '\n# no note\n'": ("a", "\n# no note\n"),
}
SHELL = {
    "a | b": "|",
    "a || b": "||",
    "a && b": "&&",
    "a & ": "&",
    "a ; b": ";",
    "a; b": ";",
    "a > f": ">",
    "a >f": ">",
    "a 2>&1": "2>",
    "a >> f": ">>",
    "a < f": "<",
    "a `b`": "`",
    "a x`b`": "`",
    "a $(b)": "$(",
    "( a )": "(",
    "a # note": "#",
}


@pytest.mark.parametrize(("text", "words"), WORDS.items())
def test_a_string_is_split_as_a_shell_would(text, words):
    assert words == split_words(text)


@pytest.mark.parametrize(("text", "sign"), SHELL.items())
def test_what_only_a_shell_understands_is_refused_by_its_sign(text, sign):
    with pytest.raises(WordsError) as caught:
        split_words(text)
    assert f"holds the shell's {sign}" == str(caught.value)
    assert "zoosup runs no shell; write command: [sh, -c, …]" in caught.value.expected


def test_a_variable_before_the_program_is_sent_to_env():
    with pytest.raises(WordsError) as caught:
        split_words("CUDA_VISIBLE_DEVICES=0 llama-server")
    assert "env" in caught.value.expected


@pytest.mark.parametrize("text", ["a 'b", 'a "b', "a b\\"])
def test_an_open_quote_is_refused(text):
    with pytest.raises(WordsError, match="not closed"):
        split_words(text)


def test_the_rest_of_a_refused_word_is_not_shown():
    with pytest.raises(WordsError) as caught:
        split_words("a --api-key=hunter2;")
    assert "hunter2" not in str(caught.value) + caught.value.expected


@given(st.text("ab '\"\\\t\n-=/é", max_size=40))
def test_splitting_agrees_with_shlex_where_no_line_is_continued(text):
    assume("\\\n" not in text)
    try:
        expected = tuple(shlex.split(text))
    except ValueError:
        expected = None
    try:
        actual = split_words(text)
    except WordsError as error:
        assume("shell" not in str(error))
        actual = None
    assert expected == actual


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("serve --port 80 -p=81 x", [(2, "--port", "80"), (3, "-p", "81")]),
        ("serve --port= --port", [(1, "--port", "")]),
        ("serve --ports 80 --port -p", [(4, "--port", "-p")]),
    ],
)
def test_the_values_of_options_are_found_with_their_places(text, found):
    assert found == list(values_of(text.split(), {"--port", "-p"}))
