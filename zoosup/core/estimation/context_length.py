"""How long a conversation with a model may be, in tokens: what clients see in /v1/models.

Reads the command line first and the weights' metadata after that. Refuses to guess: a server may choose less than it
was trained with where nothing is said (llama-server's --fit, vLLM's auto), and only it knows.
"""

import re

from zoosup.core.estimation.kv_cache import slots
from zoosup.core.estimation.servers.command_line import understand
from zoosup.core.estimation.servers.server import LLAMA_SERVER, Server
from zoosup.core.state.weights import FileFacts, WeightFacts
from zoosup.spec.model.model import ModelSpec

_STRETCHING = re.compile(
    r"--(?:override-kv|rope-scale|rope-scaling|rope-freq-scale|rope-freq-base|yarn-orig-ctx)(?:=|\Z)"
)
_MOST = 2**31


def context_length(spec: ModelSpec, weights: WeightFacts | None) -> int | None:
    """Tokens that one request may use at most, its answer included; None where nothing says.

    llama-server shares -c among its slots, unless their cache is unified, and gives none more than the model was
    trained with (server-context.cpp), unless an option stretches that.
    """
    server = understand(spec, weights.located if weights is not None else ())
    if server is None:
        return None
    facts = weights.of(server.model) if weights is not None else None
    trained = _trained(facts) if facts is not None else None
    share = _share(server, trained)
    if trained is None or share is None or server.kind != LLAMA_SERVER or _stretches(spec):
        return share
    return min(share, trained)


def _share(server: Server, trained: int | None) -> int | None:
    if not server.understood:
        return server.context or trained
    count, unified = slots(server)
    whole = server.context or server.per_slot * count or trained
    if whole is None:
        return None
    share = whole if unified else whole // count
    return min(share, server.per_slot or share)


def _trained(facts: FileFacts) -> int | None:
    arch = facts.metadata.get("general.architecture")
    value = facts.metadata.get(f"{arch}.context_length")
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 < value <= _MOST else None


def _stretches(spec: ModelSpec) -> bool:
    words = spec.command if spec.container is None else spec.container.args
    return any(_STRETCHING.match(word.replace("_", "-")) for word in words)
