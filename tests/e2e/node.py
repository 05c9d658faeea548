"""JavaScript's clients: packages of npm, installed once beside the llama-server.

Knows how to get them; refuses to know what they are tested with.
"""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

PACKAGES = ("ollama@0.6.4", "openai@6.49.0")


class CannotInstallError(Exception):
    """This machine lacks what is needed; the text says what."""


def node_packages() -> Path:
    """A folder with node_modules that has them; CannotInstallError where node or npm is missing."""
    for program in ("node", "npm"):
        if shutil.which(program) is None:
            raise CannotInstallError(f"{program} is needed (Debian, Ubuntu: apt install nodejs npm)")
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "zoosup-tests"
    kept = cache / "-".join(("npm", *PACKAGES)).replace("@", "-")
    if not kept.exists():
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache, prefix="npm-") as scratch:
            command = [
                "npm",
                "install",
                "--no-audit",
                "--no-fund",
                "--ignore-scripts",
                "--prefix",
                scratch,
                *PACKAGES,
            ]
            subprocess.run(command, check=True, capture_output=True)
            Path(scratch).chmod(0o755)
            os.replace(scratch, kept)  # noqa: PTH105 - whoever finds it finds it whole
            Path(scratch).mkdir()  # for the context manager to remove
    return kept
