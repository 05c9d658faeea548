"""`zoosup fetch` as a child for a start that waits: its bytes are its own, and neither the loop nor the GIL is held.

A model that is wanted is looked at every other second; what nobody has asked for again is given up. What has come
stays on the disk, for the next try, whichever zoosup makes it. Refuses to know the hub.
"""

import asyncio
import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from functools import partial

from zoosup.host.fetching.errands import ErrandError, Errands, Tell
from zoosup.host.system.programs.session import end_session
from zoosup.host.system.threads import in_own_thread
from zoosup.spec.syntax.units import describe_size

UNASKED = 15.0
"""Seconds without a look at the model after which its download ends."""

_WORDS = 1000


class Fetches:
    """By name; one at a time of each."""

    def __init__(self, unasked: float = UNASKED) -> None:
        self._errands = Errands(unasked=unasked)

    def ask(self, name: str, env: Mapping[str, str], *, whole: bool) -> str:
        """Have weights fetched unless they are; how it stands, for people. `env` is the model's whole environment."""
        # -E -P: what the model's interpreter is to import is none of ours.
        program = [sys.executable, "-E", "-P", "-m", "zoosup", "fetch"]
        words = [*program, "--json", *(["--whole"] if whole else []), name]
        return self._errands.ask((name, whole), f"fetching {name}", partial(fetched, words, dict(env)))

    async def close(self) -> None:
        """Give up what is under way."""
        await self._errands.close()


async def fetched(words: Sequence[str], env: Mapping[str, str], tell: Tell) -> None:
    """Run `zoosup fetch --json` to its end, and tell how far it is; ErrandError with its last words."""
    child = _Child(words, env)
    try:
        await in_own_thread(partial(child.run, tell))
    except OSError as error:
        raise ErrandError(f"it can't be started: {error}") from None
    except asyncio.CancelledError:
        child.cancel()
        raise


class _Child:
    """One run of it; `run` in a thread, `cancel` from the loop."""

    def __init__(self, words: Sequence[str], env: Mapping[str, str]) -> None:
        self._words = words
        self._env = env
        self._process: subprocess.Popen[bytes] | None = None
        self._cancelled = False

    def run(self, tell: Tell) -> None:
        """To its end; ErrandError where it has failed, OSError where it can't be started."""
        process = subprocess.Popen(  # noqa: S603 - our own program, without a shell
            self._words, env=self._env, cwd="/", stdin=subprocess.DEVNULL, start_new_session=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,  # of two pipes the one not read could fill up
        )  # fmt: skip
        self._process = process
        assert process.stdout is not None  # noqa: S101 - it was asked for
        if self._cancelled:
            process.terminate()
        said = ""
        with process.stdout:
            while line := process.stdout.readline(_WORDS):
                said = _told(line, tell) or said
        if code := end_session(process):
            raise ErrandError(said.removeprefix("zoosup: ") or f"it ended with {code}")

    def cancel(self) -> None:
        """End it; it has no more to do than to be gone."""
        self._cancelled = True
        if self._process is not None:
            self._process.terminate()


def _told(line: bytes, tell: Tell) -> str:
    """Tell how far it is where a line says that; else what the line says."""
    try:
        found = json.loads(line)
        tell(f"{describe_size(found['done'])} of {describe_size(found['total'])}")
    except (ValueError, KeyError, TypeError):
        return line.decode(errors="replace").strip()
    return ""
