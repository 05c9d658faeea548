"""Where a server elsewhere is, and what it is asked for a client's path."""

import pytest

from tests.spec.test_parse import read, refused
from zoosup.spec.model.external import BaseUrl


@pytest.mark.parametrize(
    ("url", "path", "target"),
    [
        ("http://box2:8000", "/v1/chat/completions", "/v1/chat/completions"),
        ("http://box2:8000/", "/chat/completions", "/chat/completions"),
        ("https://box2/v1", "/v1/models", "/v1/models"),
        ("https://box2/v1/", "/v1/models?limit=1", "/v1/models?limit=1"),
        ("https://box2/v1", "/tokenize", "/tokenize"),
        ("https://box2/api/v1", "/v1/models", "/api/v1/models"),
        ("https://box2/v1beta/openai", "/v1/chat/completions", "/v1beta/openai/chat/completions"),
        ("https://box2/v1beta/openai", "/chat/completions", "/v1beta/openai/chat/completions"),
        ("https://box2/v1beta/openai", "/v1x", "/v1beta/openai/v1x"),
    ],
)
def test_a_clients_path_becomes_one_of_that_server(url, path, target):
    assert target == BaseUrl.of(url).target(path)


@pytest.mark.parametrize(
    ("url", "where"),
    [
        ("https://box2:8000/v1", (True, "box2", 8000, "box2:8000")),
        ("https://Box2.example.org", (True, "box2.example.org", 443, "Box2.example.org")),
        ("http://[::1]:80/v1", (False, "::1", 80, "[::1]:80")),
        ("HTTP://10.0.0.7", (False, "10.0.0.7", 80, "10.0.0.7")),
    ],
)
def test_an_address_is_taken_apart(url, where):
    found = BaseUrl.of(url)
    assert where == (found.tls, found.host, found.port, found.authority)


@pytest.mark.parametrize(
    ("more", "ready", "said"),
    [
        (
            "",
            "{http: a b}",
            "models.m.ready.http: got a b, expected a path that begins with /, without blanks",
        ),
        ("", "{http: /é}", "models.m.ready.http: got /é, expected a path that begins with /"),
        (
            ", models: {x: ''}",
            "{}",
            "models.m.external.models.x: got '', expected the name that the model bears",
        ),
        (", models: {x: [a]}", "{}", "models.m.external.models.x: got a list, expected the name"),
        (', models: {x: "a\\nb"}', "{}", "models.m.external.models.x: got 'a\\nb', expected the name"),
    ],
)
def test_what_it_can_not_have_is_refused(more, ready, said):
    server = f"{{external: {{url: 'http://box2:8000'{more}}}, ready: {ready}}}"
    (line,) = refused(f"active: []\nmodels:\n  m: {server}\n")
    assert said in line


def test_without_a_path_of_its_own_its_list_of_models_is_asked_for():
    server = "{external: {url: 'http://box2:8000'}, ready: {http: null}}"
    [found] = read(f"active: []\nmodels:\n  m: {server}\n").externals.values()
    assert found.ready.http is None
