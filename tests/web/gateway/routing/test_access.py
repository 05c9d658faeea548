"""Who may call the gateway: keys, names and pages."""

import base64
import hmac

import pytest

from zoosup.web.gateway.errors import DeniedError
from zoosup.web.gateway.routing import access
from zoosup.web.gateway.routing.access import (
    Policy,
    check,
    cors_headers,
    key_of,
    parse_keys,
    preflight_headers,
    presented_keys,
)

HOME = "127.0.0.1:8080"
PAGE = "https://chat.example.org"
KEYS = (b"first-key", "zweiter-schlüssel".encode())


def told(policy, headers, host=HOME):
    """The status and code of a refusal; None where there is none."""
    try:
        check(policy, headers, host)
    except DeniedError as error:
        return error.status, error.code
    return None


@pytest.mark.parametrize(
    ("headers", "presented"),
    [
        ({}, ()),
        ({"authorization": "Bearer a"}, ("a",)),
        ({"authorization": "bearer   a "}, ("a",)),
        ({"authorization": "Basic a"}, ()),
        ({"authorization": "Basic " + base64.b64encode(b"any:a:b").decode()}, ("a:b",)),
        ({"authorization": "Basic " + base64.b64encode(b"nothing").decode()}, ()),
        ({"authorization": "Bearer"}, ()),
        ({"authorization": "a"}, ()),
        ({"x-api-key": " a "}, ("a",)),
        ({"api-key": "a"}, ("a",)),
        ({"authorization": "Bearer a", "x-api-key": "b", "api-key": "c"}, ("a", "b", "c")),
        ({"x-api-key": ""}, ()),
    ],
)
def test_a_key_may_come_in_three_headers(headers, presented):
    assert presented == presented_keys(headers)


@pytest.mark.parametrize(
    ("presented", "found"),
    [
        ((), b""),
        (("first-key",), KEYS[0]),
        ((KEYS[1].decode("latin-1"),), KEYS[1]),
        (("zweiter-schlüssel",), b""),
        (("zweiter-schl☃ssel",), b""),
        (("dummy", "first-key"), KEYS[0]),
        ((KEYS[1].decode("latin-1"), "first-key"), KEYS[1]),
        (("First-key",), b""),
        (("first-ke",), b""),
        (("first-key ",), b""),
        (("first-key\udcff",), b""),
        (("",), b""),
    ],
)
def test_one_right_key_is_enough_and_nearly_right_is_wrong(presented, found):
    assert found == key_of(presented, KEYS)


def test_every_pair_is_compared_even_after_a_match(monkeypatch):
    compared = []

    def counting(one, other):
        compared.append((one, other))
        return hmac.compare_digest(one, other)

    monkeypatch.setattr(access, "hmac", type("Counting", (), {"compare_digest": staticmethod(counting)}))
    assert KEYS[0] == key_of(("first-key", "x"), KEYS)
    assert [(given, key) for given in (b"first-key", b"x") for key in KEYS] == compared


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        ("", ()),
        ("a\nb\n", ("a", "b")),
        ("\ufeff# keys\r\n\r\n  a  \r\n#b\r\nc#d\r\na\r\n", ("a", "c#d")),
    ],
)
def test_a_file_has_a_key_a_line(text, keys):
    assert keys == parse_keys(text)


ANYBODY, GUARDED = Policy(), Policy(KEYS)
GIVEN = {"authorization": "Bearer first-key"}


@pytest.mark.parametrize(
    ("policy", "headers", "host", "expected"),
    [
        # without keys: this host's clients, and no page of a stranger, under whatever name
        (ANYBODY, {}, HOME, None),
        (ANYBODY, {}, "localhost:8080", None),
        (ANYBODY, {}, "evil.example", (421, "wrong_host")),
        (ANYBODY, {"host": ""}, "", (421, "wrong_host")),
        (ANYBODY, {}, "", None),
        (ANYBODY, {"origin": "http://127.0.0.1:8080"}, HOME, None),
        (ANYBODY, {"origin": "http://127.0.0.1:3000"}, HOME, (403, "wrong_origin")),
        (ANYBODY, {"origin": "null"}, HOME, (403, "wrong_origin")),
        (ANYBODY, {"origin": PAGE}, HOME, (403, "wrong_origin")),
        (ANYBODY, {"origin": "http://evil.example"}, "evil.example", (421, "wrong_host")),
        (Policy(hostname="gpu-box"), {}, "gpu-box.local:8080", None),
        (Policy(listen_host="zoo.lan"), {}, "zoo.lan:8080", None),
        # opened by the file: any name, still no page of a stranger
        (Policy(open=True), {}, "gpu-box.lan", None),
        (Policy(open=True), {"origin": PAGE}, "gpu-box.lan", (403, "wrong_origin")),
        # with keys: any name, for a page has no key
        (GUARDED, {}, HOME, (401, "invalid_api_key")),
        (GUARDED, {"authorization": "Bearer other"}, HOME, (401, "invalid_api_key")),
        (GUARDED, GIVEN, HOME, None),
        (GUARDED, GIVEN, "api.example.org", None),
        (GUARDED, GIVEN | {"origin": PAGE}, HOME, (403, "wrong_origin")),
        # pages that the file lists
        (Policy(origins=(PAGE,)), {"origin": PAGE}, HOME, None),
        (Policy(origins=(PAGE,)), {"origin": PAGE.upper()}, HOME, None),
        (Policy(origins=(PAGE,)), {"origin": "http://chat.example.org"}, HOME, (403, "wrong_origin")),
        (Policy(origins=(PAGE,)), {"origin": f"{PAGE}.evil.example"}, HOME, (403, "wrong_origin")),
        (Policy(KEYS, (PAGE,)), {"origin": PAGE}, HOME, (401, "invalid_api_key")),
        (Policy(KEYS, (PAGE,)), GIVEN | {"origin": PAGE}, HOME, None),
        (Policy(origins=("*",)), {"origin": "null"}, HOME, None),
    ],
)
def test_who_is_let_in(policy, headers, host, expected):
    assert expected == told(policy, headers, host)


def test_a_refusal_repeats_no_key_and_says_what_to_present():
    with pytest.raises(DeniedError) as caught:
        check(GUARDED, {"x-api-key": "guessed"}, HOME)
    assert {"WWW-Authenticate": 'Bearer realm="zoosup"'} == caught.value.headers
    assert "guessed" not in caught.value.message
    assert "first-key" not in caught.value.message + repr(GUARDED)


PREFLIGHT = {"origin": PAGE, "access-control-request-method": "POST"}


def test_pages_are_told_nothing_by_default():
    assert {} == cors_headers(PAGE, ANYBODY)
    assert {} == preflight_headers(PREFLIGHT, ANYBODY)
    assert {} == cors_headers(None, Policy(origins=("*",)))


def test_a_listed_page_may_read_and_others_may_not():
    policy = Policy(origins=(PAGE,))
    assert (PAGE, "Origin") == (
        (given := cors_headers(PAGE, policy))["Access-Control-Allow-Origin"],
        given["Vary"],
    )
    assert {} == cors_headers("https://evil.example", policy)
    assert "*" == cors_headers("null", Policy(origins=("*",)))["Access-Control-Allow-Origin"]


@pytest.mark.parametrize(
    ("asked", "allowed"),
    [
        ("authorization, content-type,x-stainless-os", "authorization, content-type,x-stainless-os"),
        ("", None),
        ("x: y", None),
        ("a\r\nSet-Cookie: b", None),
        ("a,,b", None),
    ],
)
def test_a_preflight_may_ask_for_any_header_that_is_one(asked, allowed):
    given = preflight_headers(PREFLIGHT | {"access-control-request-headers": asked}, Policy(origins=(PAGE,)))
    assert allowed == given.get("Access-Control-Allow-Headers")
    assert "POST" in given["Access-Control-Allow-Methods"]
    assert "Access-Control-Allow-Private-Network" not in given
    assert "Access-Control-Allow-Credentials" not in given


def test_a_public_page_may_be_let_into_this_network():
    asked = PREFLIGHT | {"access-control-request-private-network": "true"}
    assert "true" == preflight_headers(asked, Policy(origins=(PAGE,)))["Access-Control-Allow-Private-Network"]


def test_a_preflight_is_told_from_a_plain_options():
    assert access.is_preflight("OPTIONS", PREFLIGHT)
    assert not access.is_preflight("POST", PREFLIGHT)
    assert not access.is_preflight("OPTIONS", {"origin": PAGE})
