"""What a valid zoo.yaml says that can't work, or probably won't: for `zoosup check`, which is asked before a deploy.

Pure. Never keeps a file from coming into force: what can't work for one model costs the others nothing there.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from zoosup.spec.defaults import with_defaults
from zoosup.spec.engine.client import find_client
from zoosup.spec.fragments import file_of, split
from zoosup.spec.lint.command_lint import look_at_command, look_at_paths, place_of_word
from zoosup.spec.lint.engine_lint import lint_containers
from zoosup.spec.lint.fleet_lint import Finding, fleet_findings
from zoosup.spec.model.external import BaseUrl
from zoosup.spec.model.gateway import GatewaySpec
from zoosup.spec.model.memory import MemorySpec
from zoosup.spec.model.model import ModelSpec
from zoosup.spec.model.process.short_forms.chosen import SHORT_FORMS
from zoosup.spec.model.values.kinds import is_loopback
from zoosup.spec.model.zoo import ZooSpec
from zoosup.spec.syntax.addresses import split_address
from zoosup.spec.syntax.document import NOTHING, YamlMapping, YamlNode, compose
from zoosup.spec.syntax.problems import Problem, Problems
from zoosup.spec.syntax.words import values_of

_MODELS_REACH = frozenset({"127.0.0.1", "localhost", "0.0.0.0", "::"})  # noqa: S104 - compared, not bound
"""Hosts of a listener that has the port on which a model would listen."""

_HOST_OPTIONS = frozenset({"--host", "--listen-host", "--hostname"})
_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
# What the first has left is all that the next ones count.
_GPU_VARIABLES = ("CUDA_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES", "ZE_AFFINITY_MASK")
_OTHER_MAKE = re.compile(r"^(?:amd|intel)(?=\d)")


@dataclass(slots=True)
class Findings:
    """`errors` can never work; `warnings` probably won't. In the order of the file."""

    errors: list[Problem] = field(default_factory=list)
    warnings: list[Problem] = field(default_factory=list)


def _fit(_: ModelSpec) -> str:
    return ""


def lint(text: str, spec: ZooSpec, *, path: str, unfit: Callable[[ModelSpec], str] = _fit) -> Findings:
    """Look at a file that has been parsed to `spec`; `path` is the name by which problems call it.

    `unfit` says why a model's server can't keep sessions, "" where it can.
    """
    main, included = split(text)
    root = compose(main, Problems(path))
    if not isinstance(root, YamlMapping):
        return Findings()
    errors, warnings = Problems(path), Problems(path)
    files = [
        (path, root),
        *((file_of(path, each.name), compose(each.text, Problems(""))) for each in included),
    ]
    nodes = {name: _Named(node, file) for file, part in files for name, node in _models(part)}
    _shared_ports(spec, nodes, errors)
    _taken_ports(spec, root, nodes, errors)
    for name, named in nodes.items():
        wrong, doubtful = errors.of(named.file), warnings.of(named.file)
        if name in spec.externals:
            _look_at_server(spec, name, named.node, wrong, doubtful)
        else:
            look_at_command(spec, name, _under(named.node, "command"), doubtful)
            for form in SHORT_FORMS:
                look_at_paths(_under(named.node, form), f"models.{name}.{form}", doubtful)
            _look_inside(spec, name, named.node, doubtful)
            _look_at_sessions(spec.models[name], f"models.{name}", named.node, unfit, doubtful)
            _look_at_gpus(spec, name, named.node, doubtful)
    lint_containers(
        spec,
        lambda name, at: place_of_word(_under(nodes[name].node, "command"), at),
        lambda name: nodes[name].file,
        errors,
        warnings,
    )
    for found in fleet_findings(spec):
        _say_of_fleet(found, root, nodes, errors if found.fatal else warnings)
    return Findings(list(errors.ordered), list(warnings.ordered))


class _Named(NamedTuple):
    """A model's node, and the file in which it stands."""

    node: YamlMapping
    file: str


def _models(root: YamlNode | None) -> Iterator[tuple[str, YamlMapping]]:
    if root is None:
        return
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


def _say_of_fleet(found: Finding, root: YamlNode, nodes: Mapping[str, _Named], problems: Problems) -> None:
    """Where it stands; of a default, where the fleet does."""
    node, file = _under(root, *found.path), problems.file
    if found.path[0] == "models":
        model, file = nodes[found.path[1]]
        node = _under(model, *found.path[2:])
    place = _under(root, "fleet").place if node is NOTHING else node.place
    problems.of(file).add(place, ".".join(found.path), found.what, found.expected)


def _shared_ports(spec: ZooSpec, nodes: Mapping[str, _Named], errors: Problems) -> None:
    seen: dict[int, str] = {}
    for name in spec.active:
        model = spec.models.get(name)
        if model is None or model.port == "auto":
            continue
        first = seen.setdefault(model.port, name)
        # Those on demand take turns.
        if first != name and not (model.on_demand and spec.models[first].on_demand):
            what = f"{model.port} is the port of {first} too, and both are active"
            place = _under(nodes[name].node, "port").place
            errors.of(nodes[name].file).add(place, f"models.{name}.port", what, "a port of its own, or auto")


def _taken_ports(spec: ZooSpec, root: YamlNode, nodes: Mapping[str, _Named], errors: Problems) -> None:
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
            place = _under(nodes[name].node, "port").place
            errors.of(nodes[name].file).add(place, f"models.{name}.port", what, "another one, or auto")


def _look_at_server(spec: ZooSpec, name: str, node: YamlNode, errors: Problems, warnings: Problems) -> None:
    """A server elsewhere that is this one, and a key that anybody on the way can read."""
    external = spec.externals[name].external
    url = BaseUrl.of(external.url)
    place, path = _under(node, "external", "url").place, f"models.{name}.external.url"
    own = _port_of(spec.gateway.listen, "the gateway") if spec.gateway else {}
    if url.port in own and url.host in _MODELS_REACH:
        errors.add(place, path, f"{external.url} is this gateway itself", "a server elsewhere")
    elif external.api_key is not None and not (url.tls or is_loopback(f"{url.host}:{url.port}")):
        warnings.add(place, path, "the key goes there unencrypted", "https")


def _port_of(listen: str, who: str) -> dict[int, str]:
    host, port = split_address(listen)
    return {port: who} if port and host in _MODELS_REACH else {}


def _look_inside(spec: ZooSpec, name: str, node: YamlNode, warnings: Problems) -> None:
    """A server that listens inside on its own loopback, where a published port never leads."""
    container = spec.models[name].container
    words = () if container is None or container.port is None else container.args
    if any(host in _LOOPBACK for _, _, host in values_of(words, _HOST_OPTIONS)):
        place = _under(node, "container", "args").place
        what = "its server listens on 127.0.0.1 inside, where nothing that is published comes from"
        warnings.add(
            place, f"models.{name}.container.args", what, "--host 0.0.0.0; outside it is 127.0.0.1 only"
        )


def _look_at_sessions(
    model: ModelSpec, path: str, node: YamlNode, unfit: Callable[[ModelSpec], str], warnings: Problems
) -> None:
    """Conversations that are to be kept by a server that can't."""
    if model.sessions.keep and (why := unfit(model)):
        place = _under(node, "sessions", "keep").place
        warnings.add(
            place, f"{path}.sessions.keep", why, "a llama-server that tells of its slots, or keep: false"
        )


def _look_at_gpus(spec: ZooSpec, name: str, node: YamlNode, warnings: Problems) -> None:
    """A variable that shows its server other GPUs than those it is booked on: a person's own word stands."""
    model = spec.models[name]
    booked = _gpus_of(model)
    variable = next((each for each in _GPU_VARIABLES if each in model.env), None)
    inside = model.container is not None or find_client(model.command) is not None
    if booked is None or variable is None or inside:
        return
    value = model.env[variable]
    shown = set() if value.strip() == "-1" else set(filter(None, map(str.strip, value.split(","))))
    if _differ(shown, booked):
        what = f"{variable}={value} stands, and gpus names others: it would be booked on GPUs that it does not use"
        place = _under(node, "env", variable).place
        warnings.add(place, f"models.{name}.env.{variable}", what, "one of the two")


def _differ(shown: set[str], booked: set[str]) -> bool:
    """Whether they can't be the same; which index a UUID has, only the host knows."""
    comparable = len({each.isdecimal() for each in shown | booked}) < 2  # noqa: PLR2004 - both kinds
    return shown != booked and (comparable or not shown)


def _gpus_of(model: ModelSpec) -> set[str] | None:
    """Those that `gpus`, or a map of GPU memory, names; None where the choice is zoosup's."""
    listed = set(model.gpus) if isinstance(model.gpus, tuple) else set()
    if isinstance(model.memory, MemorySpec) and not isinstance(model.memory.vram, int):
        listed |= set(model.memory.vram)
    if not listed and model.gpus != "none":
        return None
    return {_OTHER_MAKE.sub("", gpu) for gpu in listed}
