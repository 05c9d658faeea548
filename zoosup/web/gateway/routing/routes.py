"""Which address is whose: a request line's method and target as data.

Knows the addresses of the OpenAI, Anthropic, Ollama, llama.cpp, Jina and A1111 APIs. A target is passed on byte for
byte or refused: whatever two readers could take for two different paths (`..`, `//` in front, encoded ones too) is
nobody's. Refuses to know which models there are.
"""

import re
from collections.abc import Callable
from dataclasses import replace
from urllib.parse import unquote

from zoosup.spec.model.model import Task
from zoosup.web.gateway.errors import DeniedError
from zoosup.web.gateway.route import Dialect, Kind, Route, Where

_LOOKING = frozenset({b"GET", b"HEAD"})
UPSTREAM_PREFIX = b"/upstream/"
_LONGEST_ENCODED = 3 * 128 + 1
"""Bytes that a model's name and a slash can take in a path: zoo.yaml allows 128 characters."""

_POST, _GET = ("OPTIONS", "POST"), ("GET", "HEAD", "OPTIONS")
_BOTH = ("GET", "HEAD", "OPTIONS", "POST")
_ANY = ("DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT")
_JSON, _FORM = Where.JSON, Where.FORM
_CHAT = Dialect.CHAT
_ENDPOINTS: dict[str, Route] = {
    "chat/completions": Route(Kind.ENDPOINT, _JSON, Task.CHAT, streams=True, dialect=_CHAT),
    "completions": Route(Kind.ENDPOINT, _JSON, Task.CHAT, streams=True),
    "responses": Route(Kind.ENDPOINT, _JSON, Task.CHAT, streams=True, dialect=Dialect.RESPONSES),
    "messages": Route(Kind.ENDPOINT, _JSON, Task.CHAT, streams=True, dialect=Dialect.ANTHROPIC),
    "messages/count_tokens": Route(Kind.ENDPOINT, _JSON, Task.CHAT, dialect=Dialect.ANTHROPIC),
    "infill": Route(Kind.ENDPOINT, _JSON, Task.CHAT, streams=True),
    "completion": Route(Kind.ENDPOINT, _JSON, Task.CHAT, streams=True),
    "apply-template": Route(Kind.ENDPOINT, _JSON, Task.CHAT),
    "tokenize": Route(Kind.ENDPOINT, _JSON),
    "detokenize": Route(Kind.ENDPOINT, _JSON),
    "embeddings": Route(Kind.ENDPOINT, _JSON, Task.EMBED),
    "rerank": Route(Kind.ENDPOINT, _JSON, Task.RERANK),
    "reranking": Route(Kind.ENDPOINT, _JSON, Task.RERANK),
    "images/generations": Route(Kind.ENDPOINT, _JSON, Task.IMAGE, streams=True),
    "images/edits": Route(Kind.ENDPOINT, _FORM, Task.IMAGE, streams=True),
    "images/variations": Route(Kind.ENDPOINT, _FORM, Task.IMAGE),
    # `stream` of speech means sound that comes as it is made: words in between would spoil it.
    "audio/speech": Route(Kind.ENDPOINT, _JSON, Task.AUDIO),
    "audio/transcriptions": Route(Kind.ENDPOINT, _FORM, Task.AUDIO, streams=True),
    "audio/translations": Route(Kind.ENDPOINT, _FORM, Task.AUDIO),
}
_LISTS = {"audio/voices": Route(Kind.ENDPOINT, Where.TASK, Task.AUDIO)}
_SD_PREFIX = b"/sdapi/v1/"
_SD_LOOKS = frozenset(_SD_PREFIX + name for name in (b"progress", b"memory"))
"""What pages of stable-diffusion servers ask for again and again while a picture is made."""

_OLLAMA = Route(Kind.OLLAMA, dialect=Dialect.OLLAMA)
_OLLAMA_PREFIX = b"/api/"
_TO_MODELS = {"chat": Task.CHAT, "generate": Task.CHAT, "embed": Task.EMBED, "embeddings": Task.EMBED}
_BY_METHOD: dict[tuple[str, ...], tuple[str, ...]] = {
    _GET: ("tags", "ps", "version"),
    _POST: ("show", "pull", "push", "create", "copy", *_TO_MODELS),
    ("DELETE", "OPTIONS"): ("delete",),
}
_OF_OLLAMA = {
    (path := _OLLAMA_PREFIX + name.encode()): replace(
        _OLLAMA, name=name, target=path, task=_TO_MODELS.get(name), allow=allow, template=path.decode()
    )
    for allow, names in _BY_METHOD.items()
    for name in names
}

_LOOKS = ("health", "metrics", "props", "slots")
_BROWSERS_OWN = ("apple-touch-icon.png", "apple-touch-icon-precomposed.png", "favicon.ico", "robots.txt")
_LOOKED_AT = frozenset(
    path for name in (*_LOOKS, *_BROWSERS_OWN) for path in (f"/{name}".encode(), f"/v1/{name}".encode())
)
_OWN = {"models": Route(Kind.MODELS), "health": Route(Kind.HEALTH)}
_BY_PATH: dict[bytes, Route] = {
    path: replace(each, target=path, allow=allow, template=path.decode())
    for table, allow in ((_ENDPOINTS, _POST), (_LISTS, _GET), (_OWN, _GET))
    for name, each in table.items()
    for path in (f"/{name}".encode(), f"/v1/{name}".encode())
} | _OF_OLLAMA
_FAST = {
    (method, path): route for path, route in _BY_PATH.items() for method in route.allow if method != "OPTIONS"
}
_FAST |= dict.fromkeys(
    (("GET", b"/"), ("HEAD", b"/")), replace(_OLLAMA, target=b"/", template="/")
)  # spelled so, and not otherwise
_MODEL_PREFIXES = (b"/v1/models/", b"/models/")

_ABSOLUTE = re.compile(rb"[hH][tT][tT][pP]://(?P<authority>[^/?#@]+)(?P<origin>[/?].*)?", re.DOTALL)
_SLASH = re.compile(rb"/")
_VISIBLE = re.compile(rb"[!-~]+")
_BAD_PERCENT = re.compile(rb"%(?![0-9A-Fa-f]{2})|%00")
_DOTS = frozenset({".", ".."})


def route(method: str | bytes, target: bytes | str) -> Route:
    """Find whose a request is; DeniedError with 400 for a target that isn't plain, 404 for none of ours, 405."""
    verb = method if isinstance(method, str) else method.decode("latin-1")
    raw = target if isinstance(target, bytes) else target.encode("utf-8", "surrogatepass")
    return _FAST.get((verb, raw)) or _found(verb, raw)


def dialect_of(target: bytes) -> Dialect:
    """How a client is told that its address or its method is wrong."""
    return Dialect.OLLAMA if target.startswith(_OLLAMA_PREFIX) else Dialect.OPENAI


def _look(path: bytes, query: bytes) -> Route | None:
    """`/metrics?model=qwen` and the like; without a model, /health is the gateway's own and the others are nobody's."""
    if path not in _LOOKED_AT or b"model=" not in query:
        return None
    rest = b"&".join(each for each in query.split(b"&") if not each.startswith(b"model="))
    target = path + b"?" + rest if rest else path
    return Route(Kind.LOOK, target=target, query=query, allow=_GET, template=path.decode())


def _found(method: str, raw: bytes) -> Route:
    if method == "OPTIONS" and raw == b"*":
        return Route(Kind.OPTIONS, allow=("GET", "HEAD", "OPTIONS", "POST"))
    raw, authority = _origin_form(raw)
    path, mark, query = raw.partition(b"?")
    _check_path(path)
    found = _look(path, query) or _at(path, raw)
    if found is None:
        served = "/v1/…, /api/…, /sdapi/v1/…, /health and /upstream/{model}/…"
        message = f"{shown(path)} is no address of this gateway; it serves {served}"
        raise DeniedError(404, "unknown_url", message)
    target = found.target + mark + query if found.target and found.kind is not Kind.LOOK else found.target
    found = replace(found, target=target, query=query, authority=authority)
    if method in found.allow and (method != "OPTIONS" or found.kind is Kind.UPSTREAM):
        return found
    if method == "OPTIONS":
        return replace(found, kind=Kind.OPTIONS)
    message = f"{method[:20]} is not for {shown(path)}; expected {' or '.join(found.allow)}"
    raise DeniedError(405, "method_not_allowed", message, headers={"Allow": ", ".join(found.allow)})


def _at(path: bytes, raw: bytes) -> Route | None:
    if (known := _BY_PATH.get(path)) is not None:
        return known
    if path.startswith(UPSTREAM_PREFIX):
        if path.startswith(UPSTREAM_PREFIX + b"/") or path == UPSTREAM_PREFIX:
            raise DeniedError(400, "invalid_url", "/upstream/ is followed by the name of a model")
        rest, template = raw[len(UPSTREAM_PREFIX) :], "/upstream/{model}/{path}"
        return Route(Kind.UPSTREAM, Where.PATH, rest=rest, allow=_ANY, template=template)
    if path.startswith(_SD_PREFIX) and len(path) > len(_SD_PREFIX):
        found = Route(Kind.ENDPOINT, Where.TASK, Task.IMAGE, target=path, allow=_BOTH)
        return replace(found, looks=path in _SD_LOOKS, template="/sdapi/v1/{path}")
    if path.startswith(_OLLAMA_PREFIX):
        return replace(_OLLAMA, name=path[len(_OLLAMA_PREFIX) :].decode(), target=path, allow=_ANY)
    for prefix in _MODEL_PREFIXES:
        if path.startswith(prefix) and len(path) > len(prefix):
            name, template = unquote(path[len(prefix) :]), f"{prefix.decode()}{{model}}"
            return Route(Kind.MODEL, Where.PATH, name=name, target=path, allow=_GET, template=template)
    return None


def split_upstream(rest: bytes, is_known: Callable[[str], bool]) -> tuple[str, bytes]:
    """Cut `Route.rest` into the model's name and the target for its server, which begins with a slash.

    Names may have slashes: the longest beginning that `is_known` counts; where none is, the first part is given as
    the name. DeniedError with 400 where what is left could be read as another host's address.
    """
    path, mark, query = rest.partition(b"?")
    ends = [slash.start() for slash in _SLASH.finditer(path, 0, _LONGEST_ENCODED)]
    ends += [len(path)] if len(path) < _LONGEST_ENCODED or not ends else []
    text = path.decode("latin-1")  # all of it is ASCII, and what has no % is taken as it is
    names = [(unquote(text[:end]), end) for end in ends]
    known = [(name, end) for name, end in names if is_known(name)]
    name, end = known[-1] if known else names[0]
    left = path[end:] or b"/"
    if left.startswith(b"//"):
        raise DeniedError(400, "invalid_url", f"after {shown(path[:end])} comes more than one slash")
    return name, left + mark + query


def whole_target(found: Route) -> bytes:
    """What a client has asked for, as a path and a query: the target of its request to another gateway."""
    if found.kind is Kind.UPSTREAM:
        return UPSTREAM_PREFIX + found.rest
    return found.template.encode() + b"?" + found.query if found.kind is Kind.LOOK else found.target


def is_look(method: bytes, target: bytes) -> bool:
    """Whether a request to a model's server only looks how it is, as scrapes and browsers do by themselves."""
    return method in _LOOKING and target.partition(b"?")[0] in _LOOKED_AT


def check_task(found: Route, model: str, task: Task | None) -> None:
    """Refuse what a model is not for; one without a task is for all, and `/upstream/` asks for anything."""
    if found.task is None or task is None or found.task == task:
        return
    path = found.target.partition(b"?")[0]
    message = f"{model} is for {task.value}, and {shown(path)} is for {found.task.value}; another model is never taken"
    raise DeniedError(400, "model_task_mismatch", message, param="model")


def shown(path: bytes) -> str:
    """Show a path in a message: at most 120 characters, whatever it is made of."""
    return path[:120].decode("ascii", "backslashreplace")


def _origin_form(raw: bytes) -> tuple[bytes, str]:
    """The target as a path and a query, and the host that it named, if it did."""
    if _VISIBLE.fullmatch(raw) is None or b"#" in raw:
        raise DeniedError(400, "invalid_url", "the address holds what no address may: use percent-encoding")
    if raw.startswith(b"/"):
        return raw, ""
    whole = _ABSOLUTE.fullmatch(raw)
    if whole is None:
        raise DeniedError(400, "invalid_url", "expected an address that begins with /")
    origin = whole["origin"] or b"/"
    return origin if origin.startswith(b"/") else b"/" + origin, whole["authority"].decode("ascii")


def _check_path(path: bytes) -> None:
    """Refuse a path that means one thing as it stands and another once it is normalised."""
    if _BAD_PERCENT.search(path):
        raise DeniedError(
            400, "invalid_url", "the address has a % that is not followed by two hexadecimal digits"
        )
    if b"\\" in path or path.startswith(b"//"):
        raise DeniedError(400, "invalid_url", "the address has a backslash, or two slashes in front")
    if b"." not in path and b"%" not in path:
        return
    parts = re.split(r"[/\\]", unquote(path, "latin-1"))
    if any(part.partition(";")[0] in _DOTS for part in parts):
        raise DeniedError(
            400, "invalid_url", "the address has a part that is . or ..; give the path it leads to"
        )
