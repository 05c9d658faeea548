"""What runs in a container, told as if its words stood on this host: the server's words, its variables, its volumes.

Knows with which program the images of known servers begin (their ENTRYPOINT and WORKDIR), and how a path of the
container leads back to one of the host. Refuses to read anything: an image that is not known begins with whatever its
arguments say.
"""

import json
import posixpath
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from zoosup.spec.engine.run import EngineRun, parse_run
from zoosup.spec.engine.values import Volume, volume
from zoosup.spec.model.model import ModelSpec
from zoosup.spec.syntax.templates import TemplateError, render
from zoosup.spec.syntax.words import WordsError, split_words

TABBY = "tabbyapi"
"""The word by which TabbyAPI's image is known; its own is `python3 main.py`."""

_LOCAL_CONTEXTS = frozenset({"default", "desktop-linux", "rootless"})
_ADDRESSES = ("host", "url", "address")
_CONTEXTS = ("context", "connection")
_ENGINE_VARIABLES = {
    "DOCKER_HOST": "host", "CONTAINER_HOST": "url", "DOCKER_CONTEXT": "context",
    "CONTAINER_CONNECTION": "connection",
}  # fmt: skip
_SHELLS = frozenset({"ash", "bash", "dash", "sh", "zsh"})
_SHELL_OPTIONS = frozenset({"-c", "-lc", "-ec"})


@dataclass(frozen=True, slots=True)
class _Image:
    """What a known image begins with, and in which folder; of one with several variants those of the tag."""

    entry: tuple[str, ...]
    workdir: str = ""
    tag: str = ""


_IMAGES = {
    "llama.cpp": (
        _Image(("llama-server",), "/app", "server"),
        _Image(("tools.sh",), "/app", "full"),
        _Image(("llama-cli",), "/app", "light"),
    ),
    "ollama": (_Image(("ollama",)),),
    "sglang": (_Image((), "/sgl-workspace"),),
    "tabbyapi": (_Image(("python3",), "/app"),),
    "text-embeddings-inference": (_Image(("text-embeddings-router",)),),
    "vllm-cpu": (_Image(("vllm", "serve")),),
    "vllm-cpu-release-repo": (_Image(("vllm", "serve")),),
    "vllm-openai": (_Image(("vllm", "serve"), "/vllm-workspace"),),
    "vllm-openai-cpu": (_Image(("vllm", "serve")),),
    "vllm-openai-rocm": (_Image(("vllm", "serve")),),
    "whisper.cpp": (_Image(("bash", "-c"), "/app"),),
}
"""By the last part of the repository, so that a mirror's copy is known too. From the projects' own Dockerfiles."""


@dataclass(frozen=True, slots=True)
class Served:
    """What a container is made of, templates filled in; `entrypoint` and `workdir` None leave the image's."""

    image: str
    args: tuple[str, ...] = ()
    volumes: tuple[Volume, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    entrypoint: tuple[str, ...] | None = None
    workdir: str | None = None
    sees_gpus: bool = True

    @property
    def words(self) -> tuple[str, ...]:
        """The server's program and its arguments; of an image that isn't known the image's name stands for it."""
        begin = self.entrypoint
        if begin is None:
            known = _known(self.image)
            begin = known.entry if known is not None else (self.image,)
        return _unwrapped((*begin, *self.args)) or (self.image,)

    @property
    def folder(self) -> str:
        """The working directory, "" where nobody knows it."""
        known = _known(self.image)
        return self.workdir or (known.workdir if known is not None else "")

    def on_host(self, path: str) -> tuple[str, str]:
        """Where a path of the container lies on this host, and ""; else "" and why that can't be said.

        A relative answer begins with a dot, and is relative to where the client is started.
        """
        inside = _clean(posixpath.join(self.folder, path))
        if not inside.startswith("/"):
            return "", f"{path} is looked up inside the container"
        mounted = self._mounted(inside)
        if mounted is not None and mounted.is_bind:
            below = inside[len(_folder(mounted)) :]
            return mounted.host.rstrip("/") + below or "/", ""
        if not path.startswith(("/", ".")):
            return "", f"{path} is looked up inside the container"
        if mounted is not None and mounted.host:
            return "", f"{path} is inside the container, in the engine's volume {mounted.host}"
        return "", f"{path} is inside the container: no -v leads to it"

    def _mounted(self, path: str) -> Volume | None:
        """The volume that a path lies on: the innermost, for it covers the others."""
        whole = [volume for volume in self.volumes if volume.container.startswith("/")]
        over = [v for v in whole if f"{path}/".startswith(f"{_folder(v)}/")]
        return max(reversed(over), key=lambda volume: len(_folder(volume)), default=None)


def served(spec: ModelSpec) -> Served | None:
    """What the container of a model runs; None for a model without one, or with one on another host's engine."""
    made = what_it_is(spec)
    if made is None:
        return served_by(spec.command, spec.env)
    return made_of(made, tuple(spec.env.items()))


Made = tuple[str, tuple[str, ...], tuple[str, ...], tuple[str, ...] | None, str | None]
"""Image, arguments, volumes, entry point and working directory, as `container:` names them."""


def what_it_is(spec: ModelSpec) -> Made | None:
    """All of a `container:` that an estimate depends on, to be compared; None for a model without one."""
    if spec.container is None:
        return None
    own, options = spec.container, spec.container.options
    workdir = options.get("working_dir")
    return (
        own.image,
        own.args,
        own.volumes,
        _begin(options.get("entrypoint")),
        None if workdir is None else str(workdir),
    )


def _begin(entry: object) -> tuple[str, ...] | None:
    """The words of an option as the engine is handed them: a text is one, an empty one takes the image's away."""
    if entry is None:
        return None
    words = entry if isinstance(entry, list | tuple) else [entry]
    return tuple(str(word) for word in words if word != "")


def made_of(made: Made, variables: tuple[tuple[str, str], ...]) -> Served:
    """What such a container runs, with these variables."""
    image, args, volumes, entry, workdir = made
    return Served(
        image,
        tuple(map(rendered, args)),
        tuple(volume(rendered(each)) for each in volumes),
        {name: rendered(value) for name, value in variables},
        entry,
        workdir,
    )


def served_by(command: Sequence[str], variables: Mapping[str, str]) -> Served | None:
    """The same by the words of its command and the variables that the client is started with."""
    run = parse_run(command)
    if run is None or run.image is None or _is_elsewhere(run, variables):
        return None
    given = {name: variables.get(name) if value is None else value for name, value in run.env.items()}
    return Served(
        rendered(run.image),
        tuple(map(rendered, run.args)),
        tuple(Volume(rendered(v.host), rendered(v.container), v.options) for v in run.volumes),
        {name: rendered(value) for name, value in given.items() if value is not None},
        None if run.entrypoint is None else _entry(rendered(run.entrypoint)),
        None if run.workdir is None else rendered(run.workdir),
        run.sees_gpus,
    )


def rendered(text: str) -> str:
    """A template as text, where the port matters to nobody."""
    try:
        return render(text, {"PORT": "0"})
    except TemplateError:
        return text


def _folder(volume: Volume) -> str:
    """Where it is mounted, without a slash at its end: "" for the root."""
    return _clean(volume.container).rstrip("/")


def _clean(path: str) -> str:
    """The path as an engine takes it; unlike POSIX it makes nothing of two slashes at the front."""
    found = posixpath.normpath(path)
    return f"/{found.lstrip('/')}" if found.startswith("/") else found


def _is_elsewhere(run: EngineRun, variables: Mapping[str, str]) -> bool:
    """Whether the words send the client to an engine that may be another host's, where paths mean something else."""
    said = [(each.name, each.value) for each in (*run.client.options, *run.options)]
    assigned = (word.partition("=") for word in run.client.prefix)
    given = {**variables, **{name: value for name, _, value in assigned}}
    said += [(option, given[name]) for name, option in _ENGINE_VARIABLES.items() if given.get(name)]
    return any(
        (name in _ADDRESSES and "://" in value and not value.startswith("unix://"))
        or (name in _CONTEXTS and value not in _LOCAL_CONTEXTS)
        for name, value in said
    )


def _known(image: str) -> _Image | None:
    name, _, tag = image.partition("@")[0].rpartition("/")[2].partition(":")
    return next((each for each in _IMAGES.get(name.lower(), ()) if tag.startswith(each.tag)), None)


def _entry(text: str) -> tuple[str, ...]:
    """--entrypoint: one word, or with podman a list in JSON."""
    if text.startswith("["):
        try:
            return tuple(map(str, json.loads(text)))
        except (ValueError, TypeError, RecursionError):
            pass
    return (text,) if text else ()


def _unwrapped(words: tuple[str, ...]) -> tuple[str, ...]:
    """Without the scripts and shells that only pass their arguments on."""
    program = words[0].rpartition("/")[2] if words else ""
    if program == "tools.sh" and words[1:2] in {("--server",), ("-s",)}:
        return ("llama-server", *words[2:])
    if program.startswith("python") and words[1:2] in {(), ("main.py",)}:
        return (TABBY, *words[2:])
    if program in _SHELLS and words[1:2] and words[1] in _SHELL_OPTIONS and words[2:3]:
        return _of_shell(words[2]) or words
    return words


def _of_shell(script: str) -> tuple[str, ...]:
    """The words of a script that is one plain command; none of any other."""
    try:
        words = split_words(script)
    except WordsError:
        return ()
    return words[1:] if words[:1] == ("exec",) else words
