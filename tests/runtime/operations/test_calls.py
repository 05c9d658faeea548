"""Requests to a run, one after the other: within one time for all, and no further than the first bad answer."""

import pytest

from tests.runtime.builders import ManualClock
from zoosup.host.ports.probes import Endpoint, ProbeResult
from zoosup.runtime.operations.calls import send_all
from zoosup.spec.model.process.calls import CallSpec

CALLS = [CallSpec(http="POST /a/${PORT}"), CallSpec(http="POST /b", body={"n": 1})]


class Server:
    """Takes two seconds for each; `bad` fails at a path."""

    def __init__(self, clock, bad=None):
        self.clock, self.bad, self.asked = clock, bad, []

    async def drain(self, endpoint, request, within, body):
        self.asked.append((str(request), within, body))
        self.clock.now += 2.0
        if isinstance(self.bad, Exception):
            raise self.bad
        return ProbeResult(ok=self.bad is None, message=self.bad or "")


async def sent(bad=None):
    clock = ManualClock()
    server = Server(clock, bad)
    return server, await send_all(server, Endpoint("127.0.0.1", 81, frozenset), CALLS, 5.0, lambda: clock.now)


async def test_all_are_sent_in_turn_and_what_one_takes_the_next_has_no_more():
    server, trouble = await sent()
    assert [("POST /a/81", 5.0, None), ("POST /b", 3.0, {"n": 1})] == server.asked
    assert "" == trouble


@pytest.mark.parametrize(
    ("bad", "told"),
    [("answered 500", "POST /a/${PORT}: answered 500"), (RuntimeError("boom"), "internal error: boom")],
)
async def test_after_the_first_that_goes_wrong_no_other_is_sent_and_that_is_told(bad, told):
    """A fault of ours too: a run may not hang between sleeping and waking."""
    server, trouble = await sent(bad)
    assert ["POST /a/81"] == [path for path, *_ in server.asked]
    assert told == trouble
