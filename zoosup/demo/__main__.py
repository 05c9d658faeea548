"""The demonstration server's command line.

Knows options and their units, and the worker processes beside the server; refuses to know its behaviour.
"""

import argparse
import asyncio
import gc
import os
import signal
import sys
from collections.abc import Callable, Sequence
from math import inf
from typing import Any

from zoosup.spec.syntax.units import parse_duration, parse_size


def main(argv: Sequence[str] | None = None) -> int:
    """Run the server until it stops; the process's exit code."""
    options = _parser().parse_args(argv)
    workers = [_fork_worker(ignore_term=options.ignore_term) for _ in range(options.children)]
    code = asyncio.run(_serve(options))
    for pid in workers:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    return code


async def _serve(options: argparse.Namespace) -> int:
    """Import the server, as lightly as can be, and run it; workers were forked before and stay small.

    aiohttp would read the host's certificate authorities and load the C++ library (environment variables tell it
    not to), and what modules leave behind is not worth a search for garbage.
    """
    os.environ.update(SSL_CERT_FILE=os.devnull, FROZENLIST_NO_EXTENSIONS="1")
    gc.disable()
    from zoosup.demo.server import DemoServer  # noqa: PLC0415 - see above

    gc.freeze()
    gc.enable()
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
    option(
        "--crash-after", type=time, default=inf, metavar="TIME", help="exit this long after becoming ready"
    )
    option("--exit-code", type=int, default=1, metavar="CODE", help="for --crash-after and --fail-load")
    option("--unready-after", type=time, default=inf, metavar="TIME", help="let /health say 503 from then on")
    option("--sleep", action="store_true", help="offer POST /sleep and /wake_up, which give the memory back")
    option("--ignore-term", action="store_true", help="stay on SIGTERM, so that only SIGKILL ends it")
    return parser


def _unit(parse: Callable[[str], Any]) -> Callable[[str], Any]:
    def convert(text: str) -> Any:
        try:
            return parse(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(f"got {text!r}, expected {error}") from error

    return convert


def _fork_worker(*, ignore_term: bool) -> int:
    if pid := os.fork():
        return pid
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    if ignore_term:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    while True:
        signal.pause()


if __name__ == "__main__":
    sys.exit(main())
