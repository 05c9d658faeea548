"""Where lines of styled text end up: a terminal in colour, or a pipe as they are.

The only file that imports rich, and only for a terminal. Refuses to know what the lines say.
"""

import argparse
import signal
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING, Any, NoReturn

from zoosup.cli.render.layout import Line, plain

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

Draw = Callable[[int, int | None], Iterable[Line]]
"""Makes the lines for a width and, on a live screen, a height in cells."""


def is_terminal() -> bool:
    """Whether people are looking."""
    return sys.stdout.isatty()


def show(given: argparse.Namespace, draw: Callable[[int | None], Iterable[Line]]) -> None:
    """Print once: in colour at the terminal's width, or to a pipe as one long line each (`draw(None)`)."""
    if not is_terminal():
        sys.stdout.write(plain(draw(None)))
        return
    console = _console(given)
    for each in draw(console.width):
        console.print(_text(each), soft_wrap=True)


@contextmanager
def live(given: argparse.Namespace) -> Iterator[Callable[[Draw], None]]:
    """A screen that is drawn again and again, and given back as it was found however this ends."""
    from rich.live import Live  # noqa: PLC0415 - only for a terminal
    from rich.text import Text  # noqa: PLC0415

    console = _console(given)
    before = signal.signal(signal.SIGTERM, _leave)
    try:
        with Live(console=console, screen=True, auto_refresh=False) as screen:

            def redraw(draw: Draw) -> None:
                width, height = console.size
                lines = [_text(each) for each in draw(width, height)]
                screen.update(Text("\n").join(lines[:height]), refresh=True)

            yield redraw
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def bars(given: argparse.Namespace) -> Iterator[Callable[[str, int], Callable[[int], None]]]:
    """Progress of several things: a bar is added by its name and its bytes in all, and takes those that are there."""
    from rich.progress import (  # noqa: PLC0415 - only for a terminal
        BarColumn,
        DownloadColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
        TransferSpeedColumn,
    )

    columns = (
        TextColumn("{task.description}", markup=False), BarColumn(), DownloadColumn(binary_units=True),
        TransferSpeedColumn(), TimeRemainingColumn(),
    )  # fmt: skip
    with Progress(*columns, console=_console(given)) as progress:

        def add(name: str, total: int) -> Callable[[int], None]:
            task = progress.add_task(name, total=total or None)
            return lambda there: progress.update(task, completed=there)

        yield add


def _leave(_number: int, _frame: FrameType | None) -> NoReturn:
    # An exception, so that the terminal is given back on the way out.
    raise SystemExit(128 + signal.SIGTERM)


def _console(given: argparse.Namespace) -> "Console":
    from rich.console import Console  # noqa: PLC0415 - only for a terminal

    options: dict[str, Any] = {"no_color": True} if getattr(given, "no_color", False) else {}
    return Console(highlight=False, markup=False, emoji=False, **options)


def _text(of: Line) -> "Text":
    from rich.text import Text  # noqa: PLC0415 - only for a terminal

    return Text.assemble(*of, no_wrap=True, overflow="crop")
