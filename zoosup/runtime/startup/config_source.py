"""From a look at zoo.yaml to a message for the single writer.

Knows that a valid text becomes a spec and anything else an error; what follows from either is not decided here.
"""

import asyncio
from collections.abc import Callable, Mapping

from zoosup.errors import InvalidFileError
from zoosup.host.ports.host import ConfigFile, Content
from zoosup.runtime.state.inbox import FileRead, Message
from zoosup.spec.model.zoo import ZooSpec
from zoosup.spec.parse import parse


async def read(content: Content, path: str, environ: Mapping[str, str]) -> FileRead:
    """Judge one look at the file, off the loop: a file at its size limit takes tenths of a second."""
    spec, error = None, content.error
    if content.text is not None:
        try:
            spec = await asyncio.to_thread(_parse, content.text, path, environ)
        except InvalidFileError as refused:
            error = str(refused)
    return FileRead(spec, content.text or "", error, look=content.look, revision=content.revision)


def _parse(text: str, path: str, environ: Mapping[str, str]) -> ZooSpec:
    return parse(text, path=path, environ=environ)


async def follow(
    config: ConfigFile, path: str, environ: Mapping[str, str], post: Callable[[Message], None]
) -> None:
    """Tell the single writer of every change of the file, for ever."""
    async for content in config.changes():
        post(await read(content, path, environ))
