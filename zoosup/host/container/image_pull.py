"""A pull: its progress over all layers, how an image is named in the call, and the registry's credentials.

Credentials are those that `docker login` and `podman login` write; helpers that hold them elsewhere are not asked.
"""

import base64
import json
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from zoosup.host.container.engine import EngineRefusedError, PullProgress

_FAILED = 500
_HERE = frozenset(
    {"Download complete", "Verifying Checksum", "Extracting", "Pull complete", "Already exists"}
)
_HUB = "docker.io"
_HUB_KEYS = ("https://index.docker.io/v1/", "index.docker.io", "docker.io")


class LayerSums:
    """Adds up what an engine reports of each layer."""

    def __init__(self) -> None:
        self._done: dict[str, int] = {}
        self._total: dict[str, int] = {}

    def take(self, report: Mapping[str, Any]) -> PullProgress:
        """The sums after one more report; EngineRefusedError when it says that the pull has failed."""
        if problem := report.get("error") or report.get("errorDetail"):
            detail = report.get("errorDetail") or {}
            raise EngineRefusedError(_FAILED, str(detail.get("message") or problem))
        layer, status = str(report.get("id", "")), str(report.get("status", ""))
        detail = report.get("progressDetail") or {}
        if status == "Downloading" and int(detail.get("total") or 0) > 0:
            self._total[layer] = int(detail["total"])
            self._done[layer] = min(int(detail.get("current") or 0), self._total[layer])
        elif status in _HERE and layer in self._total:
            self._done[layer] = self._total[layer]
        words = f"{layer}: {status}" if layer and status else status or str(report.get("stream", "")).strip()
        return PullProgress(sum(self._done.values()), sum(self._total.values()), words)


def reference(image: str) -> dict[str, str]:
    """The parameters that name an image: without a tag or digest it is `latest`, as the engines' clients have it."""
    name, at, _ = image.partition("@")
    before, colon, tag = name.rpartition(":")
    if at:
        return {"fromImage": image}
    if colon and "/" not in tag:
        return {"fromImage": before, "tag": tag}
    return {"fromImage": image, "tag": "latest"}


def credentials(image: str, environ: Mapping[str, str]) -> dict[str, str]:
    """The header with which to pull it, {} where nobody has logged in to its registry. Reads files: may block."""
    registry = _registry(image)
    for path in _files(environ):
        with suppress(OSError, ValueError, AttributeError, TypeError):
            known = json.loads(path.read_bytes()).get("auths") or {}
            for key in _HUB_KEYS if registry == _HUB else (registry, f"https://{registry}"):
                if found := known.get(key):
                    return {"X-Registry-Auth": _header(found, key)}
    return {}


def _registry(image: str) -> str:
    first, slash, _ = image.partition("/")
    return first if slash and ("." in first or ":" in first or first == "localhost") else _HUB


def _files(environ: Mapping[str, str]) -> list[Path]:
    home, runtime = environ.get("HOME", ""), environ.get("XDG_RUNTIME_DIR", "")
    docker = environ.get("DOCKER_CONFIG", "") or (f"{home}/.docker" if home else "")
    named = environ.get("REGISTRY_AUTH_FILE", "")
    return [
        *((Path(named),) if named else ()),
        *((Path(docker, "config.json"),) if docker else ()),
        *((Path(runtime, "containers/auth.json"),) if runtime else ()),
    ]


def _header(found: Mapping[str, str], server: str) -> str:
    if token := found.get("identitytoken"):
        words = {"identitytoken": token, "serveraddress": server}
    else:
        user, _, password = base64.b64decode(found["auth"], validate=True).decode().partition(":")
        words = {"username": user, "password": password, "serveraddress": server}
    return base64.urlsafe_b64encode(json.dumps(words).encode()).decode()
