"""What one model wrote, as it comes. Read again each second while it is looked at, so that it costs nothing else."""

import asyncio
from functools import partial
from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.screen import Screen
from textual.widgets import Footer, Input, RichLog, Static

from zoosup.cli.render.layout import clean
from zoosup.cli.top.source import Source
from zoosup.errors import ZoosupError
from zoosup.host.system.threads import in_own_thread

_EVERY = 1.0


class LogScreen(Screen[None]):
    """The last lines, those to come, and of all of them those with a text."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "app.pop_screen", "Back"),
        Binding("slash", "find", "Filter", key_display="/"),
    ]

    def __init__(self, source: Source, model: str) -> None:
        super().__init__()
        self._source = source
        self.model = model
        self._shown: list[str] | None = None

    def compose(self) -> ComposeResult:
        """Whose it is, a line to filter by, and the log."""
        yield Static(f"log of {self.model}", markup=False)
        yield Input(placeholder="only lines with this text; enter goes back", id="find")
        yield RichLog(max_lines=2000, id="lines")
        yield Footer()

    def on_mount(self) -> None:
        """Begin to read."""
        self.query_one("#find").display = False
        self.query_one("#lines").focus()
        self.run_worker(self._follow())

    def action_find(self) -> None:
        """Ask for a text."""
        self.query_one("#find").display = True
        self.query_one("#find").focus()

    def on_input_changed(self) -> None:
        """Show the lines with the text."""
        self._draw(self._shown or [])

    def on_input_submitted(self) -> None:
        """Go back to the lines."""
        self.query_one("#lines").focus()

    async def _follow(self) -> None:
        while True:
            try:
                lines = await in_own_thread(partial(self._source.log, self.model))
            except ZoosupError as error:
                lines = [f"zoosup: {error}"]
            if lines != self._shown:
                self._draw(lines)
            await asyncio.sleep(_EVERY)

    def _draw(self, lines: list[str]) -> None:
        self._shown = lines
        wanted = self.query_one("#find", Input).value.lower()
        log = self.query_one("#lines", RichLog)
        log.clear()
        for each in lines or ["it has written nothing yet"]:
            if wanted in each.lower():
                log.write(Text(clean(each)))
