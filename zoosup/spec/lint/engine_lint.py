"""What a container's command says that can't work, or probably won't: names, ports, GPUs, terminals, other subcommands.

What can't be supervised at all is refused before, when the file is read (`engine.refusal`). Refuses to know where a
word stands in the file: it is handed a function for that.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from ipaddress import ip_address

from zoosup.spec.engine.client import ENGINES, Client, find_client
from zoosup.spec.engine.run import EngineRun, parse_run
from zoosup.spec.engine.values import Publish
from zoosup.spec.model.memory import MemorySpec
from zoosup.spec.model.model import ModelSpec
from zoosup.spec.model.zoo import ZooSpec
from zoosup.spec.syntax.problems import Problems
from zoosup.spec.syntax.words import values_of

PORT = "${PORT}"
_NO_PORTS = frozenset({"container", "none", "ns", "pod"})
"""Kinds of network with which a container publishes nothing of its own."""

_REACHED = frozenset({"", "0.0.0.0", "127.0.0.1"})  # noqa: S104 - compared, not bound
"""Addresses of a published port that take what is sent to 127.0.0.1."""

_GPU = "nvidia.com/gpu="
_SHELLS = frozenset({"ash", "bash", "dash", "sh", "zsh"})

PlaceOf = Callable[[str, int], tuple[int, int]]
"""Line and column of a word of a model's command, by the model's name and the word's index."""

FileOf = Callable[[str], str]
"""The file in which a model stands, by its name."""


@dataclass(frozen=True, slots=True)
class _Finding:
    """Something about the word at an index; `fatal`: it can never work."""

    at: int
    what: str
    expected: str
    fatal: bool = False


def lint_containers(
    spec: ZooSpec, place: PlaceOf, file: FileOf, errors: Problems, warnings: Problems
) -> None:
    """Look at every model whose command calls a container client."""
    several = _several_gpus(spec)
    for name, model in spec.models.items():
        for found in _findings(model, several):
            where = errors if found.fatal else warnings
            where.of(file(name)).add(
                place(name, found.at), f"models.{name}.command", found.what, found.expected
            )
    for name, found in _taken_names(spec.models):
        errors.of(file(name)).add(place(name, found.at), f"models.{name}.command", found.what, found.expected)


def _findings(model: ModelSpec, several: bool) -> Iterator[_Finding]:
    run, client = parse_run(model.command), find_client(model.command)
    if run is not None:
        yield from _incomplete(run)
        yield from _terminal(run)
        yield from _ports(run, model)
        yield from _gpus(run, model, several)
    elif client is not None:
        yield from _other_call(client)
    elif model.command and model.command[0].rpartition("/")[2] in _SHELLS:
        yield from _in_shell(model.command)


def _taken_names(models: Mapping[str, ModelSpec]) -> Iterator[tuple[str, _Finding]]:
    first: dict[tuple[str, str], str] = {}
    for model, spec in models.items():
        run = parse_run(spec.command)
        if run is None or run.name is None or PORT in run.name:
            continue
        owner = first.setdefault((run.engine, run.name), model)
        if owner != model:
            what = f"--name {run.name} is the name of {owner}'s container too"
            yield (
                model,
                _Finding(_at(run, "name"), what, "a name each, such as --name zoo-${MODEL_ID}; or none"),
            )


def _incomplete(run: EngineRun) -> Iterator[_Finding]:
    if run.image is None:
        yield _Finding(run.at, f"{run.engine} run names no image", "an image behind the options", fatal=True)
    if run.cidfile is not None:
        what = f"--cidfile leaves its file behind, and {run.engine} refuses the next start because of it"
        yield _Finding(_at(run, "cidfile"), what, "no --cidfile")


def _in_shell(command: tuple[str, ...]) -> Iterator[_Finding]:
    for at, word in enumerate(command[1:], 1):
        words = [part.strip("'\"") for part in word.split()]
        calls = (parse_run(words[n:]) for n, each in enumerate(words) if each.rpartition("/")[2] in ENGINES)
        run = next(filter(None, calls), None)
        if run is not None:
            what = f"{run.engine} run within a shell is not seen: its container may outlive the model"
            yield _Finding(at, what, f"command: {run.engine} run …, without the shell")


def _terminal(run: EngineRun) -> Iterator[_Finding]:
    """Podman warns and goes on, docker gives a terminal to what reads nothing, nerdctl needs one of its own."""
    if not run.tty:
        return
    if run.engine == "nerdctl" or (run.engine == "docker" and run.interactive):
        asked = "-it" if run.interactive else "-t"
        what = f"{asked} asks for a terminal, and there is none: {run.engine} refuses to start"
        yield _Finding(_at(run, "tty"), what, "neither -i nor -t", fatal=True)
    else:
        what = "-t makes its output a terminal's, with colours and carriage returns in the log"
        yield _Finding(_at(run, "tty"), what, "no -t")


# ports


def _ports(run: EngineRun, model: ModelSpec) -> Iterator[_Finding]:
    kind = run.network.partition(":")[0]
    if kind == "host":
        yield from _own_port(run, model)
    elif kind not in _NO_PORTS:
        yield from _open_ports(run, model)
        yield from _unreached(run, model)


def _tcp(run: EngineRun) -> list[Publish]:
    return [each for each in run.publish if each.protocol == "tcp"]


def _open_ports(run: EngineRun, model: ModelSpec) -> Iterator[_Finding]:
    found = _tcp(run)
    for each in found:
        if (wrong := _open_to_others(each.host_ip)) is None:
            continue
        own = len(found) == 1 or _has_models_port(each, model)
        port = each.host_port if each.host_port and not own else PORT
        yield _Finding(_at(run, "publish"), wrong, f"-p 127.0.0.1:{port}:{each.container_port}")


def _open_to_others(host_ip: str) -> str | None:
    """What is wrong with the address of a published port, None for one of this host's own."""
    try:
        if host_ip and ip_address(host_ip).is_loopback:
            return None
    except ValueError:
        return f"-p names {host_ip}, which is no IP address"
    said = f"on {host_ip}" if host_ip else "without an address"
    return f"-p {said} lets other hosts reach the model, past the gateway and its keys"


def _unreached(run: EngineRun, model: ModelSpec) -> Iterator[_Finding]:
    """Where zoosup would not find the server: it asks on 127.0.0.1, at the model's port."""
    found = _tcp(run)
    models = [each for each in found if _has_models_port(each, model)]
    if any(each.host_ip in _REACHED for each in models):
        return
    inside = (models or found)[0].container_port if found else "8080"
    yield _Finding(_at(run, "publish"), _why_unreached(run, models, model), f"-p 127.0.0.1:{PORT}:{inside}")


def _why_unreached(run: EngineRun, models: list[Publish], model: ModelSpec) -> str:
    found = _tcp(run)
    if models:
        return f"-p on {models[0].host_ip} is not where zoosup asks, which is 127.0.0.1"
    if found and found[0].host_port:
        ports = f"{found[0].host_port}:{found[0].container_port}"
        return f"-p {ports} is not the model's port, which is {model.port}"
    if found or run.flag("publish-all"):
        return f"publishes a port that {run.engine} chooses, and nobody knows it"
    return "publishes no port, so that nobody reaches the model"


def _own_port(run: EngineRun, model: ModelSpec) -> Iterator[_Finding]:
    """On the host's network its server listens on the host itself, as a program would."""
    words = run.client.words
    first = len(words) - len(run.args)
    for at, _, given in values_of(run.args, {"--port"}):
        if given.isascii() and given.isdecimal() and given.lstrip("0") != str(model.port):
            what = f"--port {given} is not the model's port, which is {model.port}"
            yield _Finding(first + at, what, f"{PORT}, or port: {given}")


def _has_models_port(each: Publish, model: ModelSpec) -> bool:
    return PORT in each.host_port or each.host_port == str(model.port)


# GPUs


def _several_gpus(spec: ZooSpec) -> bool:
    """Whether the file itself shows that its host has more than one."""
    if isinstance(spec.budget.vram, Mapping) and len(spec.budget.vram) > 1:
        return True
    named: set[object] = set()
    for model in spec.models.values():
        if isinstance(model.gpus, int) and model.gpus > 1:
            return True
        named.update(() if isinstance(model.gpus, str | int) else model.gpus)
        vram = model.memory.vram if isinstance(model.memory, MemorySpec) else 0
        named.update(vram if isinstance(vram, Mapping) else ())
    return len(named) > 1


def _gpus(run: EngineRun, model: ModelSpec, several: bool) -> Iterator[_Finding]:
    option, prefix = ("gpus", "") if run.gpus else ("device", _GPU)
    handed = run.gpus or next((device for device in run.all("device") if device.startswith(_GPU)), None)
    if handed is None or model.gpus == "none":
        return
    at, said = _at(run, option), f"--{option} " + handed.replace('"', "")
    if handed.removeprefix(prefix).partition(",")[0] == "all":
        if several:
            what = f"{said} hands over every GPU; the model's own ones are in CUDA_VISIBLE_DEVICES, which zoosup adds"
            yield _Finding(at, what, "a server that heeds that variable, as those on CUDA do")
    elif isinstance(model.gpus, int | str):
        what = f"{said} is fixed, and by gpus: {model.gpus} zoosup may give the model another GPU"
        yield _Finding(at, what, f"--{option} {prefix}all, or those GPUs under gpus")


# calls that are no run


def _other_call(client: Client) -> Iterator[_Finding]:
    said = " ".join((client.engine, *client.subcommand))
    rest = client.words[client.after :]
    detached = any(word in {"-d", "--detach", "--detach=true"} for word in rest)
    attached = any(word in {"-a", "--attach", "-ai", "-ia"} for word in rest)
    match client.subcommand[-1:]:
        case ("compose",):
            what = "starts containers of which zoosup sees the client alone"
            instead = f"{client.engine} run --rm …, with what the file says of the service"
            yield _Finding(client.at, f"{said} {what}", instead, fatal=detached)
        case ("start" | "restart",):
            what = "starts a container that was made elsewhere" + ", and ends at once" * (not attached)
            yield _Finding(client.at, f"{said} {what}", f"{client.engine} run --rm …", fatal=not attached)
        case ("exec",):
            what = (
                "starts the server in a container of somebody else's, and ending it leaves the server there"
            )
            yield _Finding(client.at, f"{said} {what}", f"{client.engine} run --rm …", fatal=detached)
        case ("create",):
            yield _Finding(client.at, f"{said} starts nothing", f"{client.engine} run --rm …", fatal=True)
        case ("kube" | "play" | "pod" | "stack" | "service",):
            what = "starts containers in the background, of which zoosup sees nothing"
            yield _Finding(client.at, f"{said} {what}", f"{client.engine} run --rm … for each", fatal=True)


def _at(run: EngineRun, option: str) -> int:
    """Where an option was given last, else where `run` stands."""
    return next((each.at for each in reversed(run.options) if each.name == option), run.at)
