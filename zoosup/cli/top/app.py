"""The zoo on a screen with keys: chooses a model, opens it, and has things done to it after a question."""

import asyncio
from functools import partial
from typing import ClassVar

from rich.text import Text
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container
from textual.widgets import DataTable, Footer, Input, Static

from zoosup.cli.render.format import requests
from zoosup.cli.render.screen import Seen
from zoosup.cli.top import panels
from zoosup.cli.top.log import LogScreen
from zoosup.cli.top.model import ModelScreen
from zoosup.cli.top.question import Question
from zoosup.cli.top.source import Source
from zoosup.cli.watcher import INTERVAL
from zoosup.errors import ZoosupError
from zoosup.host.system.threads import in_own_thread

_BESIDE = 150

_AT_STAKE = {
    "start": "It runs until `active` says something new about it.",
    "stop": "It stays stopped until `active` says something new about it.",
    "restart": "A fresh run takes the place of this one; its crashes are forgotten.",
    "unload": "Its memory comes back; the next request loads it again.",
    "auto": "The file and demand decide again whether it runs.",
}


class Models(DataTable[object]):
    """The rows; enter opens one."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("enter", "select_cursor", "Open")]


class TopApp(App[None]):
    """One look after another, and the screens that show it."""

    TITLE = "zoosup top"
    ENABLE_COMMAND_PALETTE = False
    CSS = """
    #above { height: auto; max-height: 50%; padding: 0 1; }
    #find { display: none; }
    #body { height: 1fr; }
    #models { height: 2fr; }
    #below { height: 1fr; padding: 0 1; border-top: solid $surface-lighten-2; }
    #body.beside { layout: horizontal; }
    #body.beside #models { width: 3fr; height: 1fr; }
    #body.beside #below { width: 2fr; height: 1fr; border-top: none; border-left: solid $surface-lighten-2; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("q", "quit", "Quit"),
        Binding("l", "log", "Log"),
        Binding("s", "act('start')", "Start"),
        Binding("x", "act('stop')", "Stop"),
        Binding("r", "act('restart')", "Restart"),
        Binding("u", "act('unload')", "Unload"),
        Binding("a", "act('auto')", "Leave to file"),
        Binding("slash", "find", "Filter", key_display="/"),
        Binding("escape", "all", "All", show=False),
    ]

    def __init__(self, source: Source, seen: Seen) -> None:
        super().__init__()
        self._source = source
        self.seen = seen

    # what is there

    def compose(self) -> ComposeResult:
        """Above all the verdict; then the models; beside or below them what comes and what was."""
        yield Static(id="above", markup=False)
        yield Input(placeholder="only models with this text; enter goes back, escape shows all", id="find")
        table = Models(id="models", cursor_type="row", zebra_stripes=True)
        yield Container(table, Static(id="below", markup=False), id="body")
        yield Footer()

    def on_mount(self) -> None:
        """Show what was seen, and begin to look."""
        self._table().add_columns(*panels.COLUMNS)
        self._table().focus()
        self.call_after_refresh(self._show)
        self.run_worker(self._watch())

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(INTERVAL)
            self.seen = await in_own_thread(self._source.look)
            self._show()

    def on_resize(self) -> None:
        """Use the room there is."""
        self.query_one("#body").set_class(self.size.width >= _BESIDE, "beside")
        self.call_after_refresh(self._show)

    def _table(self) -> Models:
        return self.screen_stack[0].query_one(Models)

    def _show(self) -> None:
        home = self.screen_stack[0] if self.screen_stack else None
        if home is None or not home.query("#below"):
            return  # it is being made, or ends
        home.query_one("#above", Static).update(panels.above(self.seen, max(20, self.size.width - 2)))
        below = home.query_one("#below", Static)
        width, height = below.content_size
        below.update(panels.below(self.seen, max(20, width), max(2, height)))
        wanted = home.query_one("#find", Input).value
        self._show_models(panels.rows(self.seen, wanted, self._table().size.width))
        if isinstance(self.screen, ModelScreen):
            self.screen.show(self.seen)

    def _show_models(self, rows: dict[str, tuple[Text, ...]]) -> None:
        """Write only what has changed; whoever is chosen stays so where its row moves."""
        table, chosen = self._table(), self.chosen
        if [key.value for key in table.rows] != list(rows):
            table.clear()
            for name, cells in rows.items():
                table.add_row(*cells, key=name)
            if chosen in rows:
                table.move_cursor(row=list(rows).index(chosen))
            return
        for row, cells in enumerate(rows.values()):
            for column, cell in enumerate(cells):
                if table.get_cell_at((row, column)) != cell:  # type: ignore[arg-type]
                    table.update_cell_at((row, column), cell, update_width=True)  # type: ignore[arg-type]

    # what is done

    @property
    def chosen(self) -> str | None:
        """The model that keys are about: the open one, else the one under the cursor."""
        if isinstance(self.screen, ModelScreen | LogScreen):
            return self.screen.model
        names = [key.value for key in self._table().rows]
        row = self._table().cursor_row
        return names[row] if 0 <= row < len(names) else None

    def on_data_table_row_selected(self, event: DataTable.RowSelected) -> None:
        """Open a model."""
        self.push_screen(ModelScreen(event.row_key.value or "", self.seen))

    def action_log(self) -> None:
        """Open the log of the chosen model."""
        if self.chosen and not isinstance(self.screen, LogScreen):
            self.push_screen(LogScreen(self._source, self.chosen))

    def action_find(self) -> None:
        """Ask for a text that the shown models have; among them, for in a model's own screen letters are acts."""
        if isinstance(self.screen, ModelScreen):
            self.pop_screen()
        find = self.screen_stack[0].query_one("#find")
        find.display = True
        find.focus()

    def action_all(self) -> None:
        """Show all models again."""
        self.query_one("#find", Input).value = ""
        self.query_one("#find").display = False
        self._table().focus()

    def on_input_changed(self) -> None:
        """Show the models with the text."""
        self._show()

    def on_input_submitted(self) -> None:
        """Go back to the models."""
        self._table().focus()

    def action_act(self, verb: str) -> None:
        """Have something done to the chosen model, after a question."""
        if (name := self.chosen) is None or (model := self.seen.snapshot["models"].get(name)) is None:
            return
        busy = f"{asked.capitalize()}. " if (asked := requests(model)) else ""
        question = Question(f"{verb.title()} {name}?", busy + _AT_STAKE[verb])
        self.push_screen(question, lambda yes: self._answered(name, verb, yes=bool(yes)))

    def _answered(self, name: str, verb: str, *, yes: bool) -> None:
        if yes:
            self.run_worker(self._act(name, verb))

    async def _act(self, name: str, verb: str) -> None:
        try:
            self.notify(await in_own_thread(partial(self._source.act, name, verb)), markup=False)
        except ZoosupError as error:
            self.notify(str(error), severity="error", markup=False)
