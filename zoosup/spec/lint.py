"""What a valid zoo.yaml says that can't work, or probably won't: for `zoosup check`, which is asked before a deploy.

Pure. Never keeps a file from coming into force: what can't work for one model costs the others nothing there.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise

from zoosup.spec.defaults import with_defaults
from zoosup.spec.model.gateway import GatewaySpec
from zoosup.spec.model.values import split_address
from zoosup.spec.model.zoo import ZooSpec
from zoosup.spec.syntax.document import (
    NOTHING,
    YamlMapping,
    YamlNode,
    YamlScalar,
    YamlSequence,
    compose,
)
from zoosup.spec.syntax.problems import Problem, Problems
from zoosup.spec.syntax.words import WordsError, split_words

_MODELS_REACH = frozenset({"127.0.0.1", "localhost", "0.0.0.0", "::"})  # noqa: S104 - compared, not bound
"""Hosts of a listener that has the port on which a model would listen."""

_HOME = re.compile(r"(?:^|=)~(?:/|$)")
_SHELL_VARIABLE = re.compile(r"(?<![$\\])\$[A-Z_][A-Z0-9_]*")
_VARIABLE = re.compile(r"\$\{([^{}.$]+)\}")
_SHELLS = frozenset({"sh", "bash", "zsh", "dash", "env"})
_ENGINES = frozenset({"docker", "podman", "nerdctl"})


@dataclass(slots=True)
class Findings:
    """`errors` can never work; `warnings` probably won't. In the order of the file."""

    errors: list[Problem] = field(default_factory=list)
    warnings: list[Problem] = field(default_factory=list)


def lint(text: str, spec: ZooSpec, *, path: str) -> Findings:
    """Look at a file that has been parsed to `spec`; `path` is the name by which problems call it."""
    root = compose(text, Problems(path))
    if not isinstance(root, YamlMapping):
        return Findings()
    errors, warnings = Problems(path), Problems(path)
    nodes = dict(_models(root))
    _shared_ports(spec, nodes, errors)
    _taken_ports(spec, root, nodes, errors)
    for name, node in nodes.items():
        _look_at_command(spec, name, node, warnings)
    return Findings(_sorted(errors), _sorted(warnings))


def _sorted(problems: Problems) -> list[Problem]:
    return sorted(problems.found, key=lambda problem: (problem.line, problem.column))


def _models(root: YamlMapping) -> Iterator[tuple[str, YamlMapping]]:
    defaults = _under(root, "defaults")
    models = _under(root, "models")
    for name, entry in models.entries.items() if isinstance(models, YamlMapping) else ():
        node = with_defaults(defaults, entry.value)
        if isinstance(node, YamlMapping):
            yield name, node


def _under(node: YamlNode, *path: str) -> YamlNode:
    """What stands at a path; an empty mapping where nothing does."""
    for name in path:
        if not isinstance(node, YamlMapping) or name not in node.entries:
            return NOTHING
        node = node.entries[name].value
    return node


def _shared_ports(spec: ZooSpec, nodes: Mapping[str, YamlNode], errors: Problems) -> None:
    seen: dict[int, str] = {}
    for name in spec.active:
        model = spec.models.get(name)
        if model is None or model.port == "auto":
            continue
        first = seen.setdefault(model.port, name)
        # Those on demand take turns.
        if first != name and not (model.on_demand and spec.models[first].on_demand):
            what = f"{model.port} is the port of {first} too, and both are active"
            errors.add(
                _under(nodes[name], "port").place, f"models.{name}.port", what, "a port of its own, or auto"
            )


def _taken_ports(spec: ZooSpec, root: YamlNode, nodes: Mapping[str, YamlNode], errors: Problems) -> None:
    taken: dict[int, str] = {}
    if isinstance(spec.gateway, GatewaySpec):
        taken |= _port_of(spec.gateway.listen, "the gateway")
    if spec.status.listen is not None:
        own = _port_of(spec.status.listen, "the status server")
        if own.keys() & taken.keys():
            what = f"{spec.status.listen} is the gateway's address too"
            place = _under(root, "status", "listen").place
            if place == NOTHING.place:  # the status server's is the default
                place = _under(root, "gateway", "listen").place
            errors.add(place, "status.listen", what, "an address of its own")
        taken |= own
    for name, model in spec.models.items():
        if model.port != "auto" and model.port in taken:
            what = f"{model.port} is the port of {taken[model.port]}"
            errors.add(_under(nodes[name], "port").place, f"models.{name}.port", what, "another one, or auto")


def _port_of(listen: str, who: str) -> dict[int, str]:
    host, port = split_address(listen)
    return {port: who} if port and host in _MODELS_REACH else {}


def _look_at_command(spec: ZooSpec, name: str, node: YamlNode, warnings: Problems) -> None:
    """Words that zoosup hands on as they stand, though they look as if somebody was to change them."""
    command = _under(node, "command")
    words = list(_words(command))
    program = words[0][0].rpartition("/")[2] if words else ""
    for word, quoted, at in words:
        path = f"models.{name}.command"
        if found := _HOME.search(word):
            what = f"{found[0].lstrip('=')} stays as it is, for no shell reads it"
            warnings.add(at.place, path, what, "the whole path, or ${env.HOME}")
        if program not in _SHELLS and (found := _SHELL_VARIABLE.search(word)):
            what = f"{found[0]} stays as it is, for no shell reads it"
            warnings.add(at.place, path, what, f"${{env.{found[0][1:]}}}")
        if not quoted:
            for variable in _blanks(spec, word):
                what = f"${{{variable}}} has blanks and stays one word here"
                warnings.add(at.place, path, what, "it unquoted, as a whole word of a string")
    if program not in _ENGINES:
        _look_at_port(spec, name, words, warnings)


def _words(command: YamlNode) -> Iterator[tuple[str, bool, YamlNode]]:
    """Each word, whether a person has quoted it or left it whole to be split, and where it stands."""
    if isinstance(command, YamlSequence):
        for item in command.items:
            if isinstance(item, YamlScalar):
                yield item.text, False, item
    elif isinstance(command, YamlScalar):
        bare: set[str] = set()

        def note(word: str) -> None:
            bare.add(word)

        try:
            found = split_words(command.text, note)
        except WordsError:
            return
        for word in found:
            whole = word in bare and _VARIABLE.fullmatch(word) is not None
            yield word, whole or word not in bare, command


def _blanks(spec: ZooSpec, word: str) -> Iterator[str]:
    for match in _VARIABLE.finditer(word):
        if len(spec.vars.get(match[1], "").split()) > 1:
            yield match[1]


def _look_at_port(
    spec: ZooSpec, name: str, words: list[tuple[str, bool, YamlNode]], warnings: Problems
) -> None:
    port = spec.models[name].port
    texts = [word for word, _, _ in words]
    given = [(after, at) for (before, _, _), (after, _, at) in pairwise(words) if before == "--port"]
    given += [
        (text.removeprefix("--port="), words[n][2])
        for n, text in enumerate(texts)
        if text.startswith("--port=")
    ]
    for text, at in given:
        if text.isascii() and text.isdecimal() and int(text) != port:
            what = f"--port {text} is not the model's port, which is {port}"
            warnings.add(at.place, f"models.{name}.command", what, "${PORT}, or port: " + text)
