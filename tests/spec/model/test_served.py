"""Which names clients may use, and what each means."""

from zoosup.spec.model.requests import merged
from zoosup.spec.model.served import default_name, served_names
from zoosup.spec.parse import parse

TEXT = """\
active: [a]
models:
  a:
    command: x
    aliases: [b]
    default_params: {temperature: 0.7, chat_template_kwargs: {enable_thinking: true, x: 1}}
    strip_params: [seed]
    variants:
      a-fast:
        set_params: {max_tokens: 10}
        default_params: {chat_template_kwargs: {enable_thinking: false}}
        strip_params: [stop, seed]
        description: Quick
"""


def names(text):
    return served_names(parse(text, path="z", environ={}))


def test_a_variant_has_the_parameters_of_its_model_and_its_own_before_them():
    found = names(TEXT)
    variant = found["a-fast"]
    assert ("a", True, "Quick") == (variant.model, variant.listed, variant.description)
    assert ("seed", "stop") == variant.changes.strip_params
    expected = {"temperature": 0.7, "chat_template_kwargs": {"enable_thinking": False, "x": 1}}
    assert expected == variant.changes.default_params
    assert {"max_tokens": 10} == variant.changes.set_params
    assert {} == found["a"].changes.set_params


def test_a_server_is_told_its_models_name_in_place_of_a_variants():
    assert "a" == names(TEXT)["a-fast"].changes.upstream_model
    assert "up" == names(f"{TEXT}    upstream_model: up\n")["a-fast"].changes.upstream_model
    assert names(TEXT)["b"].changes.upstream_model is None


def test_a_model_without_rules_changes_nothing():
    assert not names("active: []\nmodels: {a: {command: x, aliases: [b]}}")["b"].changes


def test_an_alias_is_listed_with_its_model_alone():
    assert ["a", "a-fast"] == [name for name, meaning in names(TEXT).items() if meaning.listed]


def test_a_server_elsewhere_is_one_model_or_the_several_that_it_lists():
    one = names("active: []\nmodels: {box: {external: {url: 'http://b'}, aliases: [x], upstream_model: up}}")
    assert {"box": (True, "up"), "x": (False, "up")} == shown(one)
    several = names(
        "active: []\nmodels: {box: {external: {url: 'http://b', models: {q: org/q, r: r, x: org/x}}, aliases: [x]}}"
    )
    expected = {"box": (False, None), "x": (True, "org/x"), "q": (True, "org/q"), "r": (True, None)}
    assert expected == shown(several)
    own = names("active: []\nmodels: {box: {external: {url: 'http://b', models: {box: org/q}}}}")
    assert {"box": (True, "org/q")} == shown(own)


def shown(found):
    return {name: (meaning.listed, meaning.changes.upstream_model) for name, meaning in found.items()}


def test_who_answers_where_no_model_is_named():
    def default(gateway, active="[a]"):
        text = f"active: {active}\ngateway: {gateway}\nmodels: {{a: {{command: x, variants: {{v: {{}}}}}}}}"
        return default_name(parse(text, path="z", environ={}))

    assert default("{}") is None
    assert default("false") is None
    assert "a" == default("{default_model: active}")
    assert default("{default_model: active}", "[]") is None
    assert "v" == default("{default_model: v}")


def test_mappings_are_merged_and_nothing_else_is():
    under = {"a": {"b": 1, "c": {"d": 1}}, "e": [1], "f": 1}
    over = {"a": {"c": {"x": 2}}, "e": [2], "f": {"g": 1}}
    assert {"a": {"b": 1, "c": {"d": 1, "x": 2}}, "e": [2], "f": {"g": 1}} == merged(under, over)
