"""Weights that lie in a cache of this host, as data: what a person has downloaded with another program.

Knows no cache: `host.weights.inventory` looks.
"""

from dataclasses import dataclass

GGUF, REPOSITORY, WHISPER = "gguf", "repository", "whisper"
"""What kinds of server can read them: llama.cpp; vLLM, SGLang and MLX; whisper.cpp."""


@dataclass(frozen=True, slots=True)
class StoredWeights:
    """One set of weights; `path` is its first file, or its directory where it is a repository.

    `folder` is what a container must see for `path` to lead somewhere: links of the hub's cache point within it. `size`
    is bytes of all parts. `repository` is owner/repo, "" where the cache doesn't tell.
    """

    name: str
    kind: str
    path: str
    folder: str
    cache: str  # for people: whose it is
    size: int
    mmproj: str = ""
    repository: str = ""
    task: str = "chat"
    problem: str = ""  # why it is of no use
