import pytest
from hypothesis import given, strategies as st

from zoosup.spec.syntax import templates
from zoosup.spec.syntax.templates import Scope, TemplateError, render

SCOPE = Scope(
    {"weights": "/srv/models", "odd": "${PORT}$"},
    {"HOME": "/home/ann"},
    {"HOST": "127.0.0.1", "MODEL_ID": "q"},
)

FILLED_IN = {
    "plain": "plain",
    "$VAR $ $$ {x}": "$VAR $ $$ {x}",
    "${weights}/q.gguf": "/srv/models/q.gguf",
    "${HOST}:${PORT}": "127.0.0.1:4242",
    "zoo-${MODEL_ID}": "zoo-q",
    "${env.HOME}/x": "/home/ann/x",
    "$${PORT}": "${PORT}",
    "$$${PORT}": "$${PORT}",
    "${odd}": "${PORT}$",
    "${odd}${PORT}": "${PORT}$4242",
    "${odd}{PORT}": "${PORT}${PORT}",
    "${$}${PORT}": "$4242",
    "${$}{PORT}": "${PORT}",
}
REFUSED = {
    "${nope}": "${nope} is not in vars",
    "${weight}": "${weight} is not in vars; did you mean ${weights}?",
    "${env.NOPE}": "${env.NOPE} is not set in the environment",
    "${}": "${} is not in vars",
    "a ${b": "is not closed",
    "${a ${PORT}": "is not closed",
    "${one} ${two}": "${one} is not in vars; ${two} is not in vars",
}


@pytest.mark.parametrize(("template", "text"), FILLED_IN.items())
def test_a_template_is_filled_in_once_in_two_steps(template, text):
    assert text == render(SCOPE.expand(template), {"PORT": "4242"})


@pytest.mark.parametrize(("template", "message"), REFUSED.items())
def test_a_template_that_cannot_be_filled_in_says_why(template, message):
    with pytest.raises(TemplateError) as caught:
        SCOPE.expand(template)
    assert message in str(caught.value)


def test_names_of_a_model_are_unknown_outside_one():
    with pytest.raises(TemplateError, match="only inside a model"):
        Scope({}, {}).expand("${PORT}")


def test_a_name_without_a_value_at_the_spawn_is_an_error():
    with pytest.raises(TemplateError, match="PORT"):
        render("${PORT}", {})


def test_a_text_too_long_for_any_argument_is_refused():
    scope = Scope({"big": "x" * templates.MAX_TEXT}, {})
    with pytest.raises(TemplateError, match="longer than"):
        scope.expand("${big}y")


def test_all_models_of_a_file_share_one_allowance():
    scope = Scope({"big": "x" * templates.MAX_TEXT}, {})
    models = [
        scope.inside({"MODEL_ID": str(n)}) for n in range(templates.MAX_EXPANDED // templates.MAX_TEXT + 1)
    ]
    for model in models[:-1]:
        model.expand("${big}")
    with pytest.raises(TemplateError, match="adds more than"):
        models[-1].expand("${big}")


PIECES = st.lists(
    st.one_of(st.text("$ {}aPORT", max_size=5), st.sampled_from(["PORT", "a", "b"]).map(lambda n: (n,)))
)


@given(PIECES, st.text("${}x", max_size=6), st.text("${}x", max_size=6))
def test_a_value_comes_out_as_it_went_in_whatever_stands_around_it(pieces, a, b):
    values = {"a": a, "b": b, "PORT": "4242"}
    template, expected = "", ""
    for piece in pieces:
        template += f"${{{piece[0]}}}" if isinstance(piece, tuple) else piece.replace("$", "${$}")
        expected += values[piece[0]] if isinstance(piece, tuple) else piece
    scope = Scope({"a": a, "b": b}, {}, {"HOST": "h"})
    assert expected == render(scope.expand(template), {"PORT": "4242"})
