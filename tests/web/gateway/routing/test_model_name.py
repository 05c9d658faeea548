"""Which model a request means, and when that can't be said."""

import json

import pytest

from tests.web.gateway.forms import BOUNDARY, TYPE, form
from zoosup.web.gateway.errors import DeniedError
from zoosup.web.gateway.routing.model_name import Named, model_of, unnamed

LINE = f"--{BOUNDARY}".encode()
SOUND = ('name="file"; filename="a.wav"\r\nContent-Type: audio/wav', b"RIFF\x00\xff\r\n--zoo\r\n\r\n")


def code(body, content_type="application/json", query=b""):
    with pytest.raises(DeniedError) as caught:
        model_of(body, content_type, query)
    assert 400 == caught.value.status
    return caught.value.code


@pytest.mark.parametrize(
    ("body", "model", "stream"),
    [
        (b'{"model":"a"}', "a", False),
        (b'{"model":"a","stream":true}', "a", True),
        (b'{"model":"a","stream":false}', "a", False),
        (b'{"model":"a","stream":null}', "a", False),
        (b'{"model":"a","stream":"true"}', "a", False),
        (b'{"model":"a","stream":1}', "a", False),
        (b'{"model":"a","stream":' + b"9" * 5000 + b"}", "a", False),
        (b' \n{ "messages" : [ {"model":"inner"} ] ,\t"model" : "a" } \n', "a", False),
        ('{"model":"größe/ü:8b"}'.encode(), "größe/ü:8b", False),
        (b'{"mod\\u0065l":"\\u0061\\/b"}', "a/b", False),
        (b'{"model":"a","model":"b"}', "b", False),
        (b'{"model":null,"model":"b"}', "b", False),
        (b'{"Model":"a","model":"b","MODEL":"c"}', "b", False),
        (b'{"model":"a","t":1e400,"u":' + b"9" * 5000 + b"}", "a", False),
        (b'{"model":"a","t":NaN,"u":-Infinity,"n":' + b"9" * 5000 + b"}", "a", False),
        (b'{"model":"a","messages":[{"content":"half an emoji \\ud83d"}]}', "a", False),
        (b'{"model":"a","messages":"\xff"}', "a", False),
        (b'\xef\xbb\xbf{"model":"a"}', "a", False),
        (b'{"x":' + b"[" * 100_000 + b"]" * 100_000 + b',"model":"a"}', "a", False),
        (b'{"x":NaN,"y":' + b"[" * 100_000 + b"]" * 100_000 + b',"model":"a"}', "a", False),
    ],
)
def test_a_body_names_its_model_whatever_else_it_holds(body, model, stream):
    assert Named(model, stream) == model_of(body)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"", "invalid_json"),
        (b"model=a", "invalid_json"),
        (b'{"model":"a"', "invalid_json"),
        (b'{"model":"a"} x', "invalid_json"),
        (b'{"model":"a",}', "invalid_json"),
        (b'["model","a"]', "invalid_json"),
        (b'"model"', "invalid_json"),
        (b'{"x":' + b"[" * 100_000 + b"]" * 99_999 + b',"model":"a"}', "invalid_json"),
        (b'{"n":NaN,' + b'"x":1,' * 100_000 + b'"model":"a"}', "invalid_json"),
        ('{"model":"a"}'.encode("utf-16"), "invalid_json"),
        (b'{"model":"\xff"}', "invalid_json"),
        (b'{"model":"\\ud83d"}', "invalid_type"),
        (b'{"model":1}', "invalid_type"),
        (b'{"model":' + b"9" * 5000 + b"}", "invalid_type"),
        (b'{"model":["a"]}', "invalid_type"),
        (b'{"model":' + b"[" * 1500 + b"]" * 1500 + b"}", "invalid_type"),
        (b'{"model":' + b"[" * 9000 + b"]" * 9000 + b"}", "invalid_type"),
        (b'{"model":"a","model":{}}', "invalid_type"),
    ],
)
def test_a_body_in_which_no_name_can_be_read_is_refused(body, expected):
    assert expected == code(body)


@pytest.mark.parametrize(
    "body",
    [b"{}", b'{"model":null}', b'{"model":""}', b'{"Model":"a"}', b'{"messages":[{"model":"a"}]}'],
)
def test_a_body_may_name_nobody(body):
    assert Named() == model_of(body)
    assert "missing_required_parameter" == unnamed().code


def test_what_is_wrong_with_a_body_is_said():
    with pytest.raises(DeniedError, match="the body is not a JSON object: at byte 10: expected , or }"):
        model_of(b'{"model":1 2}')
    with pytest.raises(DeniedError, match="model is not UTF-8"):
        model_of(b'{"model":"\xff"}')


@pytest.mark.parametrize(
    "content_type", ["", "text/plain", "application/x-www-form-urlencoded", "application/json; charset=x"]
)
def test_a_body_is_json_whatever_curl_calls_it(content_type):
    assert Named("a") == model_of(b'{"model":"a"}', content_type)


@pytest.mark.parametrize(
    ("body", "query", "model"),
    [
        (b"", b"model=a", "a"),
        (b"{}", b"x=1&model=org%2Fa%3A8b", "org/a:8b"),
        (b'{"model":null}', b"mod%65l=a", "a"),
        (b'{"model":"a"}', b"model=a&model=a", "a"),
        (b'{"model":"a"}', b"model=", "a"),
        (b'{"model":"a"}', b"x=model", "a"),
    ],
)
def test_an_address_names_the_model_where_the_body_does_not(body, query, model):
    assert model == model_of(body, query=query).model


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"model=a", Named("a")),
        (b"input=x&model=a%2Fb+c&stream=true", Named("a/b c", True)),
        (b"model=a&stream=false", Named("a")),
    ],
)
def test_a_form_of_one_line_names_its_model(body, expected):
    assert expected == model_of(body, "application/x-www-form-urlencoded; charset=utf-8")


def test_two_names_for_one_request_are_one_too_many():
    assert "ambiguous_model" == code(b'{"model":"a"}', query=b"model=b")
    assert "ambiguous_model" == code(b"{}", query=b"model=a&model=b")
    assert "ambiguous_model" == code(form(('name="model"', b"a"), ('name="model"', b"a")), TYPE)
    assert "ambiguous_model" == code(form(('name="model"', b"a")), TYPE, b"model=b")


@pytest.mark.parametrize(
    ("parts", "model", "stream"),
    [
        ([('name="model"', b"whisper-1")], "whisper-1", False),
        ([SOUND, ('name="model"', b"whisper-1"), ('name="stream"', b"true")], "whisper-1", True),
        ([('name=model; x="y"', "größe".encode()), SOUND, ('name="stream"', b"False")], "größe", False),
        ([('NAME="model"\r\nContent-Type: text/plain; charset=utf-8', b"a"), SOUND], "a", False),
        ([('name="model"\r\nContent-Transfer-Encoding: 8bit', b"a")], "a", False),
        ([('name="file"; filename="model"', b"x"), ('name="model"', b"a")], "a", False),
        ([('name="x"; filename="; name=\\"model\\""', b"x"), ('name="model"', b"a")], "a", False),
        ([('name="empty"', b""), ('name="model"', b"a")], "a", False),
    ],
)
@pytest.mark.parametrize("content_type", [TYPE, f'Multipart/Form-Data; charset=utf-8; boundary="{BOUNDARY}"'])
def test_a_form_names_its_model_among_its_parts(parts, model, stream, content_type):
    assert Named(model, stream) == model_of(form(*parts), content_type)


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b"", TYPE),
        (b'{"model":"a"}', TYPE),
        (form(('name="model"', b"a")), "multipart/form-data"),
        (form(('name="model"', b"a")), "multipart/form-data; boundary="),
        (form(('name="model"', b"a")), "multipart/form-data; boundary=" + "x" * 71),
        (form(('name="model"', b"a")), "multipart/form-data; boundary=other"),
        (form(('name="model"', b"a"))[:-4], TYPE),
        (b"preamble\r\n" + form(('name="model"', b"a")), TYPE),
        (form(('name="model"', b"a\r\n" + LINE + b"er\r\n")), TYPE),
        (LINE + b"\n" + form(('name="model"', b"a")), TYPE),
        (LINE + b"\r\n\r\na\r\n" + LINE + b"--", TYPE),
        (LINE + b"\r\nContent-Disposition: form-data; name=model\r\n" + LINE + b"--", TYPE),
        (LINE + b"\r\nContent-Disposition: form-data; name=model\r\n\r\n" + LINE + b"--", TYPE),
        (form(("x=y", b"a")), TYPE),
        (form(("name*=utf-8''model", b"a")), TYPE),
        (form(("name=\"x\"; NAME*=utf-8''model", b"a")), TYPE),
        (form(('name="model"; filename="a"', b"a")), TYPE),
        (form(("name=\"model\"; filename*=utf-8''a", b"a")), TYPE),
        (form(('name="model"\r\nContent-Disposition: form-data; name="x"', b"a")), TYPE),
        (form(('name="x"\r\n name="model"', b"a")), TYPE),
        (form(('name="model"\r\n ; x="a:b"', b"a")), TYPE),
        (LINE + b'er\r\nContent-Disposition: form-data; name="model"\r\n\r\na\r\n' + LINE + b"--", TYPE),
        (LINE + b'erContent-Disposition: form-data; name="model"\r\n\r\na\r\n' + LINE + b"--", TYPE),
        (form(('name="model"', b"a")), "multipart/form-data; boundary=\u2603"),
        (form(('name="x"\nContent-Disposition: form-data; name="model"', b"a")), TYPE),
        (form(('name="model"\r\nContent-Transfer-Encoding: base64', b"YQ==")), TYPE),
        (form(('name="model"', b"\xff")), TYPE),
        (form(('name="model"', b"a" * 70_000)), TYPE),
        (form(('name="x"\r\nX: ' + "y" * 20_000, b"a")), TYPE),
        (form(*[('name="x"', b"")] * 1001), TYPE),
    ],
)
def test_a_form_that_servers_read_differently_is_refused(body, content_type):
    assert "invalid_form" == code(body, content_type)


def test_a_form_may_name_nobody():
    assert Named() == model_of(form(SOUND), TYPE)
    assert Named() == model_of(form(('name="model"', b"")), TYPE)
    assert Named("a") == model_of(form(SOUND), TYPE, b"model=a")


def test_a_long_body_is_read_as_far_as_json_goes():
    body = json.dumps({"messages": ["x" * 10] * 10_000, "model": "a"}).encode()
    assert Named("a") == model_of(body)
