"""The Hugging Face hub as huggingface_hub asks it, on this host: and slow, broken off, lying or guarded where told so.

By https://huggingface.co/docs/hub/api: /api/models/REPO, HEAD and GET of /REPO/resolve/COMMIT/FILE, errors by header.
"""

import asyncio
import hashlib
from dataclasses import dataclass, field

from aiohttp import web

COMMIT = "c" * 40


@dataclass
class StandIn:
    """What it has and how it behaves; `asked` has the range of every GET of a file."""

    files: dict[str, bytes] = field(default_factory=dict)
    commit: str = COMMIT
    token: str = ""  # without it nothing is given
    gated: str = ""  # X-Error-Code of each file
    break_after: int = 0  # bytes after which each answer ends, the connection with it
    breaks: int = 0  # how many answers do
    hangs: float = 0.0  # seconds for which an answer that breaks off hangs before
    fails: list[int] = field(default_factory=list)  # statuses of the next GETs of a file
    pause: float = 0.0  # seconds before each piece
    piece: int = 1 << 16
    sends: dict[str, bytes] = field(default_factory=dict)  # other content than it has announced
    sizes: dict[str, int] = field(default_factory=dict)  # other sizes in its list than in its headers
    ranges: bool = True
    moved_to: str = ""  # the host that has the content
    said: list[tuple[str, str]] = field(default_factory=list)  # path and Authorization of every question
    asked: list[tuple[str, str]] = field(default_factory=list)
    url: str = ""

    async def start(self):
        app = web.Application()
        app.router.add_get("/api/models/{owner}/{repo}", self._info)
        app.router.add_get("/api/models/{owner}/{repo}/revision/{revision}", self._info)
        app.router.add_route("*", "/{owner}/{repo}/resolve/{revision}/{file:.+}", self._file)
        self._runner = web.AppRunner(app, handler_cancellation=True)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def stop(self):
        await self._runner.cleanup()

    def _refusal(self, request):
        self.said.append((request.path, request.headers.get("Authorization", "")))
        if self.token and request.headers.get("Authorization") != f"Bearer {self.token}":
            return web.Response(status=401, headers={"X-Error-Code": "RepoNotFound"})
        if request.match_info.get("revision", "main") not in {"main", "v1", self.commit}:
            return web.Response(status=404, headers={"X-Error-Code": "RevisionNotFound"})
        return None

    async def _info(self, request):
        if refused := self._refusal(request):
            return refused
        siblings = [
            {
                "rfilename": name,
                "size": size,
                "lfs": {"sha256": _sha256(content), "size": size, "pointerSize": 1},
            }
            for name, content in self.files.items()
            for size in [self.sizes.get(name, len(content))]
        ]
        return web.json_response({"id": "o/r", "sha": self.commit, "siblings": siblings})

    async def _file(self, request):
        if refused := self._refusal(request):
            return refused
        if self.gated:
            return web.Response(status=403, headers={"X-Error-Code": self.gated})
        name = request.match_info["file"]
        if name not in self.files:
            return web.Response(status=404, headers={"X-Error-Code": "EntryNotFound"})
        content = self.files[name]
        headers = {
            "X-Repo-Commit": self.commit,
            "ETag": f'"{_sha256(content)}"',
            "X-Linked-Size": str(len(content)),
        }
        if request.method == "HEAD":
            moved = {"Location": f"{self.moved_to}/there"} if self.moved_to else {}
            return web.Response(status=302 if moved else 200, headers=headers | moved)
        return await self._send(request, name, self.sends.get(name, content), headers)

    async def _send(self, request, name, content, headers):
        said = request.headers.get("Range", "")
        self.asked.append((name, said))
        if self.fails:
            return web.Response(status=self.fails.pop(0))
        begin = int(said.removeprefix("bytes=").rstrip("-")) if said and self.ranges else 0
        answer = web.StreamResponse(status=206 if begin else 200, headers=headers)
        answer.content_length = len(content) - begin
        await answer.prepare(request)
        end = len(content)
        if self.breaks:
            self.breaks -= 1
            end = min(end, begin + self.break_after)
        for at in range(begin, end, self.piece):
            await asyncio.sleep(self.pause)
            await answer.write(content[at : min(end, at + self.piece)])
        if end < len(content):
            await asyncio.sleep(self.hangs)
            request.transport.close()
        return answer


def _sha256(content):
    return hashlib.sha256(content).hexdigest()
