"""The demonstration server's command line.

Knows options and their units, and the worker processes beside the server; refuses to know its behaviour.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, TypeVar

from zoosup.demo.server import DemoServer, Options
from zoosup.spec.syntax.units import parse_duration, parse_size

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

T = TypeVar("T")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the server until it stops; the process's exit code."""
    arguments = vars(_parser().parse_args(argv))
    workers = _fork_workers(arguments.pop("children"), ignore_term=arguments["ignore_term"])
    crashes = arguments["crash_after"] is not None
    code = asyncio.run(_serve(Options(**arguments)))
    if not (code and crashes):  # a crash leaves its workers behind, as a crash does
        _end_workers(workers)
    return code


async def _serve(options: Options) -> int:
    return await DemoServer(options).run()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m zoosup.demo",
        description="A demonstration model server: speaks a model's APIs, holds memory, understands nothing.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
        allow_abbrev=False,
    )
    size, time = _unit(parse_size), _unit(parse_duration)
    option = parser.add_argument
    option("--host", default="127.0.0.1", help="the address to listen on")
    option("--port", type=int, default=8000, help="the port to listen on; 0 takes any that is free")
    option("--model-id", default="demo", help="the name in /v1/models and in every answer")
    option("--ram", type=size, default=0, metavar="SIZE", help="memory to hold, in bytes with a unit")
    option("--load-time", type=time, default=0.0, metavar="TIME", help="from start to ready")
    option("--stop-time", type=time, default=0.0, metavar="TIME", help="from the last answer to the exit")
    option("--token-delay", type=time, default=0.02, metavar="TIME", help="before each word of an answer")
    option("--listen-late", action="store_true", help="open the port only when loaded, not at once with 503")
    option("--children", type=int, default=0, metavar="N", help="worker processes beside the server")
    option("--fail-load", action="store_true", help="exit instead of becoming ready")
    option("--crash-after", type=time, metavar="TIME", help="exit this long after becoming ready")
    option("--exit-code", type=int, default=1, metavar="CODE", help="for --crash-after and --fail-load")
    option("--unready-after", type=time, metavar="TIME", help="let /health answer 503 from then on")
    option("--sleep", action="store_true", help="offer POST /sleep and /wake_up, which give the memory back")
    option("--ignore-term", action="store_true", help="stay on SIGTERM, so that only SIGKILL ends it")
    return parser


def _unit(parse: Callable[[str], T]) -> Callable[[str], T]:
    def convert(text: str) -> T:
        try:
            return parse(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(f"got {text!r}, expected {error}") from error

    return convert


def _fork_workers(count: int, *, ignore_term: bool) -> list[int]:
    workers = []
    for _ in range(count):
        pid = os.fork()
        if not pid:
            _idle(ignore_term=ignore_term)
        workers.append(pid)
    return workers


def _idle(*, ignore_term: bool) -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    if ignore_term:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    while True:
        signal.pause()


def _end_workers(workers: Sequence[int]) -> None:
    for pid in workers:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        with suppress(ChildProcessError):
            os.waitpid(pid, 0)


if __name__ == "__main__":
    sys.exit(main())
