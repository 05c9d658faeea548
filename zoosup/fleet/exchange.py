"""What a link does all day: zoosup's reports to the fleet, the fleet's answers to zoosup, and questions both ways.

Ends with an error when either side can't be reached: whoever started it begins anew. Knows neither the control socket
nor Ray.
"""

import asyncio
from collections.abc import Mapping
from typing import Any, Protocol

from zoosup.core.fleet import wire
from zoosup.core.fleet.words import HostReport
from zoosup.fleet.transport import FleetTransport

POLL = 2.0
"""Seconds that the controller keeps a poll waiting; shorter than what any call may take."""


class Zoosup(Protocol):
    """This host's zoosup, as the link sees it."""

    async def report(self, after: int, asked: int) -> Mapping[str, Any]:
        """See `runtime.api.fleet.FleetMember`; {} where zoo.yaml has no fleet any more."""

    async def bring(self, told: Mapping[str, Any]) -> None:
        """Hand over an answer, or why there is none."""


class Exchange:
    """Between one zoosup and one way to the fleet, from `run` until either fails; it may be run again."""

    def __init__(self, zoosup: Zoosup, transport: FleetTransport) -> None:
        self._zoosup = zoosup
        self._transport = transport
        self._version = 0
        self._newest: HostReport | None = None
        self._asked = 0
        self._questions: set[asyncio.Task[None]] = set()
        self.heard = False
        """Whether the fleet has answered since `run`."""

    async def run(self) -> None:
        """Carry words until zoosup has no fleet any more; what fails is raised."""
        self.heard = False
        tasks = [asyncio.create_task(self._report()), asyncio.create_task(self._poll())]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            for task in (*tasks, *self._questions):
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _report(self) -> None:
        """Each report goes out at once, whatever poll is waiting."""
        sequence = 0
        while found := await self._zoosup.report(sequence, self._asked):
            self._newest = wire.from_wire(HostReport, found["report"])
            sequence = self._newest.sequence
            for question in found["questions"]:
                self._begin(question)
            await self._carry(self._newest, 0.0)

    async def _poll(self) -> None:
        """There is always a poll waiting, so that what the controller decides comes at once."""
        while True:
            if self._newest is None:
                await asyncio.sleep(0.01)
            else:
                await self._carry(self._newest, POLL)

    async def _carry(self, report: HostReport, within: float) -> None:
        answer = await self._transport.poll(report, self._version, within)
        self._version, self.heard = answer.version, True
        await self._zoosup.bring({"answer": wire.to_wire(answer)})

    def _begin(self, question: Mapping[str, Any]) -> None:
        if question["id"] > self._asked:
            self._asked = question["id"]
            task = asyncio.create_task(self._answer(question))
            self._questions.add(task)
            task.add_done_callback(self._questions.discard)

    async def _answer(self, question: Mapping[str, Any]) -> None:
        try:
            told = await self._ask(question)
        except Exception as error:  # noqa: BLE001 - who asked is told; the link ends by its own calls where it must
            told = {"error": str(error) or type(error).__name__}
        await self._zoosup.bring({"question": question["id"], "told": told})

    async def _ask(self, question: Mapping[str, Any]) -> Mapping[str, Any]:
        if question["verb"] == "choose":
            return wire.to_wire(await self._transport.choose(question["model"], question["node"]))
        refused = await self._transport.drain(question["node"], on=question["on"])
        return {"error": refused} if refused else {"node": question["node"], "on": question["on"]}
