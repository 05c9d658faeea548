"""One model in detail, as `zoosup status MODEL` has it, for as long as somebody looks."""

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.screen import Screen
from textual.widgets import Footer, Static

from zoosup.cli.render.layout import line
from zoosup.cli.render.screen import Seen
from zoosup.cli.render.status.detail import detail
from zoosup.cli.top.panels import text


class ModelScreen(Screen[None]):
    """Drawn anew by each look; the app's keys for acts and the log are about this model."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "app.pop_screen", "Back")]

    def __init__(self, model: str, seen: Seen) -> None:
        super().__init__()
        self.model = model
        self._seen = seen

    def compose(self) -> ComposeResult:
        """All that is known of it."""
        yield VerticalScroll(Static(id="detail", markup=False))
        yield Footer()

    def on_mount(self) -> None:
        """Draw what was seen before."""
        self.show(self._seen)

    def show(self, seen: Seen) -> None:
        """Draw what was seen."""
        known = seen.snapshot["models"].get(self.model)
        lines = [line(f"{self.model} is no longer in {seen.snapshot['config']['path']}")]
        if known is not None:
            lines = detail(self.model, known, seen.snapshot["at"], max(20, self.size.width - 4))
        for each in self.query("#detail").results(Static):  # none while the screen is being made
            each.update(text(lines))
