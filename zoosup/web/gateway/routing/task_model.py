"""Which model a request means that need not name one: those of stable-diffusion servers, and lists of voices.

    model               in the body or in the query, as everywhere
    sd_model_checkpoint in the body or in its override_settings, where that is a model's name; else it is the server's
    neither             the only model of that task; where there are several, the request is refused

Patient with everything else in a body, which is the model server's business.
"""

from collections.abc import Callable, Iterable

from zoosup.runtime.api.listing import Listing, ModelCard
from zoosup.spec.model.model import Task
from zoosup.web.gateway.errors import DeniedError
from zoosup.web.gateway.routing import json_members
from zoosup.web.gateway.routing.model_name import Named, ambiguous, named_in_query, text

_CHECKPOINT = "sd_model_checkpoint"
_SETTINGS = "override_settings"


class TaskNamed(Named, gc=False):
    """Whom a request names, if it does: `model`, and a checkpoint that may be one."""

    checkpoint: str = ""


def named_for_task(body: bytes, query: bytes) -> TaskNamed:
    """Read what a JSON body, which may be empty, and a query name; DeniedError with 400 where they differ."""
    asked = named_in_query(query) if query else ""
    found = _in_body(body) if body.strip() else TaskNamed("")
    if asked and found.model and asked != found.model:
        raise ambiguous()
    return TaskNamed(found.model or asked, checkpoint=found.checkpoint)


def _in_body(body: bytes) -> TaskNamed:
    model = top = inner = ""
    for member in json_members.members(body):
        value = slice(member.value, member.end)
        if member.name == "model":
            model = text(body[value])
        elif member.name == _CHECKPOINT:
            top = text(body[value])
        elif member.name == _SETTINGS and body.startswith(b"{", member.value):
            inner = _checkpoint(body[value])
    return TaskNamed(model, checkpoint=inner or top)


def _checkpoint(settings: bytes) -> str:
    found = [each for each in json_members.members(settings) if each.name == _CHECKPOINT]
    return text(settings[found[-1].value : found[-1].end]) if found else ""


def chosen(
    asked: TaskNamed, task: Task | None, listing: Listing, shown: Callable[[], Iterable[ModelCard]]
) -> str:
    """The name of the model that is meant, which need not exist; DeniedError with 400 where it can't be told.

    `shown`: the models that the client may know of, asked for where none is named.
    """
    if asked.model or (asked.checkpoint and listing.find(asked.checkpoint) is not None):
        return asked.model or asked.checkpoint
    cards = [card for card in shown() if card.spec.task is task]
    able = [card.name for card in cards if card.name not in card.spec.variants]
    if len(able) == 1:
        return able[0]
    if asked.checkpoint:
        return asked.checkpoint
    what = f"task: {task.value}" if task is not None else "that task"
    there = f"several have {what}: {', '.join(able)}" if able else f"none has {what}"
    raise DeniedError(
        400, "missing_required_parameter", f"no model is named, and {there}; add ?model=", param="model"
    )
