"""What clients may have of the descriptors that there are."""

import pytest

from zoosup.runtime.operations.start.child_env import Secrets, WithoutSecrets, environment
from zoosup.spec.parse import parse
from zoosup.supervisor.assembly import Shares, connection_shares, secrets_of


@pytest.mark.parametrize("descriptors", [64, 256, 300, 1024, 4096, 65536, 1 << 20])
def test_clients_leave_descriptors_for_work(descriptors):
    shares = connection_shares(descriptors)
    assert 2 * shares.gateway + 2 * shares.status <= descriptors - min(512, descriptors // 3)
    assert min(shares.gateway, shares.status) > 0


def test_where_there_are_many_the_usual_bounds_hold():
    assert Shares(4096, 512) == connection_shares(1 << 20)


def test_models_are_not_given_what_clients_present_unless_the_file_gives_it_to_them():
    environ = {"ZOO_KEY": "gateway-key", "PART": "half-of-a-key", "TOKEN": "s3", "HOME": "/root", "LANG": "C"}
    environ |= {"BOX_KEY": "theirs"}
    text = """
gateway: {api_keys: ["${env.ZOO_KEY}", {name: n, key: "sk-${env.PART}"}]}
status: {token: "${env.TOKEN}"}
models:
  a: {command: x, env: {MINE: "${env.ZOO_KEY}"}}
  box: {external: {url: "https://box2/v1", api_key: "${env.BOX_KEY}"}}
active: []
"""
    spec = parse(text, path="zoo.yaml", environ=environ)
    shown = WithoutSecrets(environ, lambda: secrets_of(spec))
    assert {"HOME": "/root", "LANG": "C"} == dict(shown)
    assert {"HOME": "/root", "LANG": "C", "MINE": "gateway-key"} == environment(
        shown, spec.models["a"].env, 1
    )


class Counted(dict):
    """An environment that counts how often a value is looked at."""

    looks = 0

    def __getitem__(self, name):
        self.looks += 1
        return super().__getitem__(name)

    def items(self):
        return ((name, self[name]) for name in self)


def test_to_copy_what_is_shown_looks_at_each_variable_a_few_times():
    environ = Counted({f"V{number}": f"value {number}" for number in range(1000)})
    shown = WithoutSecrets(environ, lambda: Secrets(("gateway-key",)))
    assert 1000 == len(dict(shown))
    assert environ.looks <= 3 * 1000


def test_a_variable_of_which_a_key_is_made_is_not_given_however_short_it_is():
    environ = {"A": "ab1", "B": "cd2", "OTHER": "ab1-not-a-key", "LANG": "C"}
    text = """
gateway: {api_keys: ["${env.A}-${env.B}"]}
models: {a: {command: x}}
active: []
"""
    spec = parse(text, path="zoo.yaml", environ=environ)
    shown = WithoutSecrets(environ, lambda: secrets_of(spec))
    assert {"OTHER": "ab1-not-a-key", "LANG": "C"} == dict(shown)


def test_nor_one_that_holds_a_key_of_the_key_file_alone_or_among_others():
    environ = {"KEY": "k1", "HEADER": "Bearer gateway-key-2", "KEYS": "gateway-key-2,x", "LANG": "C"}
    spec = parse("models: {}\nactive: []\n", path="zoo.yaml", environ=environ)
    shown = WithoutSecrets(environ, lambda: secrets_of(spec, ("k1", "gateway-key-2")))
    assert {"LANG": "C"} == dict(shown)
    assert "gateway-key" not in repr(secrets_of(spec, ("k1", "gateway-key-2")))
