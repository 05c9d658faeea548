"""Looks that are taken again and again: what becomes of one that gets no answer."""

import pytest

from tests.cli.fakes import model, snapshot
from zoosup.cli import watcher
from zoosup.errors import UnreachableError, ZoosupError


class Client:
    """Answers until it is told what to refuse with."""

    refuses: ZoosupError | None = None

    def get(self, what, **_):
        if self.refuses is not None:
            raise self.refuses
        return snapshot({"a": model("ready")}) if what == "status" else {"events": []}


@pytest.mark.parametrize("error", [UnreachableError("nobody answers"), ZoosupError("500: internal error")])
def test_what_was_seen_last_stays_with_the_trouble_beside_it(error):
    client = Client()
    seen = watcher.Watcher(client)
    first = seen.look()
    client.refuses = error
    later = seen.look()
    assert first.snapshot is later.snapshot
    assert (None, str(error)) == (later.plan, later.trouble)


def test_a_first_look_has_nothing_to_show():
    client = Client()
    client.refuses = UnreachableError("nobody answers")
    with pytest.raises(UnreachableError):
        watcher.Watcher(client).look()
