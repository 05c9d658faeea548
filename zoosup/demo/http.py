"""HTTP/1.1 over asyncio streams, as much as a model server's clients use.

Knows requests, responses and their framing; refuses to know any route. Not for the open internet: no TLS, bodies
are held in memory.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import asyncio
    from collections.abc import AsyncIterator

MAX_BODY = 16 * 1024 * 1024
MAX_HEADERS = 100

_FIELD_NAME = re.compile(rb'(?i)content-disposition:[^\r\n]*[; ]name="([^"]*)"')


class HttpError(Exception):
    """A request that is answered by an error, in OpenAI's shape."""

    def __init__(self, status: HTTPStatus, message: str, kind: str = "invalid_request_error") -> None:
        super().__init__(message)
        self.status = status
        self.kind = kind


@dataclass(frozen=True, slots=True)
class Request:
    """One request, read to its end."""

    method: str
    path: str
    query: str
    version: str
    headers: dict[str, str]
    body: bytes

    @property
    def keep_alive(self) -> bool:
        """Whether the client will send another request on this connection."""
        wish = self.headers.get("connection", "").lower()
        return wish == "keep-alive" if self.version == "HTTP/1.0" else wish != "close"

    def form(self) -> dict[str, bytes]:
        """The fields of a multipart/form-data body; an HttpError of 400 when it is something else."""
        kind, _, parameters = self.headers.get("content-type", "").partition(";")
        name, _, boundary = parameters.strip().partition("=")
        if kind.strip().lower() != "multipart/form-data" or name.lower() != "boundary" or not boundary:
            raise HttpError(HTTPStatus.BAD_REQUEST, "the body is not multipart/form-data")
        mark = b"\r\n--" + boundary.strip('"').encode("latin-1")
        parts = (b"\r\n" + self.body).split(mark)[1:-1]
        return dict(_field(part.removeprefix(b"\r\n")) for part in parts)

    def json(self) -> dict[str, Any]:
        """The body as a JSON object; an HttpError of 400 when it is something else."""
        try:
            value = json.loads(self.body)
        except ValueError as error:
            raise HttpError(HTTPStatus.BAD_REQUEST, f"the body is not JSON: {error}") from error
        if not isinstance(value, dict):
            raise HttpError(HTTPStatus.BAD_REQUEST, "the body is not a JSON object")
        return value


@dataclass(frozen=True, slots=True)
class Response:
    """One answer; its body is whole, or a stream of parts that are sent as they come."""

    body: bytes | AsyncIterator[bytes]
    status: HTTPStatus = HTTPStatus.OK
    content_type: str = "application/json"


def json_response(value: object, status: HTTPStatus = HTTPStatus.OK) -> Response:
    """Answer with a JSON document."""
    return Response(json.dumps(value).encode() + b"\n", status)


def error_response(error: HttpError) -> Response:
    """Answer with an error as OpenAI's clients expect it."""
    detail = {"message": str(error), "type": error.kind, "code": int(error.status), "param": None}
    return json_response({"error": detail}, error.status)


def _field(part: bytes) -> tuple[str, bytes]:
    head, _, value = part.partition(b"\r\n\r\n")
    found = _FIELD_NAME.search(head)
    if found is None:
        raise HttpError(HTTPStatus.BAD_REQUEST, "a part of the form has no name")
    return found[1].decode(errors="replace"), value


async def read_request(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Request | None:
    """Read the next request; None when the client has closed the connection.

    Raises HttpError for what is malformed, asyncio.IncompleteReadError for what breaks off.
    """
    line = await _line(reader)
    if not line:
        return None
    try:
        method, target, version = line.split()
    except ValueError as error:
        raise HttpError(HTTPStatus.BAD_REQUEST, "malformed request line") from error
    headers = await _headers(reader)
    if headers.get("expect", "").lower() == "100-continue":
        writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    body = await _body(reader, headers)
    path, _, query = target.partition("?")
    return Request(method, path, query, version, headers, body)


async def write_response(writer: asyncio.StreamWriter, request: Request | None, response: Response) -> bool:
    """Send an answer; True when the connection can carry another request."""
    streamed = not isinstance(response.body, bytes)
    chunked = streamed and request is not None and request.version != "HTTP/1.0"
    keep = request is not None and request.keep_alive and (chunked or not streamed)
    status = response.status
    head = [f"HTTP/1.1 {status.value} {status.phrase}", f"Content-Type: {response.content_type}"]
    if isinstance(response.body, bytes):
        head.append(f"Content-Length: {len(response.body)}")
    elif chunked:
        head.append("Transfer-Encoding: chunked")
    head.append(f"Connection: {'keep-alive' if keep else 'close'}")
    writer.write("\r\n".join((*head, "", "")).encode("latin-1"))
    if isinstance(response.body, bytes):
        writer.write(response.body)
    else:
        await _write_stream(writer, response.body, chunked=chunked)
    await writer.drain()
    return keep


async def _write_stream(writer: asyncio.StreamWriter, parts: AsyncIterator[bytes], *, chunked: bool) -> None:
    async for part in parts:
        writer.write(b"%x\r\n%s\r\n" % (len(part), part) if chunked else part)
        await writer.drain()
    if chunked:
        writer.write(b"0\r\n\r\n")


async def _line(reader: asyncio.StreamReader) -> str:
    try:
        raw = await reader.readline()
    except ValueError as error:  # the stream's own limit on a line, 64 KiB
        raise HttpError(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "a header line is too long") from error
    return raw.decode("latin-1").rstrip("\r\n")


async def _headers(reader: asyncio.StreamReader) -> dict[str, str]:
    headers: dict[str, str] = {}
    for _ in range(MAX_HEADERS):
        line = await _line(reader)
        if not line:
            return headers
        name, _, value = line.partition(":")
        headers[name.strip().lower()] = value.strip()
    raise HttpError(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, f"more than {MAX_HEADERS} header lines")


async def _body(reader: asyncio.StreamReader, headers: dict[str, str]) -> bytes:
    if headers.get("transfer-encoding", "").lower() == "chunked":
        return await _chunked_body(reader)
    return await reader.readexactly(_length(headers.get("content-length", "0"), 10))


async def _chunked_body(reader: asyncio.StreamReader) -> bytes:
    body = bytearray()
    while size := _length((await _line(reader)).partition(";")[0], 16):
        body += await reader.readexactly(size)
        await reader.readexactly(2)
        _length(str(len(body)), 10)
    await _headers(reader)
    return bytes(body)


def _length(text: str, base: int) -> int:
    try:
        size = int(text, base)
    except ValueError as error:
        raise HttpError(HTTPStatus.BAD_REQUEST, f"not a length: {text!r}") from error
    if not 0 <= size <= MAX_BODY:
        raise HttpError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"the body is over {MAX_BODY} bytes")
    return size
