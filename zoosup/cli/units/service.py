"""What a unit is made for: one supervisor, as whom and from where it runs, and where its models' programs are found."""

import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

OPEN_FILES = 65536
"""launchd begins with 256 and systemd with 1024; a model takes about four, a client one."""

SYSTEM_PATH = ("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin")
"""Where every service finds programs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """What a unit is made for. All paths are absolute.

    `user` None makes it a unit of that user's own manager, which needs no root. `state_dir` None leaves it to the
    unit's manager, or to zoosup's default. `search_path` is the PATH in which commands of zoo.yaml are found.
    """

    command: tuple[str, ...]  # that is `zoosup`: one program, or Python and its arguments
    file: Path
    home: Path
    user: str | None = None
    instance: str = "default"
    state_dir: Path | None = None
    search_path: str = ""

    @property
    def name(self) -> str:
        """One name for the unit, its state directory and its log; the default instance needs no suffix."""
        return "zoosup" if self.instance == "default" else f"zoosup-{self.instance}"


def options(service: Service) -> list[str]:
    """What tells this supervisor from others on the host."""
    named = [] if service.instance == "default" else ["--instance", service.instance]
    return named if service.state_dir is None else [*named, "--state-dir", str(service.state_dir)]


def search_path(path: str, *, home: Path, others: Iterable[Path] = (), left_out: Iterable[Path] = ()) -> str:
    """The PATH of a service: that of whoever asks for the unit, less what is theirs alone.

    `home` is that of the user it runs as. Left out are folders that are missing, not absolute or named twice, those
    below `others`, and `left_out`, such as a virtual environment's that a shell has active. `~/.local/bin` and the
    system's own are always there.
    """
    foreign = [each for each in others if each not in {home, Path("/")}]
    kept = [
        each
        for each in (*map(Path, path.split(os.pathsep)), home / ".local/bin")
        if each.is_absolute()
        and each.is_dir()
        and each not in left_out
        and not any(each.is_relative_to(other) for other in foreign)
    ]
    return os.pathsep.join(dict.fromkeys((*map(str, kept), *SYSTEM_PATH)))


def filled(template: str, values: Mapping[str, str]) -> str:
    """Fill the slots; what is put in is not looked at again, so that it may hold anything."""
    return re.sub(r"<<(\w+)>>", lambda slot: values[slot[1]], template)
