"""Those who stand between a client and a model: nobody, nginx, haproxy, llama-swap, zoosup; one worker each.

Knows how each is configured to do no more than pass requests on, and how to give it a processor of its own. The models
are two: `plain` answers at once (nginx itself where it is installed, so that it is never the slowest), `tokens` is
upstream.py.
"""

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from tests.e2e.driver import Zoosup, free_ports, listens

HERE = Path(__file__).parent
MODELS = ("plain", "tokens")
STARTED_WITHIN = 15.0

Ports = Mapping[str, int]
"""By model: where it is to be had."""


@dataclass(frozen=True)
class Contestant:
    """`pid` None: there is nobody between. `livez` is a port that the same loop answers on; `models` are pids."""

    name: str
    ports: Ports
    pid: int | None
    livez: int | None = None
    models: tuple[int, ...] = ()


def processors() -> tuple[list[int], list[int]]:
    """(the contestant's, everybody else's); the same where there is only one, or nobody can choose."""
    if not hasattr(os, "sched_setaffinity"):
        return [], []
    mine = sorted(os.sched_getaffinity(0))
    return mine[-1:], mine[:-1] or mine


def pin(pid: int, to: Sequence[int]) -> None:
    for task in Path(f"/proc/{pid}/task").glob("*") if to else ():
        os.sched_setaffinity(int(task.name), to)


@contextmanager
def apart(who: Contestant) -> Iterator[list[int]]:
    """Give it a processor that nobody else works on, so that it alone is the limit; yields everybody else's."""
    mine, rest = processors()
    with _placed(dict.fromkeys(who.models, rest) | ({} if who.pid is None else {who.pid: mine})):
        yield rest


@contextmanager
def together(who: Contestant) -> Iterator[list[int]]:
    """Have it and the models work on one processor, so that nobody wakes another; yields it."""
    mine, _ = processors()
    with _placed(dict.fromkeys([*who.models, *([] if who.pid is None else [who.pid])], mine)):
        yield mine


@contextmanager
def _placed(places: Mapping[int, Sequence[int]]) -> Iterator[None]:
    mine, rest = processors()
    for pid, place in places.items():
        pin(pid, place)
    try:
        yield
    finally:
        for pid in places:
            pin(pid, sorted({*mine, *rest}))


@contextmanager
def process(words: Sequence[object], log: Path, ports: Sequence[int]) -> Iterator[int]:
    """Run a program that listens on the ports until the block ends; its pid."""
    with log.open("wb") as output:
        running = psutil.Popen(list(map(str, words)), stdout=output, stderr=subprocess.STDOUT, cwd=log.parent)
    try:
        end = time.monotonic() + STARTED_WITHIN
        while not all(map(listens, ports)):
            if running.poll() is not None or time.monotonic() > end:
                raise RuntimeError(f"{words[0]} does not listen: {log.read_text()[-2000:]}")
            time.sleep(0.02)
        yield running.pid
    finally:
        with suppress(psutil.NoSuchProcess):  # it has ended by itself, and why is said already
            running.terminate()
        try:
            running.wait(10)
        except psutil.TimeoutExpired:
            running.kill()
            running.wait()


# the models

NGINX = """\
daemon off;
master_process off;
pid {folder}/nginx.pid;
error_log stderr;
events {{ worker_connections 4096; }}
http {{
    access_log off;
    keepalive_requests 1000000000;
    keepalive_timeout 1h;
    client_max_body_size 0;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    {servers}
}}
"""
PLAIN = """
    server {{
        listen 127.0.0.1:{port};
        location / {{ default_type application/json; return 200 '{body}'; }}
    }}
"""


def model_commands(folder: Path, ports: Ports) -> dict[str, list[str]]:
    """By model, the words that start it."""
    commands = {name: [sys.executable, str(HERE / "upstream.py"), str(ports[name])] for name in MODELS}
    if nginx := shutil.which("nginx"):
        place = folder / "model"
        place.mkdir()
        body = '{"id":"chatcmpl-1","choices":[{"index":0,"message":{"role":"assistant","content":"%s"}}]}'
        servers = PLAIN.format(port=ports["plain"], body=body % ("An answer. " * 80))
        (place / "nginx.conf").write_text(NGINX.format(folder=place, servers=servers))
        commands["plain"] = [nginx, "-e", "stderr", "-p", str(place), "-c", str(place / "nginx.conf")]
    return commands


# who stands between

PROXY = """
    upstream {name} {{ server 127.0.0.1:{to}; keepalive 512; keepalive_requests 1000000000; }}
    server {{
        listen 127.0.0.1:{port} backlog=1024;
        location / {{
            proxy_pass http://{name};
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_buffering off;
            proxy_request_buffering off;
        }}
    }}
"""
HAPROXY = """\
global
    nbthread 1
    maxconn 8192
defaults
    mode http
    timeout connect 5s
    timeout client 1h
    timeout server 1h
    http-reuse always
    option http-no-delay
"""
BETWEEN = """\
frontend {name}
    bind 127.0.0.1:{port}
    default_backend to-{name}
backend to-{name}
    server one 127.0.0.1:{to}
"""
SWAPPED = """\
  {name}:
    cmd: sleep 86400
    proxy: http://127.0.0.1:{to}
    checkEndpoint: none
    concurrencyLimit: 4096  # by default it refuses the eleventh
"""


@contextmanager
def nginx(folder: Path, models: Ports) -> Iterator[Contestant]:
    ports = dict(zip(MODELS, free_ports(2), strict=True))
    servers = "".join(PROXY.format(name=name, port=ports[name], to=models[name]) for name in MODELS)
    (folder / "nginx.conf").write_text(NGINX.format(folder=folder, servers=servers))
    words = ["nginx", "-e", "stderr", "-p", folder, "-c", folder / "nginx.conf"]
    with process(words, folder / "log", tuple(ports.values())) as pid:
        yield Contestant("nginx", ports, pid)


@contextmanager
def haproxy(folder: Path, models: Ports) -> Iterator[Contestant]:
    ports = dict(zip(MODELS, free_ports(2), strict=True))
    text = HAPROXY + "".join(BETWEEN.format(name=n, port=ports[n], to=models[n]) for n in MODELS)
    (folder / "haproxy.cfg").write_text(text)
    words = ["haproxy", "-db", "-f", folder / "haproxy.cfg"]
    with process(words, folder / "log", tuple(ports.values())) as pid:
        yield Contestant("haproxy", ports, pid)


@contextmanager
def llama_swap(folder: Path, models: Ports) -> Iterator[Contestant]:
    [port] = free_ports(1)
    text = "models:\n" + "".join(SWAPPED.format(name=n, to=models[n]) for n in MODELS)
    groups = f"groups:\n  all:\n    swap: false\n    members: [{', '.join(MODELS)}]\n"
    (folder / "config.yaml").write_text(text + groups)
    words = ["env", "GOMAXPROCS=1", "llama-swap", "-config", folder / "config.yaml"]
    with process([*words, "-listen", f"127.0.0.1:{port}"], folder / "log", [port]) as pid:
        yield Contestant("llama-swap", dict.fromkeys(MODELS, port), pid)


OTHERS = {"nginx": nginx, "haproxy": haproxy, "llama-swap": llama_swap}


ZOO = """\
active: [plain, tokens]
budget: {{ram: 4GiB, ram_reserve: 64MiB}}
gateway: {{listen: "127.0.0.1:{gateway}"}}
status: {{listen: "127.0.0.1:{status}"}}
models:
"""
MODEL = """\
  {name}:
    command: [{words}]
    port: {port}
    memory: {{ram: 64MiB}}
    ready: {{tcp: true}}
"""


@contextmanager
def zoosup(folder: Path, models: Ports, commands: Mapping[str, Sequence[str]]) -> Iterator[Contestant]:
    """`zoosup run`, which starts the models: everybody else is measured with them, too."""
    gateway, status = free_ports(2)
    text = ZOO.format(gateway=gateway, status=status)
    for name, words in commands.items():
        quoted = ", ".join(f'"{word}"' for word in words)
        text += MODEL.format(name=name, words=quoted, port=models[name])
    zoo = Zoosup(folder, text, status)
    zoo.start()
    try:
        zoo.wait(lambda s: all(s["models"][n]["phase"] == "ready" for n in MODELS), "the models to be ready")
        if not listens(gateway):
            raise RuntimeError(f"zoosup has no gateway: {zoo.log.read_text()[-2000:]}")
        yield Contestant(
            "zoosup", dict.fromkeys(MODELS, gateway), zoo.process.pid, status, tuple(map(zoo.pid, MODELS))
        )
        zoo.terminate()
    finally:
        zoo.clean_up()


@contextmanager
def alone(folder: Path, models: Ports, commands: Mapping[str, Sequence[str]]) -> Iterator[Contestant]:
    """The gateway without anything else of zoosup: the hot path's own figures."""
    gateway, livez = free_ports(2)
    words = [
        sys.executable,
        HERE / "gateway_alone.py",
        gateway,
        livez,
        *(f"{n}={p}" for n, p in models.items()),
    ]
    with ExitStack() as stack:
        started = [
            stack.enter_context(process(command, folder / f"{name}.log", [models[name]]))
            for name, command in commands.items()
        ]
        pid = stack.enter_context(process(words, folder / "log", [gateway, livez]))
        yield Contestant("zoosup", dict.fromkeys(MODELS, gateway), pid, livez, tuple(started))


def answers(contestant: Contestant) -> str:
    """What is wrong with it, found out by one request to each model; empty when it passes them on."""
    for name, port in contestant.ports.items():
        body = b'{"model":"%b","messages":[]}' % name.encode()
        head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n"
        head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        try:
            with socket.create_connection(("127.0.0.1", port), 10) as connection:
                connection.sendall(head.encode() + body)
                said = connection.recv(2000)
        except OSError as error:
            return f"{name}: {error}"
        if not said.startswith(b"HTTP/1.1 200 "):
            return f"{name}: {said!r}"
    return ""
