"""A stand-in for a registry: one image of one layer, given out as slowly as a test wants.

Speaks what a pull needs of the distribution specification's v2 API, over HTTP on the loopback.
"""

import asyncio
import base64
import gzip
import hashlib
import json
import os
import tarfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from io import BytesIO
from pathlib import Path

from aiohttp import web

_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"


class Registry:
    """Gives out `NAME:1`; counts who asked with which credentials."""

    def __init__(self, program: Path, *, padding: int, login: str = "") -> None:
        layer = _layer(program, padding)
        self.layer_size = len(layer)
        self.rate = 0  # bytes a second; 0: as fast as can be
        self.breaks_after = 0  # bytes of the layer after which the connection is cut; 0: never
        self.port = 0
        self.begun = asyncio.Event()  # the layer is being given out
        self.given: list[int] = []  # bytes of it, at the end of each time it was
        self._login = login
        config = json.dumps(
            {
                "architecture": "amd64" if os.uname().machine == "x86_64" else "arm64",
                "os": "linux",
                "config": {"Entrypoint": ["/tiny"]},
                "rootfs": {"type": "layers", "diff_ids": [_digest(gzip.decompress(layer))]},
            }
        ).encode()
        self._blobs = {_digest(each): each for each in (layer, config)}
        self._manifest = json.dumps(
            {
                "schemaVersion": 2,
                "mediaType": _MANIFEST,
                "config": {
                    "mediaType": "application/vnd.docker.container.image.v1+json",
                    "size": len(config),
                    "digest": _digest(config),
                },
                "layers": [
                    {
                        "mediaType": "application/vnd.docker.image.rootfs.diff.tar.gzip",
                        "size": len(layer),
                        "digest": _digest(layer),
                    }
                ],
            }
        ).encode()

    def image(self, tag: str = "1") -> str:
        """The name under which it can be pulled."""
        return f"127.0.0.1:{self.port}/zoo/tiny:{tag}"

    @asynccontextmanager
    async def serving(self) -> AsyncIterator["Registry"]:
        """Listen on a port of its own."""
        app = web.Application()
        app.router.add_get("/v2/", self._root)
        app.router.add_get("/v2/zoo/tiny/manifests/{tag}", self._get_manifest)
        app.router.add_get("/v2/zoo/tiny/blobs/{digest}", self._get_blob)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        self.port = runner.addresses[0][1]
        try:
            yield self
        finally:
            await runner.cleanup()

    def _refused(self, request: web.Request) -> web.Response | None:
        wanted = f"Basic {base64.b64encode(self._login.encode()).decode()}"
        if self._login and request.headers.get("authorization") != wanted:
            problem = {"errors": [{"code": "UNAUTHORIZED", "message": "log in first"}]}
            return web.json_response(problem, status=401, headers={"www-authenticate": 'Basic realm="zoo"'})
        return None

    async def _root(self, request: web.Request) -> web.StreamResponse:
        return self._refused(request) or web.json_response({})

    async def _get_manifest(self, request: web.Request) -> web.StreamResponse:
        if refused := self._refused(request):
            return refused
        if request.match_info["tag"] not in ("1", "latest", _digest(self._manifest)):
            problem = {"errors": [{"code": "MANIFEST_UNKNOWN", "message": "manifest unknown"}]}
            return web.json_response(problem, status=404)
        headers = {"content-type": _MANIFEST, "docker-content-digest": _digest(self._manifest)}
        return web.Response(body=self._manifest, headers=headers)

    async def _get_blob(self, request: web.Request) -> web.StreamResponse:
        if refused := self._refused(request):
            return refused
        blob = self._blobs[request.match_info["digest"]]
        response = web.StreamResponse(headers={"content-length": str(len(blob))})
        await response.prepare(request)
        if len(blob) == self.layer_size:
            await self._give_layer(request, response, blob)
        else:
            await response.write(blob)
        return response

    async def _give_layer(self, request: web.Request, response: web.StreamResponse, layer: bytes) -> None:
        step = max(1, self.rate // 20) if self.rate else len(layer)
        at = 0
        self.begun.set()
        try:
            for at in range(0, len(layer), step):
                if self.breaks_after and at >= self.breaks_after:
                    assert request.transport is not None
                    request.transport.abort()
                    return
                await response.write(layer[at : at + step])
                await asyncio.sleep(0.05 if self.rate else 0)
            at = len(layer)
        finally:
            self.given.append(at)


def _layer(program: Path, padding: int) -> bytes:
    tar = BytesIO()
    with tarfile.open(fileobj=tar, mode="w") as archive, tarfile.open(program) as source:
        for each in source.getmembers():
            archive.addfile(each, source.extractfile(each))
        more = tarfile.TarInfo("padding")
        more.size = padding
        archive.addfile(more, BytesIO(os.urandom(padding)))
    return gzip.compress(tar.getvalue(), 1)


def _digest(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"
