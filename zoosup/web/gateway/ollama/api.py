"""The endpoints of Ollama's API: which of them a model answers, and what the gateway itself answers to the others.

Pure but for the question which models there are. Refuses to know connections.
"""

from collections.abc import Callable, Iterable

from zoosup.runtime.api.listing import ModelCard
from zoosup.spec.model.model import ModelSpec
from zoosup.web.gateway.errors import DeniedError
from zoosup.web.gateway.http1.response import Response
from zoosup.web.gateway.ollama import documents, fields
from zoosup.web.gateway.ollama.requests import Form, name_in
from zoosup.web.gateway.proxy.rendering import document_answer
from zoosup.web.wire import as_json

RUNNING = Response(200, (("Content-Type", "text/plain; charset=utf-8"),), b"Ollama is running")
"""What its clients look for at `/`."""

_VERSION = document_answer(as_json({"version": documents.VERSION}))
_LATEST = ":latest"
_FORMS = {form.value: form for form in Form}
_ELSEWHERE = "models stand in zoo.yaml: zoosup {} none"
_NOT_HERE = {
    "create": "makes",
    "copy": "copies",
    "delete": "deletes",
    "push": "pushes",
    "blobs": "takes in",
}


def form_of(name: str) -> Form | None:
    """Which form an endpoint's answers have that come from a model; None where none does."""
    return _FORMS.get(name)


def known_as(name: str, is_known: Callable[[str], bool]) -> str:
    """The name by which zoo.yaml knows a model: Ollama's clients put `:latest` behind one that has no tag, or don't."""
    tries = (name, name.removesuffix(_LATEST), name + _LATEST)
    return next((each for each in tries if is_known(each)), name)


def must_go(model: str, cards: Iterable[ModelCard]) -> None:
    """Refuse to give a model back that would not go; DeniedError with 409."""
    spec = next((card.spec for card in cards if card.name == model), None)
    if not isinstance(spec, ModelSpec) or not spec.on_demand:
        message = f"{model} is not on_demand: no request would load it again, so that none unloads it"
        raise DeniedError(409, "model_stays", message, param="keep_alive")


def one(body: bytes) -> tuple[str, bool]:
    """The model that is to be shown or fetched, and whether the latter is to be told step by step."""
    said = fields.read(body)
    return name_in(said), said.get("stream") is not False


def pulls_none(model: str) -> DeniedError:
    """It is not there, and will not be."""
    return DeniedError(
        501, "not_implemented", f"there is no model {model[:128]!r}; {_ELSEWHERE.format('pulls')}"
    )


def pulled(stream: bool) -> Response:
    """It is there: zoo.yaml has it, and its weights are its server's business."""
    kind = "application/x-ndjson" if stream else "application/json"
    return Response(200, (("Content-Type", kind),), as_json({"status": "success"}))


def plain(name: str) -> Response | None:
    """The answer of an endpoint that says the same to everybody; None for others. DeniedError with 501 or 404."""
    if name in {"", "version"}:
        return _VERSION if name else RUNNING
    verb = _NOT_HERE.get(name.partition("/")[0])
    if verb is not None:
        raise DeniedError(501, "not_implemented", _ELSEWHERE.format(verb))
    return None
