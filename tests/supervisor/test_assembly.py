"""What clients may have of the descriptors that there are."""

import pytest

from zoosup.runtime.operations.child_env import WithoutSecrets, environment
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
    text = """
gateway: {api_keys: ["${env.ZOO_KEY}", "sk-${env.PART}"]}
status: {token: "${env.TOKEN}"}
models: {a: {command: x, env: {MINE: "${env.ZOO_KEY}"}}}
active: []
"""
    spec = parse(text, path="zoo.yaml", environ=environ)
    shown = WithoutSecrets(environ, lambda: secrets_of(spec))
    assert {"HOME": "/root", "LANG": "C"} == dict(shown)
    assert {"HOME": "/root", "LANG": "C", "MINE": "gateway-key"} == environment(
        shown, spec.models["a"].env, 1
    )
