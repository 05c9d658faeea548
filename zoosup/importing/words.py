"""Command lines of model servers as other programs hold them: split into words, their port and address turned inward.

Words are templates of zoo.yaml: `${PORT}`, `${HOST}`, `${MODEL_ID}` and `${env.NAME}` stand for something, every other
`${` is literal. Refuses to know which program they are from.
"""

import re
import shlex
from collections.abc import Iterable, Sequence
from pathlib import PurePosixPath

from zoosup.core.estimation.servers.command_line import server_among, understand
from zoosup.core.estimation.servers.server import OTHER
from zoosup.spec.engine.client import find_client
from zoosup.spec.model.model import ModelSpec
from zoosup.spec.model.values.quantities import MAX_PORT
from zoosup.spec.syntax.words import values_of

_KEPT = re.compile(r"\$\{(?:PORT|HOST|MODEL_ID|env\.[A-Za-z_][A-Za-z0-9_]*)\}")
_KEPT_OUTSIDE = re.compile(r"\$\{env\.[A-Za-z_][A-Za-z0-9_]*\}")
_BRACE = re.compile(r"\$\{")
_HOST_OPTIONS = frozenset({"--host", "--listen", "--listen-ip", "--hostname", "--listen-host"})
_PORT_OPTIONS = frozenset({"--port", "--listen-port", "-p", "--server-port", "--http-port"})
_PORT_IN_LINE = "|".join(sorted(_PORT_OPTIONS))
_EVERYWHERE = frozenset({"0.0.0.0", "::", "[::]", "*"})  # noqa: S104 - compared, not bound
_LOCAL = frozenset({"127.0.0.1", "localhost", "::1", "[::1]"})
_WINDOWS = re.compile(r"(?:^|[\s\"'=])(?:[A-Za-z]:[\\/]|\\\\[\w.$-]+\\\w)|\.exe\b")
_EMBEDDING = frozenset({"--embedding", "--embeddings"})
_RERANKING = frozenset({"--rerank", "--reranking"})
_BY_PROGRAM = {"whisper-server": "audio", "sd-server": "image"}
_FILE_OPTIONS = frozenset({"-m", "--model", "--mmproj", "-md", "--model-draft"})
_RELATIVE = re.compile(r"\.{1,2}/|[^-/$=:][^=:]*/|[^/]+\.(?:gguf|safetensors|sh|py)\Z")
_LOOKED_AT = 12


class UnsplittableError(ValueError):
    """A command that is no list of words."""


def template(text: str, *, outside: bool = False) -> str:
    """A text in which only zoo.yaml's own names stand for something; `outside` of a model only `${env.NAME}`."""
    out, end = [], 0
    kept = _KEPT_OUTSIDE if outside else _KEPT
    for found in _BRACE.finditer(text):
        if not kept.match(text, found.start()):
            out += [text[end : found.start()], "$${"]
            end = found.end()
    return "".join([*out, text[end:]])


def split(text: str) -> list[str]:
    """Words as llama-swap has them: POSIX, no shell.

    Lines that begin with # go, a backslash at a line's end is a blank. Raises UnsplittableError.
    """
    lines = (line for line in text.splitlines() if not line.lstrip().startswith("#"))
    joined = " ".join(line.rstrip().removesuffix("\\") for line in lines)
    try:
        found = shlex.split(joined, comments=False, posix=True)
    except ValueError as error:
        raise UnsplittableError(str(error).lower()) from None
    if not found or not found[0]:
        raise UnsplittableError("it names no program")
    return [template(word) for word in found]


def is_windows(text: str) -> bool:
    """Whether it is for Windows, where zoosup does not run."""
    return _WINDOWS.search(text) is not None


def is_compose(words: Sequence[str]) -> bool:
    """Whether compose starts it, which has ports and names in a file of its own."""
    client = find_client(words)
    return client is not None and client.subcommand == ("compose",)


def is_dummy(words: Sequence[str]) -> bool:
    """Whether it serves nothing: `sleep infinity` and its like."""
    return PurePosixPath(words[0]).name in {"sleep", "true", "cat", "tail"} and len(words) <= 4  # noqa: PLR2004


def with_port(words: Iterable[str], ports: Iterable[int]) -> tuple[list[str], bool]:
    """The words with `${PORT}` for these numbers, behind options and in addresses; and whether they name it.

    A word with blanks is a line for a shell, which has options of its own.
    """
    numbers = {str(port) for port in ports}
    before = ""
    out, found = [], False
    for word in words:
        changed = word
        option, equals, value = word.partition("=")
        if before in _PORT_OPTIONS and word in numbers:
            changed = "${PORT}"
        elif equals and option in _PORT_OPTIONS and value in numbers:
            changed = f"{option}=${{PORT}}"
        else:
            for number in numbers:
                changed = (
                    re.sub(rf"(?<=[\w\]]):{number}(?=/|\Z)", ":${PORT}", changed)
                    if "://" in changed
                    else changed
                )
                changed = re.sub(rf"(?<=\s)({_PORT_IN_LINE})(\s+|=){number}(?!\w)", r"\1\2${PORT}", changed)
        found = found or changed != word or "${PORT}" in word
        out.append(changed)
        before = word
    return out, found


def literal_ports(words: Sequence[str]) -> list[int]:
    """Numbers that stand behind an option for a port."""
    given = (value for _, _, value in values_of(words, _PORT_OPTIONS))
    return [int(value) for value in given if is_port(value)]


def is_port(text: str) -> bool:
    """Whether it is the number of a port."""
    return text.isascii() and text.isdecimal() and 0 < int(text[:6]) <= MAX_PORT


def with_host(words: Sequence[str]) -> tuple[list[str], str]:
    """The words with `${HOST}` for any address but this host's own; and the address that was there."""
    out, was = list(words), ""
    for at, _, address in values_of(words, _HOST_OPTIONS):
        if address and address not in _LOCAL and not address.startswith(("$", "-", "/")):
            was = address
            out[at] = words[at].removesuffix(address) + "${HOST}"
    return out, was


def opens_everywhere(address: str) -> bool:
    """Whether other hosts could connect to it."""
    return address in _EVERYWHERE


def spec_of(words: Sequence[str], env: dict[str, str] | None = None) -> ModelSpec:
    """The words as the rest of zoosup looks at them."""
    return ModelSpec(command=tuple(words), env=env or {})


def can_be_estimated(words: Sequence[str], env: dict[str, str]) -> bool:
    """Whether its command line says what a known server loads, so that the weights give its need."""
    server = understand(spec_of(words, env))
    known = server is not None and (server.kind != OTHER or _own_program(words) is not None)
    return known and server is not None and server.model in server.files


def task_of(words: Sequence[str]) -> str | None:
    """What its options start it for, where they say so."""
    found = set(words)
    if found & _RERANKING:
        return "rerank"
    if found & _EMBEDDING:
        return "embed"
    return _own_program(words)


def _own_program(words: Sequence[str]) -> str | None:
    """The task of a server that has but one."""
    programs = [PurePosixPath(word).name for word in words[:_LOOKED_AT]]
    return next((_BY_PROGRAM[name] for name in programs if name in _BY_PROGRAM), None)


def serves_mlx(words: Sequence[str]) -> bool:
    """Whether it is mlx_lm.server, which takes any name but its own for a repository to load."""
    found = server_among(words)
    return found is not None and PurePosixPath(found[1]).name in {"mlx_lm.server", "mlx_lm"}


def is_relative(words: Sequence[str]) -> bool:
    """Whether it depends on the directory in which it is started."""
    if words[0].startswith("./") or ("/" in words[0] and not words[0].startswith(("/", "$", "~"))):
        return True
    values = (value for _, _, value in values_of(words, _FILE_OPTIONS))
    scripts = (
        word for word in words[1:3] if PurePosixPath(words[0]).name in {"sh", "bash", "python", "python3"}
    )
    return any(
        _RELATIVE.match(each) and not each.startswith("-") for each in (*values, *scripts) if _is_path(each)
    )


def _is_path(word: str) -> bool:
    """Not a name at a hub, which has one slash and no suffix."""
    return word.startswith(("./", "../")) or word.endswith((".gguf", ".safetensors", ".sh", ".py", ".bin"))
