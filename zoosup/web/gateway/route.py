"""Where one request goes, as data: what is to be done with it, and where the name of its model stands.

Knows no table of addresses (`routing.routes`), no HTTP and no model.
"""

from dataclasses import dataclass
from enum import StrEnum

from zoosup.spec.model.model import Task


class Kind(StrEnum):
    """What is to be done with a request."""

    ENDPOINT = "endpoint"  # goes to the model that it names
    UPSTREAM = "upstream"  # goes to the model in its path (`split_upstream`), without the prefix
    LOOK = "look"  # goes to the model that its query names, if it runs: it is no demand
    MODELS = "models"  # answered here: the list
    MODEL = "model"  # answered here: one entry of it, `Route.name`
    HEALTH = "health"  # answered here
    OPTIONS = "options"  # answered here: `Route.allow`, or a preflight
    OLLAMA = "ollama"  # Ollama's API: `Route.name` says which endpoint (`web.gateway.ollama`)


class Where(StrEnum):
    """Where the name of the model is to be found; `?model=` counts wherever a body has none."""

    JSON = "json"
    FORM = "form"
    PATH = "path"
    TASK = "task"  # anywhere, or nowhere: then the only model of the task is meant (`routing.task_model`)
    NOWHERE = "nowhere"


class Dialect(StrEnum):
    """Whose errors and streams the client understands."""

    OPENAI = "openai"
    CHAT = "chat"  # OpenAI's, and a stream of chat.completion.chunk that may carry reasoning
    RESPONSES = "responses"
    ANTHROPIC = "anthropic"
    OLLAMA = "ollama"  # streams are lines of JSON


@dataclass(frozen=True, slots=True)
class Route:
    """Where one request goes.

    `target` is what the model's server is sent as its request target (b"" for `UPSTREAM`: see `split_upstream`), `rest`
    what follows /upstream/, both byte for byte; `name` the model in /models/{name}, decoded, or what follows /api/.
    `authority` is the host of an absolute-form target, which counts in place of the Host header (RFC 9112, 3.2.2); ""
    for all others. `looks`: it asks how the server is, and is no demand for the model. `template` is the address
    without what differs from request to request, "" where it is nobody's: by it requests are gathered.
    """

    kind: Kind
    where: Where = Where.NOWHERE
    task: Task | None = None
    target: bytes = b""
    query: bytes = b""
    streams: bool = False
    dialect: Dialect = Dialect.OPENAI
    rest: bytes = b""
    name: str = ""
    allow: tuple[str, ...] = ()
    authority: str = ""
    looks: bool = False
    template: str = ""
