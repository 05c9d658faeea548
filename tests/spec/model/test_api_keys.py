"""Keys of the gateway in the file: a text by itself, or with a name and with models; none of them is ever shown."""

import pytest
from pydantic import ValidationError

from zoosup.spec.model.api_keys import ApiKeySpec
from zoosup.spec.model.gateway import GatewaySpec
from zoosup.spec.parse import parse
from zoosup.spec.syntax.problems import SpecError

HEAD = "active: []\nmodels: {a: {command: x}}\n"
ENVIRON = {"PLAIN": "hunter2", "ALICE": "hunter3"}


def keys_of(text):
    spec = parse(HEAD + f"gateway: {{api_keys: {text}}}\n", path="z", environ=ENVIRON)
    assert spec.gateway
    assert "hunter" not in repr(spec) + spec.model_dump_json()
    return [(each.name, each.key.get_secret_value(), each.models) for each in spec.gateway.api_keys]


def refused(text):
    with pytest.raises(SpecError) as caught:
        keys_of(text)
    told = [str(problem) for problem in caught.value.problems]
    assert not any("hunter" in line for line in told)
    return told


def test_a_text_is_a_key_without_a_name_for_all_models():
    assert [("", "hunter2", None), ("", "k", None)] == keys_of('["${env.PLAIN}", k]')


def test_a_mapping_names_a_key_and_may_say_what_it_is_for():
    text = '["${env.PLAIN}", {name: alice, key: "${env.ALICE}", models: [a]}, {name: b@c.d+e-f_1, key: k}]'
    expected = [("", "hunter2", None), ("alice", "hunter3", ("a",)), ("b@c.d+e-f_1", "k", None)]
    assert expected == keys_of(text)


REFUSALS = {
    "[{key: hunter2}]": "z:3:22: gateway.api_keys.0.name: is missing, expected what metrics",
    "[{name: a}]": "z:3:22: gateway.api_keys.0.key: is missing, expected the text that its client presents",
    "[k, {name: hunter 2, key: k}]": "z:3:32: gateway.api_keys.1.name: got a string, expected a name of letters",
    "[{name: '', key: k}]": "z:3:29: gateway.api_keys.0.name: got a string, expected a name of letters",
    "[{name: a, key: ''}]": "z:3:37: gateway.api_keys.0.key: got a string, expected a string that is not empty",
    "[{name: a, key: 7}]": "z:3:37: gateway.api_keys.0.key: got a number or a truth value, expected a string; put",
    "[{name: a, kex: hunter2, key: k}]": "z:3:32: gateway.api_keys.0.kex: unknown key; did you mean key?",
    "[{name: a, key: k, models: []}]": "z:3:48: gateway.api_keys.0.models: got a list, expected a list of names",
    "[{name: a, key: k, models: }]": "z:3:48: gateway.api_keys.0.models: got nothing, expected a list of names",
    "[{name: a, key: k, models: a}]": "z:3:48: gateway.api_keys.0.models: got a string, expected a list of",
    "[{name: a, key: k, models: [a, a]}]": "z:3:48: gateway.api_keys.0.models: holds the same item twice",
    "[[hunter2]]": "z:3:22: gateway.api_keys.0: got a list, expected a string",
}


@pytest.mark.parametrize(("text", "told"), REFUSALS.items())
def test_a_key_that_is_written_otherwise_is_refused_by_its_place(text, told):
    (line,) = refused(text)
    assert line.startswith(told)


def test_a_key_can_be_built_without_a_file():
    named = ApiKeySpec(name="alice", key="k", models=("a",))
    assert ("", "alice") == tuple(each.name for each in GatewaySpec(api_keys=("k", named)).api_keys)
    with pytest.raises(ValidationError):
        GatewaySpec(api_keys=("",))
