"""What saved keys and values depend on: restored under anything else they would be wrong, or refused.

The weights and adapters with their sizes and times, the context, the types of the cache and whether the slots share it,
and whatever else bends positions or weights. Not the program: a file of another version it refuses by itself. Knows the
words, not the files.
"""

import json
from collections.abc import Mapping
from hashlib import sha256

from zoosup.core.estimation.kv_cache import slots
from zoosup.core.estimation.servers.command_line import understand
from zoosup.core.state.weights import Found
from zoosup.spec.model.model import ModelSpec

FileMark = tuple[int, int]
"""A file's size in bytes, and when it was last changed, in nanoseconds since the epoch."""

_BENDING = ("--rope-", "--yarn-", "--override-kv", "--lora", "--control-vector")
_BENDING_VARIABLES = ("LLAMA_ARG_ROPE_", "LLAMA_ARG_YARN_")


def fingerprint(spec: ModelSpec, files: Mapping[str, FileMark], located: Found = ()) -> str:
    """Name it; `files` are those of `weight_files` that are there, `located` as in `understand`."""
    server = understand(spec, located)
    if server is None:
        return ""
    count, unified = slots(server)
    said = (
        server.model,
        server.mmproj,
        server.draft,
        server.context,
        server.per_slot,
        1 if unified else count,
        server.types,
        server.draft_types,
        server.flash,
        server.swa_full,
    )
    variables = sorted(pair for pair in spec.env.items() if pair[0].startswith(_BENDING_VARIABLES))
    text = json.dumps([said, _bending(spec), variables, sorted(files.items())])
    return sha256(text.encode()).hexdigest()[:16]


def weight_files(spec: ModelSpec, located: Found = ()) -> tuple[str, ...]:
    """Every path of this host that names weights or adapters."""
    server = understand(spec, located)
    return server.files if server is not None else ()


def _bending(spec: ModelSpec) -> list[str]:
    """Options that bend positions or weights, each with the words behind it."""
    found: list[str] = []
    taken = False
    for word in spec.command if spec.container is None else spec.container.args:
        if word.startswith("-"):
            taken = word.replace("_", "-").startswith(_BENDING)
        if taken:
            found.append(word)
    return found
