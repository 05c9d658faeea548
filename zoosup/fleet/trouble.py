"""Why the fleet does not answer, as a code and in words. Begins nothing and ends nothing."""

import contextlib
import shutil
from pathlib import Path

STORE_NEEDS = 8 * 1024 * 1024
"""Bytes of disk with less than which the head can't be expected to begin."""


def why_unreachable(head: str, store: Path | None, error: OSError) -> tuple[str, str]:
    """By the head's port. `store`: where this host's own head keeps what it knows, whose disk may be full."""
    with contextlib.suppress(OSError):
        if store is not None and shutil.disk_usage(store).free < STORE_NEEDS:
            return "HeadStoreFull", f"the head can't begin, for the disk of {store} is full: make room there"
    return "HeadUnreachable", f"{head} can't be reached: {error.strerror or 'no answer'}"


def why_silent(words: str, token: Path, seconds: float) -> tuple[str, str]:
    """By what the link has printed, while the head's port answers."""
    if is_of_token(words):
        return wrong_token(str(token))
    return "NoAnswer", f"the head's port answers, and nothing else for {seconds:g} s"


def is_of_token(words: str) -> bool:
    """Whether Ray says that a token is not taken."""
    return "InvalidAuthToken" in words or "AuthenticationError" in words


def wrong_token(file: str) -> tuple[str, str]:
    """The head's token is another; `file`: where this host's stands."""
    return "WrongToken", f"the head does not take this host's token: {file} has to be the same on all"
