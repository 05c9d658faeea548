"""The daemon's own settings: what differs between hosts that share one zoo.yaml.

The only place that reads ZOOSUP_* (zoo.yaml's own `${env.NAME}` aside). Refuses to read zoo.yaml: where a setting
also stands there, `None` means that the file decides.
"""

import difflib
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, PlainValidator, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from zoosup.errors import UsageError
from zoosup.host.storage.paths import control_socket, default_state_dir
from zoosup.spec.model.values.kinds import LISTEN_PATTERN, MAX_PORT
from zoosup.spec.syntax.addresses import split_address

PREFIX = "ZOOSUP_"
NO_LISTENER = "none"
"""The `status_listen` that turns the status server off, as `null` does in zoo.yaml; likewise `gateway_listen`."""

EXPECTED: Mapping[str, str] = {
    "file": "a path",
    "instance": "at most 64 letters, digits, '.', '_' and '-', beginning with a letter or a digit",
    "state_dir": "a path",
    "status_listen": "HOST:PORT, [IPv6]:PORT or none",
    "gateway_listen": "HOST:PORT, [IPv6]:PORT or none",
    "log_level": "debug, info, warning or error",
    "log_format": "text or json",
    "on_exit": "stop or keep",
    "wait_for_file": "true or false",
    "revision": "at most 200 printable characters",
}

_INSTANCE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_LISTEN = re.compile(LISTEN_PATTERN)
_FOR_OTHERS = frozenset({"ZOOSUP_RUN_ID"})  # what zoosup tells the models that it starts


def _instance(value: str) -> str:
    if not _INSTANCE.fullmatch(value):
        raise ValueError
    return value


def _printable(value: str) -> str:
    if not value.isprintable():
        raise ValueError
    return value


def _listen(value: Any) -> str:
    text = str(value)
    if text != NO_LISTENER and not (_LISTEN.fullmatch(text) and split_address(text)[1] <= MAX_PORT):
        raise ValueError
    return text


class Settings(BaseSettings):
    """Command line over ZOOSUP_* over zoo.yaml over default; build it with `load`, which words the errors."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_ignore_empty=True, extra="forbid", frozen=True, hide_input_in_errors=True
    )

    file: Path | None = None
    instance: Annotated[str, AfterValidator(_instance)] = "default"
    state_dir: Path | None = None
    status_listen: Annotated[str, PlainValidator(_listen)] | None = None
    gateway_listen: Annotated[str, PlainValidator(_listen)] | None = None
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    log_format: Literal["text", "json"] = "text"
    on_exit: Literal["stop", "keep"] = "stop"
    wait_for_file: bool = False
    revision: Annotated[str, Field(max_length=200), AfterValidator(_printable)] = ""

    @property
    def state_directory(self) -> Path:
        """Where this instance keeps what has to outlive it."""
        return self.state_dir or default_state_dir(self.instance, os.environ)

    @property
    def control_socket(self) -> Path:
        """Where this instance's supervisor listens for the command line."""
        return control_socket(self.state_directory)

    def listen(self, from_file: str | None) -> str | None:
        """Where the status server listens, `from_file` being zoo.yaml's `status.listen`; None: nowhere."""
        return _first(self.status_listen, from_file)

    def gateway(self, from_file: str | None) -> str | None:
        """Where the gateway listens, `from_file` being zoo.yaml's `gateway.listen`; None: nowhere."""
        return _first(self.gateway_listen, from_file)

    def zoo_file(self) -> Path:
        """The zoo.yaml that was named, else the first that exists; UsageError lists those tried.

        One that was named need not exist: its absence is the file's problem, not the command line's.
        """
        if self.file is not None:
            return self.file
        for path in (tried := list(usual_places(os.environ))):
            if path.exists():
                return path
        places = ", ".join(map(str, tried))
        raise UsageError(f"no zoo.yaml: tried {places}; name one, or set {PREFIX}FILE")


def _first(given: str | None, from_file: str | None) -> str | None:
    if given is None:
        return from_file
    return None if given == NO_LISTENER else given


def load(**given: Any) -> Settings:
    """Read the settings; `given` are those of the command line, None for one that is not there.

    Raises UsageError that names every wrong flag or variable and what was expected of it.
    """
    given = {name: value for name, value in given.items() if value is not None}
    try:
        return Settings(**given)
    except ValidationError as error:
        names = dict.fromkeys(str(detail["loc"][0]) for detail in error.errors())
        raise UsageError("\n".join(_complaint(name, given) for name in names)) from None


def _complaint(name: str, given: Mapping[str, Any]) -> str:
    variable = PREFIX + name.upper()
    where = f"--{name.replace('_', '-')}" if name in given else variable
    value = given.get(name, os.environ.get(variable, ""))
    return f"{where}: got {str(value)!r}, expected {EXPECTED[name]}"


def usual_places(environ: Mapping[str, str]) -> Iterator[Path]:
    """Where zoo.yaml is looked for when nobody names one, in order."""
    yield Path("zoo.yaml")
    config = Path(environ.get("XDG_CONFIG_HOME", ""))
    if not config.is_absolute():
        config = Path(environ.get("HOME") or Path.home()) / ".config"
    yield config / "zoosup" / "zoo.yaml"
    yield Path("/etc/zoosup/zoo.yaml")


def unknown_variables(environ: Mapping[str, str]) -> list[str]:
    """A sentence for each ZOOSUP_* that means nothing, so that a slip of the pen does not pass in silence."""
    known = [name.upper() for name in Settings.model_fields]
    ours = [
        name.removeprefix(PREFIX) for name in environ if name.startswith(PREFIX) and name not in _FOR_OTHERS
    ]
    return [_stranger(name, known) for name in sorted(ours) if name not in known]


def _stranger(name: str, known: list[str]) -> str:
    near = difflib.get_close_matches(name, known, 1)
    return f"{PREFIX}{name} is no setting of zoosup" + (f"; did you mean {PREFIX}{near[0]}?" if near else "")
