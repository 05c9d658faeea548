"""Who is believed to be a gateway, what one says of its client, and what no client can pretend."""

import json

import pytest

from tests.web.gateway.conftest import CHAT, post, until
from tests.web.gateway.hosts import TOKEN, Hosts
from zoosup.core.state.refusal import Code, Refusal
from zoosup.spec.model.model import ModelSpec
from zoosup.web.gateway.server import Fleet

ALICE, BOB = "Authorization: Bearer a-key", "Authorization: Bearer b-key"
KEYS = {
    "keys": ("a-key", "b-key"),
    "api_keys": [{"name": "alice", "key": "a-key", "models": ["qwen"]}, {"name": "bob", "key": "b-key"}],
}
NOBODY = Refusal(Code.MODEL_NOT_HERE, "nobody has it")
PATH = "/v1/chat/completions"
HOP, BEARS = "x-zoosup-hop: 1", f"x-zoosup-fleet: {TOKEN}"


@pytest.fixture
async def hosts(models, limits):
    made = Hosts(models, limits)
    yield made
    await made.stop()


async def test_a_key_is_asked_for_once_and_goes_nowhere(hosts):
    a, b = await hosts.pair(**KEYS)
    assert 200 == (await a.ask(post(CHAT, PATH, ALICE)))[0]
    assert 401 == (await a.ask(post(CHAT, PATH)))[0]
    (asked,) = b.backend.asked
    assert not {"authorization", "x-api-key"} & set(asked.headers)
    assert not [name for name in asked.headers if name.startswith("x-zoosup")]
    assert {("qwen", "alice", 200): 1} == b.gateway.counters.requests
    assert "key alice" == b.leasing.given[0].holder.client


async def test_what_a_key_is_not_for_is_refused_at_the_first_gateway(hosts):
    a, b = await hosts.pair(**KEYS)
    a.routing.hosts["absent"] = ["b"]
    status, _, body = await a.ask(post(b'{"model": "absent"}', PATH, ALICE))
    assert (403, "model_not_allowed") == (status, json.loads(body)["error"]["code"])
    assert 0 == b.gateway.counters.connections_total


async def test_what_a_key_is_for_is_said_by_the_host_that_answers_too(hosts):
    """The file there may be newer."""
    a = await hosts.start("a", keys=("a-key",), api_keys=[{"name": "alice", "key": "a-key"}])
    narrow = [{"name": "alice", "key": "a-key", "models": ["absent"]}]
    await hosts.start("b", "qwen", keys=("a-key",), api_keys=narrow)
    a.routing.hosts["qwen"] = ["b"]
    assert 403 == (await a.ask(post(CHAT, PATH, ALICE)))[0]


async def test_clients_are_told_apart_as_at_one_gateway(hosts):
    a, b = await hosts.pair()
    await a.ask(post())
    assert "127.0.0.1" == b.leasing.given[0].holder.client


@pytest.mark.parametrize(
    "said",
    [(HOP,), (HOP, "x-zoosup-key: bob"), ("x-zoosup-fleet: x",), ("x-zoosup-key: bob", "x-zoosup-client: x")],
)
async def test_a_client_without_the_token_gains_nothing_by_such_words(hosts, said):
    a, b = await hosts.pair(**KEYS)
    assert 401 == (await b.ask(post(CHAT, PATH, *said)))[0]
    assert 200 == (await a.ask(post(CHAT, PATH, ALICE, *said)))[0], "it is passed on all the same"
    (asked,) = b.backend.asked
    assert not [name for name in asked.headers if name.startswith("x-zoosup")]
    assert {("", "", 401): 1, ("qwen", "alice", 200): 1} == b.gateway.counters.requests


async def test_a_token_of_another_fleet_is_refused_with_a_word(hosts):
    _, b = await hosts.pair()
    for token in ("x-zoosup-fleet: other", f"x-zoosup-fleet: {TOKEN}x", "x-zoosup-fleet:"):
        status, _, body = await b.ask(post(CHAT, PATH, HOP, token))
        assert (403, "wrong_fleet_token") == (status, json.loads(body)["error"]["code"])
    assert [] == b.backend.asked


async def test_hosts_of_two_fleets_pass_nothing_in_a_circle(hosts):
    a, b = await hosts.start("a"), await hosts.start("b", token="other")
    a.routing.hosts["qwen"], b.routing.hosts["qwen"] = ["b", "here"], ["a", "here"]
    a.leasing.refusals["qwen"] = b.leasing.refusals["qwen"] = NOBODY
    assert 503 == (await a.ask(post()))[0]
    assert (1, 1) == (a.gateway.counters.connections_total, b.gateway.counters.connections_total)


async def test_a_gateway_of_a_fleet_calls_another_by_any_name_and_for_any_page(hosts):
    a, b = await hosts.pair(cors=["https://chat.example"])
    status, headers, _ = await a.ask(post(CHAT, PATH, "Origin: https://chat.example"))
    assert 200 == status
    assert "https://chat.example" == headers["access-control-allow-origin"]
    assert 403 == (await a.ask(post(CHAT, PATH, "Origin: https://evil.example")))[0]
    assert 1 == len(b.backend.asked)


class TestWithoutAToken:
    """All hosts are this one."""

    async def test_nobody_is_believed_so_that_each_gateway_asks_for_the_key(self, hosts):
        a, b = await hosts.pair(token="", **KEYS)
        assert 200 == (await a.ask(post(CHAT, PATH, BOB)))[0]
        assert 401 == (await b.ask(post(CHAT, PATH, HOP, "x-zoosup-key: bob")))[0]
        assert {("qwen", "bob", 200): 1, ("", "", 401): 1} == b.gateway.counters.requests
        assert "authorization" not in b.backend.asked[0].headers

    async def test_nothing_is_passed_on_twice(self, hosts):
        a, b = await hosts.start("a", token=""), await hosts.start("b", token="")
        a.routing.hosts["qwen"], b.routing.hosts["qwen"] = ["b", "here"], ["a", "here"]
        a.leasing.refusals["qwen"] = NOBODY
        assert 503 == (await a.ask(post()))[0]
        assert (1, 1) == (a.gateway.counters.connections_total, b.gateway.counters.connections_total)


async def test_a_new_token_counts_at_once(hosts):
    a, b = await hosts.pair()
    await a.ask(post())
    spec = a.gateway._spec
    for host in (a, b):
        await host.gateway.configure(host.gateway._spec, (), Fleet(host.routing, "the next one"))
    assert 200 == (await a.ask(post()))[0]
    assert 403 == (await b.ask(post(CHAT, PATH, HOP, BEARS)))[0]
    await a.gateway.configure(spec, ())
    a.leasing.ports["qwen"] = a.backend.port
    assert 200 == (await a.ask(post()))[0]
    assert 1 == len(a.backend.asked), "there is no fleet any more"


class TestNames:
    @pytest.fixture
    def models(self):
        plain = ModelSpec(command=("x",), aliases=("gpt-4o",), set_params={"top_k": 1})
        return {"qwen": plain, "schön": ModelSpec(command=("x",))}

    async def test_what_zoo_yaml_changes_is_changed_once_where_the_model_is(self, hosts):
        a, b = await hosts.pair()
        await a.ask(post(b'{"model": "gpt-4o", "top_k": 5, "big": 12345678901234567890.0}'))
        changed = b'{"model": "gpt-4o", "top_k": 1, "big": 12345678901234567890.0}'
        assert changed == b.backend.asked[0].body

    async def test_a_default_is_the_first_gateways(self, hosts):
        a = await hosts.start("a")
        b = await hosts.start("b", "qwen", "schön")
        a.routing.hosts["schön"] = ["b"]
        a.leasing.default, b.leasing.default = "schön", "qwen"
        await a.ask(post(b'{"messages": []}'))
        assert "schön" == b.leasing.given[0].model

    async def test_names_beyond_ascii_pass(self, hosts):
        a = await hosts.start("a")
        b = await hosts.start("b", "schön")
        a.routing.hosts["schön"] = ["b"]
        assert 200 == (await a.ask(post('{"model": "schön"}'.encode())))[0]
        sent = b"GET /upstream/sch%C3%B6n/v1/models HTTP/1.1\r\nHost: localhost\r\n\r\n"
        assert 200 == (await a.ask(sent))[0]
        assert b"GET /v1/models HTTP/1.1" == b.backend.asked[1].line


OLLAMA = b'{"model": "qwen", "messages": [{"role": "user", "content": "hi"}], "stream": false}'
SAID = (
    b'{"choices": [{"index": 0, "message": {"role": "assistant", "content": "Hello"}, "finish_reason": "stop"}],'
    b' "usage": {"prompt_tokens": 3, "completion_tokens": 2}}'
)


async def test_ollamas_api_is_spoken_by_the_host_that_has_the_model(hosts):
    a, b = await hosts.pair()
    b.script(
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(SAID) + SAID
    )
    for host in (a, b):
        status, _, body = await host.ask(post(OLLAMA, "/api/chat"))
        told = json.loads(body)
        assert (200, "Hello", 3) == (status, told["message"]["content"], told["prompt_eval_count"])
    over, direct = b.backend.asked
    assert (direct.line, direct.body) == (over.line, over.body)
    unload = b'{"model": "qwen", "keep_alive": 0}'
    b.leasing.models["qwen"] = a.leasing.models["qwen"] = ModelSpec(command=("x",), on_demand=True)
    assert "unload" == json.loads((await a.ask(post(unload, "/api/generate")))[2])["done_reason"]
    assert [("qwen", 0.0)] == b.leasing.stays


@pytest.mark.parametrize("target", ["/metrics?model=qwen&x=1", "/upstream/qwen/metrics?x=1"])
async def test_a_look_goes_where_the_model_runs_and_is_no_demand(hosts, target):
    a, b = await hosts.pair()
    assert 200 == (await a.ask(f"GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()))[0]
    assert b"GET /metrics?x=1 HTTP/1.1" == b.backend.asked[0].line
    assert 1 == b.leasing.looks
    status, _, body = await a.ask(b"GET /metrics?model=absent HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert (503, "model_not_loaded") == (status, json.loads(body)["error"]["code"])


async def test_the_log_of_the_first_gateway_names_the_host_that_answered(hosts, caplog):
    caplog.set_level("INFO", "zoosup.access")
    a, _ = await hosts.pair(access_log="json")
    await a.ask(post(CHAT, PATH, "x-request-id: one"))
    await until(lambda: len(caplog.records) == 2)
    lines = {each.access.get("node"): each.access for each in caplog.records}
    assert {"b", None} == set(lines)
    assert {"one"} == {each["request_id"] for each in lines.values()}
    assert {"qwen"} == {each["model"] for each in lines.values()}
