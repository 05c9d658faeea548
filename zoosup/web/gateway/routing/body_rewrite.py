"""The only changes that are ever made to a request's body: strip_params, set_params and upstream_model.

Cuts out and puts in members of the outermost object and leaves every other byte as it was: numbers, escapes, the order
and doubled members are the server's to read. Refuses to know where the name came from and whom the request is for.
"""

import json

from zoosup.spec.model.model import ModelSpec
from zoosup.web.gateway.http1.multipart import is_form, parts
from zoosup.web.gateway.routing import json_members


def rewrite(body: bytes, spec: ModelSpec, content_type: str = "") -> bytes:
    """Give the body that the model's server is sent: the same object where nothing is to be changed.

    A form keeps its parameters; only its model is renamed. Where the body names no model (the address did), it gets
    none. DeniedError with 400 for a body that is no JSON object or no form.
    """
    if not (spec.strip_params or spec.set_params or spec.upstream_model):
        return body
    if is_form(content_type):
        return _form(body, spec.upstream_model, content_type)
    return _object(body, spec)


def _form(body: bytes, name: str | None, content_type: str) -> bytes:
    if name is None:
        return body
    found = [part for part in parts(body, content_type) if part.name == "model"]
    for part in reversed(found):
        body = body[: part.start] + name.encode() + body[part.end :]
    return body


def _object(body: bytes, spec: ModelSpec) -> bytes:
    fresh = {name: _encoded(value) for name, value in spec.set_params.items()}
    stripped = set(spec.strip_params) - fresh.keys()
    added = dict(fresh)
    if spec.upstream_model is not None:
        fresh["model"] = _encoded(spec.upstream_model)
    begin = json_members.begin(body)
    kept: list[bytes] = []
    end, changed = begin, False
    for member in json_members.members(body):
        between, end = body[end : member.start], member.end
        added.pop(member.name, None)
        if member.name in stripped:
            changed = True
            continue
        text = body[member.start : member.end]
        if member.name in fresh:
            changed, text = True, body[member.start : member.value] + fresh[member.name]
        kept += [between, text] if kept else [text]
    if not (changed or added):
        return body
    for name, value in added.items():
        kept += [b"," if kept else b"", _encoded(name) + b":" + value]
    return body[:begin] + b"".join(kept) + body[end:]


def _encoded(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
