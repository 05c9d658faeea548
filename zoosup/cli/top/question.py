"""A question with yes and no, before an act that may cost somebody an answer."""

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Static


class Question(ModalScreen[bool]):
    """True for y or enter, False for n or escape."""

    CSS = """
    Question { align: center middle; }
    Question Vertical { width: 64; height: auto; padding: 1 2; border: round $accent; background: $surface; }
    Question .title { text-style: bold; }
    Question .keys { color: $text-muted; margin-top: 1; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y,enter", "answer(True)", "Yes"),
        Binding("n,escape", "answer(False)", "No"),
    ]

    def __init__(self, title: str, more: str) -> None:
        super().__init__()
        self._title, self._more = title, more

    def compose(self) -> ComposeResult:
        """The question, what is at stake, and the keys."""
        yield Vertical(
            Static(self._title, classes="title", markup=False),
            Static(self._more, markup=False),
            Static("y yes   n no", classes="keys"),
        )

    def action_answer(self, yes: bool) -> None:
        """Close with the answer."""
        self.dismiss(yes)
