"""`cmd` and `proxy` of a model: the words that start it here, at which its port stands as ${PORT}.

Refuses to know any other key.
"""

from dataclasses import dataclass
from ipaddress import ip_address
from urllib.parse import urlsplit

from zoosup.importing.containers import turned_inward
from zoosup.importing.llama_swap.entry import ModelEntry, RefusedError
from zoosup.importing.words import (
    UnsplittableError,
    is_compose,
    is_dummy,
    is_relative,
    is_windows,
    literal_ports,
    opens_everywhere,
    split,
    with_host,
    with_port,
)
from zoosup.spec.engine.client import find_client
from zoosup.spec.engine.run import parse_run
from zoosup.spec.syntax.addresses import join_address

_ASKED_HERE = frozenset({"127.0.0.1", "localhost", "0.0.0.0", "::", ""})  # noqa: S104 - compared, not bound


@dataclass(frozen=True, slots=True)
class _Proxy:
    """Where llama-swap looks for a server; `at_port` where that is the port which it chose itself."""

    scheme: str = "http"
    host: str = ""
    port: int | None = None
    path: str = ""
    at_port: bool = False

    @property
    def url(self) -> str:
        return f"{self.scheme}://{join_address(self.host or '127.0.0.1', self.port)}{self.path}"

    @property
    def local(self) -> bool:
        try:
            address = ip_address(self.host)
        except ValueError:
            return self.host in {"localhost", ""}
        return address.is_loopback or address.is_unspecified


def read_command(entry: ModelEntry) -> str | None:
    """Read the command; the address of the server where it is elsewhere."""
    text = entry.text("cmd")
    if is_windows(text):
        raise RefusedError("its command is for Windows, where zoosup does not run")
    try:
        words = split(text)
    except UnsplittableError as error:
        raise RefusedError(f"its command can't be read: {error}") from None
    if is_compose(words):
        raise RefusedError(
            "compose starts it: publish its port on 127.0.0.1 and give `docker run …` as the command"
        )
    proxy = _proxy(entry)
    bare = find_client(words) is None
    dummy = is_dummy(words)
    if dummy or (bare and not proxy.local and not proxy.at_port):
        why = "its command starts nothing that serves" if dummy else "its proxy is on another host"
        entry.say(f"{why}; it is a server elsewhere now, at {proxy.url}")
        return proxy.url
    if proxy.path:
        entry.note(f"proxy has the path {proxy.path}, which clients have to use themselves here")
    if bare and proxy.host not in _ASKED_HERE:
        entry.note(f"llama-swap asked it at {proxy.host}; here it has to listen on 127.0.0.1")
    words = _bare(entry, words, proxy.port) if bare else _contained(entry, words, proxy)
    if is_relative(words):
        entry.model.fields["cwd"] = entry.of.directory
        entry.model.comments["cwd"] = "its paths are relative: is this where llama-swap was started?"
    entry.model.words = words
    return None


def _proxy(entry: ModelEntry) -> _Proxy:
    text = entry.text("proxy")
    if not text:
        return _Proxy()
    try:
        found = urlsplit(text.replace("${PORT}", "0"))
        port = found.port or None
    except ValueError:
        port, found = None, urlsplit("")
    if not found.hostname:  # also host:port alone, of which urlsplit makes something else
        entry.say(f"proxy {text!r} is no address")
        return _Proxy()
    return _Proxy(found.scheme, found.hostname, port, found.path.rstrip("/"), "${PORT}" in text)


def _bare(entry: ModelEntry, words: list[str], port: int | None) -> list[str]:
    words, was = with_host(words)
    if was and not opens_everywhere(was):
        entry.say(f"it listened on {was}; here it listens on this host's own address, behind the gateway")
    numbers = [port] if port else []
    words, named = with_port(words, [*numbers, *literal_ports(words)])
    if not named and port:
        entry.model.fields["port"] = port
        entry.note(f"its command does not say its port, {port}: put ${{PORT}} there, and take port out")
    elif not named:
        entry.note("its command does not name ${PORT}: it has to listen there")
    return words


def _contained(entry: ModelEntry, words: list[str], proxy: _Proxy) -> list[str]:
    run = parse_run(words)
    if run is None:
        entry.note(
            "a container that something else has made: its port has to be published on 127.0.0.1:${PORT}"
        )
        return with_port(words, [proxy.port] if proxy.port else [])[0]
    elsewhere = None if proxy.local else proxy.port
    turned = turned_inward(run, elsewhere)
    if turned is None:
        raise RefusedError("nothing says at which port its container listens: publish it with -p")
    for each in turned.said:
        entry.note(each)
    return turned.words
