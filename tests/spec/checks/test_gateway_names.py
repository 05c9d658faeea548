"""The gateway's part of the file speaks of names that there are, and calls no two keys alike."""

import pytest

from zoosup.spec.parse import parse
from zoosup.spec.syntax.problems import SpecError

MODELS = (
    "models: {a: {command: x, aliases: [b], variants: {v: {}}}, "
    "box: {external: {url: 'https://b', models: [there]}}}\n"
)


def told(gateway):
    try:
        parse(f"active: []\n{MODELS}gateway: {gateway}\n", path="z", environ={"K": "hunter2"})
    except SpecError as error:
        return [str(problem) for problem in error.problems]
    return []


def test_models_of_a_key_are_any_names_that_clients_may_use():
    assert [] == told("{api_keys: [{name: n, key: k, models: [a, b, v, box, there]}]}")


@pytest.mark.parametrize("gateway", ["{default_model: b}", "{default_model: active}", "false"])
def test_a_gateway_of_names_that_there_are_is_fine(gateway):
    assert [] == told(gateway)


def test_a_model_that_is_not_there_is_told_by_its_place_with_what_may_be_meant():
    expected = (
        "z:3:64: gateway.api_keys.1.models.1: their is no model of this file; did you mean there?, "
        "expected a name that clients may use"
    )
    assert [expected] == told("{api_keys: [x, {name: n, key: '${env.K}', models: [a, their]}]}")


def test_a_name_stands_once_among_the_keys():
    line = "z:3:48: gateway.api_keys.1.name: n is the name of gateway.api_keys.0 already, expected each name once"
    assert [line] == told("{api_keys: [{name: n, key: k}, {name: n, key: l}]}")


@pytest.mark.parametrize("first", ["hunter2", "{name: m, key: hunter2}"])
def test_the_key_of_a_name_stands_once_too(first):
    (line,) = told(f"{{api_keys: [{first}, {{name: n, key: '${{env.K}}'}}]}}")
    assert line.endswith("gateway.api_keys.1: is the same key as gateway.api_keys.0, expected each key once")
    assert "hunter" not in line


def test_a_text_may_stand_twice_for_it_says_nothing_of_whose_it_is():
    assert [] == told("{api_keys: [k, k]}")


@pytest.mark.parametrize(
    "gateway",
    ["{default_model: active}", "{default_model: b}", "{api_keys: [{name: n, key: k, models: [a, b, v]}]}"],
)
def test_a_model_with_a_mistake_of_its_own_is_a_model_all_the_same(gateway):
    text = MODELS.replace("command: x", "command: x, port: no")
    with pytest.raises(SpecError) as told:
        parse(f"active: [a]\n{text}gateway: {gateway}\n", path="z", environ={})
    assert ["models.a.port"] == [problem.path for problem in told.value.problems]
