"""Whatever a client sends: an answer or a documented refusal, and what is passed on is what it said.

HYPOTHESIS_PROFILE=thorough runs the long form.
"""

import json
import re
from urllib.parse import unquote

import httptools
import python_multipart
from hypothesis import example, given, strategies as st

from tests.web.gateway.forms import BOUNDARY, TYPE
from zoosup.spec.model.requests import BodyChanges, merged
from zoosup.web.gateway.errors import DeniedError
from zoosup.web.gateway.route import Kind
from zoosup.web.gateway.routing.body_rewrite import rewrite
from zoosup.web.gateway.routing.model_name import model_of, named_in_query
from zoosup.web.gateway.routing.routes import route, split_upstream

REFUSED = object()
KNOWN = {"a", "a/b", "a/b/c", "qwen3:8b", "upstream"}


def outcome(call, *args):
    """What a call gives; REFUSED for a refusal that says what it should, any other error is a finding."""
    refusal = None
    try:
        return call(*args)
    except DeniedError as error:
        refusal = error
    assert 400 <= refusal.status < 500
    assert refusal.code
    assert refusal.message
    return REFUSED


PIECES = [
    "/", "//", ".", "..", "%2e", "%2E.", "%2f", "%2F", "%5c", "\\", "%00", "%", "%zz", "?", "#", ";", ":", "@", "&",
    "a", "b", "c", "qwen3:8b", "model", "v1", "models", "upstream", "health", "chat/completions", "embeddings",
    "http://", "https://", "localhost:8080", "é", " ", "\t", "\r\n", "\x00", "~", "%C3%A9", "%ff",
]  # fmt: skip
targets = st.one_of(
    st.lists(st.sampled_from(PIECES), max_size=9).map("".join),
    st.lists(st.sampled_from(PIECES), max_size=6).map(lambda parts: "/upstream/" + "".join(parts)),
    st.lists(st.sampled_from(PIECES), max_size=4).map(lambda parts: "/v1/models/" + "".join(parts)),
    st.text(max_size=20),
)
methods = st.sampled_from(["GET", "HEAD", "POST", "OPTIONS", "DELETE", "CONNECT", "get", ""]) | st.text(
    max_size=8
)


def has_dots(path: bytes) -> bool:
    return any(part in {".", ".."} for part in re.split(r"[/\\]", unquote(path, "latin-1")))


@given(methods, targets | st.binary(max_size=30))
@example("GET", "/upstream/a/%2e%2e/b")
@example("GET", b"http://a")
def test_a_target_is_passed_on_to_the_letter_or_refused(method, target):
    found = outcome(route, method, target)
    if found is REFUSED:
        return
    raw = target if isinstance(target, bytes) else target.encode()
    sent = found.target
    if found.kind is Kind.UPSTREAM:
        split = outcome(split_upstream, found.rest, KNOWN.__contains__)
        if split is REFUSED:
            return
        model, sent = split
        left = sent if found.rest.endswith(sent) else sent[1:]  # a bare name is given a slash
        assert raw.endswith(b"/upstream/" + found.rest)
        assert found.rest.endswith(left)
        assert model == unquote(found.rest.removesuffix(left))
    else:
        assert raw.endswith(sent)
    path = sent.partition(b"?")[0]
    assert not has_dots(path)
    assert not path.startswith(b"//")
    assert sent == b"" or sent.startswith(b"/")
    assert b"\r" not in sent
    assert b" " not in sent


class Heads:
    """What llhttp makes of a request's head."""

    def __init__(self):
        self.target, self.done = b"", False

    def on_url(self, url):
        self.target += url

    def on_headers_complete(self):
        self.done = True


head_lines = st.lists(
    st.sampled_from(
        ["Host: a", "Content-Length: 0", "Transfer-Encoding: chunked", "X: \r", ": x", "A:b", "Upgrade: x"]
    ),
    max_size=4,
)


@given(st.sampled_from(["GET", "POST", "OPTIONS", "BREW", "G ET"]), targets, head_lines)
def test_whatever_the_parser_lets_through_is_routed_or_refused(method, target, lines):
    heads = Heads()
    parser = httptools.HttpRequestParser(heads)
    head = "\r\n".join([f"{method} {target} HTTP/1.1", *lines, "", ""]).encode("utf-8", "surrogatepass")
    try:
        parser.feed_data(head)
    except (httptools.HttpParserError, httptools.HttpParserUpgrade):
        return
    if heads.done:
        outcome(route, parser.get_method(), heads.target)


TEXTS = st.sampled_from(
    ["model", "stream", "a", "b", "temperature", "Model", 'q"', "\\", "é", "}", "]", ",", "\u2028", ""]
)
LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    TEXTS,
    st.text(st.characters(exclude_categories=()), max_size=4),
)
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)
BLANKS = st.sampled_from(["", " ", "\n", " \r\n\t"])


@st.composite
def bodies(draw):
    """JSON objects as anybody may write them: doubled members, blanks, escapes, what only Python takes for JSON."""
    members = []
    for name, value in draw(st.lists(st.tuples(TEXTS, VALUES), max_size=5)):
        key = json.dumps(name)
        if draw(st.booleans()):
            key = '"' + "".join(f"\\u{ord(c):04x}" for c in name) + '"'
        text = (
            draw(st.sampled_from(["1.0", "1e400", "-0", "1" * 30]))
            if draw(st.booleans())
            else json.dumps(value)
        )
        if draw(st.booleans()):
            text = json.dumps(value, ensure_ascii=False)
        members.append(draw(BLANKS) + key + draw(BLANKS) + ":" + draw(BLANKS) + text + draw(BLANKS))
    return (draw(BLANKS) + "{" + draw(BLANKS) + ",".join(members) + "}" + draw(BLANKS)).encode(
        "utf-8", "surrogatepass"
    )


@st.composite
def broken(draw):
    """A body with something cut out of it or put into it."""
    body = draw(bodies())
    start = draw(st.integers(0, len(body)))
    end = draw(st.integers(start, min(len(body), start + 3)))
    return (
        body[:start]
        + draw(st.sampled_from([b"", b'"', b"}", b"{", b",", b"\\", b"\xff", b"\xed\xa0\xbd"]))
        + body[end:]
    )


def view(body):
    """What json.loads sees of a body; REFUSED where it is no object."""
    try:
        value = json.loads(body.decode("utf-8-sig"), parse_int=float)
    except ValueError:
        return REFUSED
    return value if isinstance(value, dict) else REFUSED


@given(bodies() | broken() | st.binary(max_size=20))
def test_the_name_is_the_one_that_json_loads_sees(body):
    seen = view(body)
    found = outcome(model_of, body)
    if seen is REFUSED:
        return
    if found is REFUSED:
        assert seen.get("model") is not None
        assert not isinstance(seen["model"], str) or not encodable(seen["model"])
    else:
        assert (seen.get("model") or "", seen.get("stream") is True) == (found.model, found.stream)


def encodable(text):
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


@given(st.binary(max_size=30), st.text(max_size=40), st.binary(max_size=20))
def test_no_body_type_or_query_raises_anything_else(body, content_type, query):
    outcome(model_of, body, content_type, query)
    outcome(named_in_query, query)


def pairs(body):
    """Every member of the outermost object in its order, numbers as they are written."""
    tops = []
    value = json.loads(
        body.decode("utf-8-sig"),
        object_pairs_hook=lambda found: tops.append(found) or ("object", found),
        parse_int=str,
        parse_float=str,
        parse_constant=str,
    )
    assert value == ("object", tops[-1])
    return tops[-1]


VALUES = st.dictionaries(
    st.sampled_from(["a", "temperature", "é", "new"]),
    st.sampled_from([None, 0, "x", [1], {"a": 1}, {"a": {"b": 2}, "é": 3}, {}]),
    max_size=2,
)
RULES = st.builds(
    lambda strip, put, fill, name: BodyChanges(tuple(strip), fill, put, name),
    st.lists(st.sampled_from(["a", "b", "stream", "é", 'q"', ""]).filter(bool), unique=True, max_size=3),
    VALUES,
    VALUES,
    st.none() | st.sampled_from(["up", "größe"]),
)


def laid(members, sets, defaults, stripped=()):
    """What becomes of an object's members, by the words of the README."""
    result = []
    for name, value in members:
        put = merged(defaults, sets)
        given = sets.get(name, {}) if name in sets else {}
        if name in stripped:
            result += [(name, seen(put[name]))] if name in put else []
        elif isinstance(given, dict) and isinstance(value, tuple):
            below = defaults.get(name)
            result.append((name, ("object", laid(value[1], given, below if isinstance(below, dict) else {}))))
        else:
            result.append((name, seen(sets[name]) if name in sets else value))
    names = {name for name, _ in members}
    return result + [
        (name, seen(value)) for name, value in merged(defaults, sets).items() if name not in names
    ]


def seen(value):
    return pairs(json.dumps({"x": value}).encode())[0][1]


@given(bodies(), RULES)
def test_rewriting_changes_what_the_rules_name_and_nothing_else(body, rules):
    if view(body) is REFUSED:
        return
    before = pairs(body)
    expected = laid(before, rules.set_params, rules.default_params, rules.strip_params)
    if rules.upstream_model is not None:
        expected = [(name, rules.upstream_model if name == "model" else value) for name, value in expected]
    after = rewrite(body, rules)
    assert expected == pairs(after)
    if expected == before and not rules.set_params and rules.upstream_model is None:
        assert after is body


@given(broken() | st.binary(max_size=20), RULES)
def test_rewriting_refuses_or_gives_bytes_whatever_it_is_given(body, rules):
    after = outcome(rewrite, body, rules)
    assert after is REFUSED or isinstance(after, bytes)


LINE = f"--{BOUNDARY}".encode()
FORM_PIECES = [
    LINE, LINE + b"\r\n", LINE + b"--", LINE + b"--\r\n", b"\r\n", b"\r\n\r\n", b"\n", b"\r", b"--", b"a", b"true",
    b"\xff", b'Content-Disposition: form-data; name="model"\r\n',
    b'Content-Disposition: form-data; name="model"\r\n\r\nwhisper\r\n',
    b"content-disposition:form-data;name=model\r\n\r\n", b'Content-Disposition: form-data; name="stream"\r\n\r\n',
    b'Content-Disposition: form-data; name="file"; filename="x"\r\nContent-Type: audio/wav\r\n\r\n',
    b"Content-Type: a\r\n",
]  # fmt: skip
FIELDS = st.tuples(
    st.sampled_from(
        ['name="model"', "name=model", 'name="stream"', 'name="f"; filename="model"', 'name="x"']
    ),
    st.lists(
        st.sampled_from([b"a", b"\r\n", b"--", LINE[:6], b"\r\n--zoo", b"\x00\xff", b""]), max_size=4
    ).map(b"".join),
)
forms = st.one_of(
    st.lists(FIELDS, max_size=4).map(
        lambda fields: (
            b"".join(
                LINE + b"\r\nContent-Disposition: form-data; " + head.encode() + b"\r\n\r\n" + value + b"\r\n"
                for head, value in fields
            )
            + LINE
            + b"--\r\n"
        )
    ),
    st.lists(st.sampled_from(FORM_PIECES), max_size=9).map(b"".join),
)


def fields_as_servers_see_them(body):
    """(name, is a file, value) of every part, by python-multipart, which most servers in Python use."""
    found, head, header = [], {}, [b"", b""]

    def data(chunk, start, end):
        found[-1][1].extend(chunk[start:end])

    def header_end():
        head[header[0].lower()] = header[1]
        header[:] = [b"", b""]

    parser = python_multipart.MultipartParser(
        BOUNDARY.encode(),
        {
            "on_part_begin": lambda: (found.append(({}, bytearray())), head.clear()),
            "on_header_field": lambda chunk, start, end: header.__setitem__(0, header[0] + chunk[start:end]),
            "on_header_value": lambda chunk, start, end: header.__setitem__(1, header[1] + chunk[start:end]),
            "on_header_end": header_end,
            "on_headers_finished": lambda: found[-1][0].update(
                python_multipart.multipart.parse_options_header(head.get(b"content-disposition", b""))[1]
            ),
            "on_part_data": data,
        },
    )
    parser.write(body)
    parser.finalize()
    return [(options.get(b"name"), b"filename" in options, bytes(value)) for options, value in found]


@given(forms)
def test_a_form_means_to_servers_what_it_means_here(body):
    named = outcome(model_of, body, TYPE)
    if named is REFUSED:
        return
    seen = [(is_file, value) for name, is_file, value in fields_as_servers_see_them(body) if name == b"model"]
    assert [(False, named.model.encode())] == (seen or [(False, b"")])
    renamed = rewrite(body, BodyChanges(upstream_model="up"), TYPE)
    before, after = fields_as_servers_see_them(body), fields_as_servers_see_them(renamed)
    assert [(n, f, b"up" if n == b"model" else v) for n, f, v in before] == after
