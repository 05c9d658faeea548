"""`zoosup sessions`: what is kept of conversations, by the state directory alone: no supervisor is asked."""

import argparse
from datetime import datetime
from pathlib import Path
from typing import Any

from zoosup.cli.context import print_json, require, settings
from zoosup.cli.render.format import size
from zoosup.errors import ExitCode, ZoosupError


def sessions(given: argparse.Namespace) -> int:
    """List what is kept of each model, and of which nothing is saved for it is cheaper to compute again."""
    from zoosup.core.sessions.worth import why_not  # noqa: PLC0415 - as little as a short command needs

    folders = _folders(given)
    found = [
        _row(model, slot=each.slot, size=each.size, at=each.at, file=f"{folder.path}/{each.stem}.bin")
        for model, folder in folders.items()
        for each in sorted(folder.files(), key=lambda each: each.at, reverse=True)
    ]
    unsaved = {model: why for model, folder in folders.items() if (why := why_not(folder.paces()))}
    if given.json:
        print_json([*found, *(_row(model, not_saved=why) for model, why in unsaved.items())])
        return ExitCode.DONE
    if not found:
        print("nothing is kept")
    for each in found:
        at = datetime.fromtimestamp(each["at"]).astimezone().strftime("%Y-%m-%d %H:%M")
        print(f"{each['model']}  {size(each['size'])}  {at}  {each['file']}")
    for model, why in unsaved.items():
        print(f"{model} is not saved: {why}")
    return ExitCode.DONE


def clear(given: argparse.Namespace) -> int:
    """Remove what is kept of a model, and what was learned of its use."""
    folders = _folders(given)
    require([given.model], folders, "what is kept")
    try:
        folders[given.model].clear()
    except OSError as error:
        raise ZoosupError(f"what is kept of {given.model} can't be removed: {error}") from None
    print(f"nothing is kept of {given.model} any more")
    return ExitCode.DONE


def _row(model: str, **more: Any) -> dict[str, Any]:
    """One file's, or that of a model of which nothing is saved: it says why."""
    return {"model": model, "slot": None, "size": 0, "at": None, "file": None, "not_saved": "", **more}


def _folders(given: argparse.Namespace) -> dict[str, Any]:
    from zoosup.host.sessions.folder import folders  # noqa: PLC0415 - as above

    root: Path = settings(given).state_directory / "sessions"
    return dict(folders(root))
