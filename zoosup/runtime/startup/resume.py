"""Which file a new zoosup begins with: the one that was last in force, and what has changed since as an edit of it.

An edit that was made while no zoosup watched is worth no less than any other: whoever serves goes on until its
successor does, and what was given up is tried again only where the file has changed. So what was kept is recalled under
its own file, the runs are adopted, and only then is the new file taken over.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from zoosup.errors import InvalidFileError
from zoosup.host.ports.host import Content
from zoosup.runtime.persistence import saved_state
from zoosup.runtime.startup import config_source
from zoosup.runtime.state.inbox import FileRead
from zoosup.runtime.state.zoo import Zoo


async def restore(
    zoo: Zoo, content: Content, state: Mapping[str, Any], environ: Mapping[str, str]
) -> FileRead | None:
    """Put a file in force and recall what was kept; the edit to be taken over after adoption, if there is one.

    InvalidFileError when neither the file nor the last good one can be used: then there is nothing to supervise.
    """
    path = zoo.applied.path
    zoo.applied = replace(zoo.applied, look=content.look)
    seen = await config_source.read(content, path, environ)
    last = await config_source.read(saved_state.last_good(state, path), path, environ)
    first = last if last.spec is not None and last.text != seen.text else seen
    if first.spec is None:
        raise InvalidFileError(seen.error)
    zoo.take_over(first.spec, first.text, first.revision)
    saved_state.recall(zoo, state)
    if seen.spec is None:
        zoo.refuse(seen.error)
        return None
    return seen if seen.text != first.text else None


def apply_pending_edit(zoo: Zoo, edit: FileRead | None) -> None:
    """Take over what was edited while nobody watched; to be called once the runs are adopted."""
    if edit is not None and edit.spec is not None:
        zoo.take_over(edit.spec, edit.text, edit.revision)
