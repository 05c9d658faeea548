"""What an engine says of a container, as a ContainerState: the API's words, and those of every client's `inspect`.

Docker, Podman and nerdctl use the same names, except for those that are told apart here. Refuses to ask anybody.
"""

import signal
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from zoosup.host.container.engine import PLACE_LABEL, RUN_LABEL, ContainerState

_NEVER_STARTED = frozenset({"created", "configured", "initialized"})


def state_of(found: Mapping[str, Any]) -> ContainerState:
    """From an answer to `inspect`; ValueError when it is none."""
    try:
        return _state_of(found)
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"no container: {error!r}") from error


def _state_of(found: Mapping[str, Any]) -> ContainerState:
    state = found["State"]
    running = bool(state.get("Running", state.get("Status") == "running"))
    pid = int(state.get("Pid") or 0)
    config = found.get("Config") or {}
    labels = config.get("Labels") or {}
    code = int(state.get("ExitCode") or 0)
    error = str(state.get("Error") or "")
    begun = str(state.get("Status", "")).lower() not in _NEVER_STARTED or code != 0
    return ContainerState(
        id=str(found["Id"]),
        name=str(found.get("Name", "")).removeprefix("/"),
        run_id=str(labels.get(RUN_LABEL, "")),
        pid=pid if running and pid > 0 else None,
        running=running,
        exit_code=code if begun and not running else None,
        oom_killed=bool(state.get("OOMKilled")),
        error=error,
        stop_signal=_signal(config.get("StopSignal")),
        place=str(labels.get(PLACE_LABEL, "")),
    )


def _signal(said: Any) -> str:
    """A signal's name without SIG; engines have it with and without, and by its number."""
    text = str(said or "").upper().removeprefix("SIG")
    with suppress(ValueError):
        return signal.Signals(int(text)).name.removeprefix("SIG")
    return text
