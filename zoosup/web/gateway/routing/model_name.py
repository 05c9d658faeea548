"""Which model a request means: the name in its body, its form or its query.

Reads `model` and `stream` and is patient with everything else, which is the model server's business. Where the gateway
and a server could read two different names (in a body and in a query, in two parts of a form), the request is refused.
Refuses to know which names there are.
"""

import json
from urllib.parse import parse_qsl

import msgspec

from zoosup.web.gateway.errors import DeniedError
from zoosup.web.gateway.http1.multipart import is_form, parts
from zoosup.web.gateway.routing import json_members

_TRUE = frozenset({"true", "1"})


class Named(msgspec.Struct, gc=False):
    """Whom a request is for ("": it names nobody), and whether its answer is to be a stream."""

    model: str = ""
    stream: bool = False


_QUICK = 24 * 2**20
"""Bytes up to which msgspec looks for the name, without letting anybody else have a turn: some 80 ms."""

_LONGEST_NAME = 4096
_LONGEST_FORM = 2**20
_usual = msgspec.json.Decoder(Named)


def model_of(body: bytes, content_type: str = "", query: bytes = b"") -> Named:
    """Read which model is meant; DeniedError with 400 where that is not clear.

    `content_type` is the header; whatever is not multipart/form-data is read as JSON (curl -d says otherwise).
    """
    if not query and not is_form(content_type) and not is_urlencoded(content_type, body):
        return named_in_json(body)
    asked = named_in_query(query) if b"model" in query or b"%" in query else ""
    if is_form(content_type):
        found = _in_form(body, content_type)
    elif is_urlencoded(content_type, body):
        found = _in_urlencoded(body)
    elif body or not asked:
        found = _in_json(body)
    else:
        return Named(asked)
    if not asked or asked == found.model:
        return found
    if found.model:
        raise ambiguous()
    return Named(asked, found.stream)


def named_in_json(body: bytes) -> Named:
    """Read which model a body means that is JSON and the only place where one could be named; DeniedError as above."""
    if len(body) <= _QUICK:
        try:
            named = _usual.decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return _in_json(body)
        if named.model and named.model.isascii():
            return named
    return _in_json(body)


def named_in_query(query: bytes) -> str:
    """Read `?model=`; "" where there is none, DeniedError with 400 where there are two."""
    pairs = parse_qsl(query.decode("latin-1"), keep_blank_values=True, encoding="utf-8")
    names = {value for key, value in pairs if key == "model" and value}
    if len(names) > 1:
        raise _denied("ambiguous_model", "the address names more than one model")
    return next(iter(names), "")


def _in_json(body: bytes) -> Named:
    """What msgspec refuses and servers take is read as well: half of a surrogate pair, NaN, a byte order mark."""
    name, stream = b"", False
    for member in json_members.members(body):  # the last of two with the same name counts, as in json.loads
        if member.name == "model":
            name = body[member.value : member.end]
        elif member.name == "stream":
            stream = body[member.value : member.end] == b"true"
    return Named(text(name), stream)


def text(value: bytes) -> str:
    """Read a name as JSON; "" for null and for nothing, DeniedError with 400 for what is no text."""
    value = value[:_LONGEST_NAME]
    if value in {b"", b"null"}:
        return ""
    try:
        name = json.loads(value)
    except UnicodeDecodeError:
        raise _denied("invalid_json", "model is not UTF-8") from None
    except (ValueError, RecursionError):
        name = None
    if not isinstance(name, str):
        raise _denied("invalid_type", "model is not a string; expected the name of a model")
    if not name.isascii() and not _is_text(name):
        raise _denied("invalid_type", "model is not valid Unicode; expected the name of a model")
    return name


def _in_form(body: bytes, content_type: str) -> Named:
    model, stream = None, False
    for part in parts(body, content_type):
        if part.name == "model":
            if model is not None:
                raise _denied("ambiguous_model", "the form names a model twice")
            model = part.text(body)
        elif part.name == "stream" and not part.is_file:
            stream = part.text(body).strip().lower() in _TRUE
    return Named(model or "", stream)


def is_urlencoded(content_type: str, body: bytes) -> bool:
    """Whether it is a form of one line. curl -d says so of JSON as well, which begins with a brace."""
    said = content_type[:33].lower() == "application/x-www-form-urlencoded"
    return said and not body[:64].lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{")


def _in_urlencoded(body: bytes) -> Named:
    if len(body) > _LONGEST_FORM:
        raise _denied("invalid_form", f"the form is longer than {_LONGEST_FORM} bytes", param=None)
    fields = dict(parse_qsl(body.decode("latin-1"), keep_blank_values=True, encoding="utf-8"))
    return Named(named_in_query(body), fields.get("stream", "").lower() in _TRUE)


def unnamed() -> DeniedError:
    """Refuse a request that names no model, where nobody answers for those."""
    return _denied("missing_required_parameter", "no model is named; GET /v1/models lists those there are")


def _is_text(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def ambiguous() -> DeniedError:
    """The body and the address name two models."""
    return _denied("ambiguous_model", "the body names one model and the address another; name one")


def _denied(code: str, message: str, *, param: str | None = "model") -> DeniedError:
    return DeniedError(400, code, message, param=param)
