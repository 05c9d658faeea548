"""Which address is whose, and which is nobody's."""

import pytest

from zoosup.spec.model.model import Task
from zoosup.web.gateway.errors import DeniedError
from zoosup.web.gateway.route import Dialect, Kind, Where
from zoosup.web.gateway.routing.routes import check_task, route, split_upstream

MODELS = {"qwen", "org/qwen", "org/qwen/large", "qwen3:8b", "a+b@c"}


def refused(call, *args):
    with pytest.raises(DeniedError) as caught:
        call(*args)
    return caught.value


@pytest.mark.parametrize("prefix", ["", "/v1"])
@pytest.mark.parametrize(
    ("path", "where", "task", "streams"),
    [
        ("/chat/completions", "json", "chat", True),
        ("/completions", "json", "chat", True),
        ("/responses", "json", "chat", True),
        ("/messages", "json", "chat", True),
        ("/messages/count_tokens", "json", "chat", False),
        ("/infill", "json", "chat", True),
        ("/completion", "json", "chat", True),
        ("/apply-template", "json", "chat", False),
        ("/tokenize", "json", None, False),
        ("/detokenize", "json", None, False),
        ("/embeddings", "json", "embed", False),
        ("/rerank", "json", "rerank", False),
        ("/reranking", "json", "rerank", False),
        ("/images/generations", "json", "image", True),
        ("/images/edits", "form", "image", True),
        ("/images/variations", "form", "image", False),
        ("/audio/speech", "json", "audio", False),
        ("/audio/transcriptions", "form", "audio", True),
        ("/audio/translations", "form", "audio", False),
    ],
)
def test_an_endpoint_keeps_the_clients_path_and_query(prefix, path, where, task, streams):
    target = f"{prefix}{path}?a=%2E%2e/..//&b".encode()
    found = route("POST", target)
    assert (Kind.ENDPOINT, target, b"a=%2E%2e/..//&b") == (found.kind, found.target, found.query)
    assert (where, task, streams) == (found.where, found.task, found.streams)
    assert f"{prefix}{path}".encode() == route(b"POST", f"{prefix}{path}").target


@pytest.mark.parametrize("path", ["txt2img", "img2img", "options", "sd-models", "a/b"])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_all_that_a_server_of_pictures_offers_goes_to_it(method, path):
    found = route(method, f"/sdapi/v1/{path}?x=1")
    assert (Kind.ENDPOINT, Where.TASK, Task.IMAGE, False) == (
        found.kind,
        found.where,
        found.task,
        found.looks,
    )
    assert f"/sdapi/v1/{path}?x=1".encode() == found.target
    assert route("GET", "/sdapi/v1/progress?x=1").looks
    assert 405 == refused(route, "DELETE", f"/sdapi/v1/{path}").status
    assert 404 == refused(route, method, "/sdapi/v1/").status


@pytest.mark.parametrize("path", ["/audio/voices", "/v1/audio/voices"])
def test_voices_are_asked_for_by_get(path):
    found = route("GET", f"{path}?model=kokoro")
    assert (Kind.ENDPOINT, Where.TASK, Task.AUDIO) == (found.kind, found.where, found.task)
    assert f"{path}?model=kokoro".encode() == found.target
    assert 405 == refused(route, "POST", path).status


@pytest.mark.parametrize("prefix", ["", "/v1"])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_the_gateway_answers_for_its_models_and_its_health(prefix, method):
    assert Kind.MODELS == route(method, f"{prefix}/models").kind
    assert Kind.HEALTH == route(method, f"{prefix}/health?x").kind
    found = route(method, f"{prefix}/models/org/qwen%3A8b")
    assert (Kind.MODEL, "org/qwen:8b") == (found.kind, found.name)
    assert "org/qwen" == route(method, f"{prefix}/models/org%2Fqwen").name


def test_who_speaks_which_dialect():
    assert Dialect.CHAT == route("POST", "/v1/chat/completions").dialect
    assert Dialect.RESPONSES == route("POST", "/v1/responses").dialect
    assert Dialect.ANTHROPIC == route("POST", "/v1/messages/count_tokens").dialect
    assert Dialect.OPENAI == route("POST", "/v1/embeddings").dialect


@pytest.mark.parametrize(
    ("method", "target", "allow"),
    [
        ("GET", "/v1/chat/completions", "OPTIONS, POST"),
        ("HEAD", "/embeddings?x", "OPTIONS, POST"),
        ("post", "/embeddings", "OPTIONS, POST"),
        ("POST", "/v1/models", "GET, HEAD, OPTIONS"),
        ("DELETE", "/v1/models/qwen", "GET, HEAD, OPTIONS"),
        ("BREW", "/health", "GET, HEAD, OPTIONS"),
    ],
)
def test_the_wrong_method_is_told_the_right_ones(method, target, allow):
    error = refused(route, method, target)
    assert (405, "method_not_allowed", {"Allow": allow}) == (error.status, error.code, error.headers)


def test_options_are_answered_here_but_for_upstream():
    assert (Kind.OPTIONS, ("OPTIONS", "POST")) == (
        (found := route("OPTIONS", "/v1/completions")).kind,
        found.allow,
    )
    assert Kind.OPTIONS == route("OPTIONS", "*").kind
    assert Kind.UPSTREAM == route("OPTIONS", "/upstream/qwen/x").kind


@pytest.mark.parametrize(
    "target",
    [
        "/v1",
        "/v2/models",
        "/v1/chat/completions/",
        "/v1/v1/models",
        "/V1/models",
        "/v1/ch%61t/completions",
        "/v1/chat%2Fcompletions",
        "/v1//models",
        "/upstream",
        "/models/",
        "/healthz",
    ],
)
def test_what_is_not_an_address_to_the_letter_is_none(target):
    assert (404, "unknown_url") == ((error := refused(route, "GET", target)).status, error.code)


@pytest.mark.parametrize(
    "target",
    [
        "",
        "*",
        "v1/models",
        "example.org:443",
        "//v1/models",
        "/v1/models#x",
        "/v1/mod els",
        "/v1/models\r\nX: y",
        "/v1/modèls",
        "/v1/models\x00",
        "/v1/../models",
        "/v1/./models",
        "/v1/%2e%2E/models",
        "/v1/models/..",
        "/v1/models/a%2f..%2fb",
        "/v1/models/a%5c..%5cb",
        "/v1/models/a;/..;x/b",
        "/v1/models/%",
        "/v1/models/%2",
        "/v1/models/%zz",
        "/v1/models/%00",
        "/upstream/",
        "/upstream//qwen",
        "/upstream/qwen/../other/x",
        "/upstream/qwen/%2e./other/x",
        "/upstream/qwen/a/..%2f..%2fother",
        "/upstream/qwen\\x",
        "https://host/v1/models",
        "http:///v1/models",
        "http://user@host/v1/models",
        "http://host//v1/models",
        "http://host",
    ],
)
def test_an_address_that_can_be_read_in_two_ways_is_refused(target):
    error = refused(route, "GET", target)
    assert (404 if target == "http://host" else 400) == error.status


def test_an_absolute_address_counts_as_its_path_and_gives_the_host():
    found = route("POST", "HTTP://localhost:8080/v1/embeddings?x=1")
    assert (b"/v1/embeddings?x=1", "localhost:8080") == (found.target, found.authority)


@pytest.mark.parametrize(
    ("target", "model", "rest"),
    [
        ("/upstream/qwen", "qwen", b"/"),
        ("/upstream/qwen/", "qwen", b"/"),
        ("/upstream/qwen?a=/..", "qwen", b"/?a=/.."),
        ("/upstream/qwen/props", "qwen", b"/props"),
        ("/upstream/qwen/a//b/%2F%20;x?y=%zz", "qwen", b"/a//b/%2F%20;x?y=%zz"),
        ("/upstream/qwen3:8b/x", "qwen3:8b", b"/x"),
        ("/upstream/qwen3%3A8b/x", "qwen3:8b", b"/x"),
        ("/upstream/a+b@c/x", "a+b@c", b"/x"),
        ("/upstream/org/qwen/props", "org/qwen", b"/props"),
        ("/upstream/org/qwen", "org/qwen", b"/"),
        ("/upstream/org%2Fqwen/props", "org/qwen", b"/props"),
        ("/upstream/org/qwen/large/props", "org/qwen/large", b"/props"),
        ("/upstream/org/qwen/largest/props", "org/qwen", b"/largest/props"),
        ("/upstream/org/other/props", "org", b"/other/props"),
        ("/upstream/none", "none", b"/"),
        ("/upstream/" + "x/" * 300, "x", b"/" + b"x/" * 299),
    ],
)
def test_upstream_cuts_off_the_longest_name_there_is(target, model, rest):
    found = route("PATCH", target)
    assert (Kind.UPSTREAM, Where.PATH, b"") == (found.kind, found.where, found.target)
    assert (model, rest) == split_upstream(found.rest, MODELS.__contains__)


def test_upstream_hands_no_server_a_path_that_looks_like_a_host():
    error = refused(split_upstream, route("GET", "/upstream/qwen//evil.example/x").rest, MODELS.__contains__)
    assert (400, "invalid_url") == (error.status, error.code)


def test_a_models_name_is_not_looked_for_in_the_query():
    assert ("org", b"/?/qwen") == split_upstream(b"org?/qwen", MODELS.__contains__)


@pytest.mark.parametrize(
    ("target", "task"),
    [
        ("/v1/embeddings", Task.EMBED),
        ("/v1/embeddings", None),
        ("/tokenize", Task.IMAGE),
        ("/upstream/m/x", Task.AUDIO),
    ],
)
def test_a_model_is_asked_for_what_it_is_for(target, task):
    check_task(route("POST", target), "m", task)


def test_a_model_is_not_asked_for_what_it_is_not_for():
    error = refused(check_task, route("POST", "/v1/embeddings?x"), "m", Task.CHAT)
    assert (400, "model_task_mismatch", "model") == (error.status, error.code, error.param)
    assert "m is for chat, and /v1/embeddings is for embed; another model is never taken" == error.message
