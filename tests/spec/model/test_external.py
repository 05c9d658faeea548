"""Where a server elsewhere is, and what it is asked for a client's path."""

import pytest

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
