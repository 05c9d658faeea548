"""One zoosup over an unreliable host, from its start until it ends or is killed: as `supervisor`, without the faces.

A killed one does nothing more: whatever it was in the middle of stops where it stood, and no adapter hears it again.
"""

import asyncio
import inspect
from collections.abc import Callable
from typing import Any

from tests.runtime.histories.unreliable_host import UnreliableHost
from tests.runtime.slot_files import SlotFiles
from zoosup.core.state.actions import Action
from zoosup.host.ports.host import Content, Host
from zoosup.runtime.clock import Clock
from zoosup.runtime.commands import CommandHandler
from zoosup.runtime.events.journal import Event, Journal
from zoosup.runtime.events.publisher import Publisher
from zoosup.runtime.loop.reconciler import Reconciler
from zoosup.runtime.persistence.saved_state import StateSaver
from zoosup.runtime.startup import config_source
from zoosup.runtime.startup.adoption import adopt
from zoosup.runtime.startup.resume import apply_pending_edit, restore
from zoosup.runtime.state.applied import Applied
from zoosup.runtime.state.inbox import (
    FactLearned,
    FileRead,
    Inbox,
    LeaderExited,
    Message,
    ShutdownAsked,
    UsageMeasured,
)
from zoosup.runtime.state.zoo import Zoo

MARK = "mark-"
PATH = "zoo.yaml"


class KillableAdapter:
    """Adapters as one zoosup reaches them: dead when it is, and the place where it can be killed between two acts."""

    def __init__(self, supervisor: "SupervisorHarness", **methods: Callable[..., Any]) -> None:
        for name, method in methods.items():
            wrapped = self._wrapped(supervisor, method) if inspect.iscoroutinefunction(method) else method
            setattr(self, name, wrapped)

    @staticmethod
    def _wrapped(supervisor: "SupervisorHarness", method: Callable[..., Any]) -> Callable[..., Any]:
        async def through(*args: Any) -> Any:
            supervisor.step()
            try:
                return await method(*args)
            finally:
                supervisor.step()

        return through


class UnreliableInbox(Inbox):
    """One whose wake-ups may get `lost`, and in which facts may come twice (`doubled`)."""

    lost = False
    doubled = False

    def wake(self) -> None:
        if not self.lost:
            super().wake()

    def post(self, message: Message) -> None:
        super().post(message)
        if self.doubled and isinstance(message, FactLearned | LeaderExited | UsageMeasured | FileRead):
            super().post(message)


class SupervisorHarness:
    """One life of zoosup. `acts` is what it has carried out, `turns` where among them each turn ended."""

    def __init__(self, host: UnreliableHost, sink: Callable[["SupervisorHarness", Event], None]) -> None:
        self.host = host
        self.dead = asyncio.Event()
        self.died_at = 0.0
        self.steps_left: int | None = None
        self.adopted = False
        self.left = False
        self.hurried = False  # by a second SIGTERM
        self.kept = False  # its models are left running when it ends
        self.on_turn: Callable[[], None] = lambda: None
        self.acts: list[Action] = []
        self.turns: list[int] = []
        clock = Clock(now=host.now, wall=host.wall, boot="one boot")
        journal = Journal(clock.wall, sink=lambda event: sink(self, event))
        self.zoo = Zoo("box", "test", MARK, clock, journal, Applied(PATH))
        self.inbox = UnreliableInbox(clock.now)
        self._ports = self._host()
        self._main: asyncio.Task[None] | None = None

    def _host(self) -> Host:
        h = self.host
        return Host(
            processes=KillableAdapter(
                self,
                spawn=h.spawn,
                terminate=h.terminate,
                usage=h.usage,
                adopt=h.adopt,
                hasten=h.hasten,
                mapped=h.mapped,
                bytes_read=h.bytes_read,
                members=h.members,
                identity=h.identity,
            ),
            gauge=h,
            prober=h,
            inspector=h,
            warmer=h,
            logs=KillableAdapter(self, begin=h.begin, tail=h.tail, path=h.path),
            store=KillableAdapter(self, save=h.save_state),
            records=KillableAdapter(
                self, load=h.load_records, set_aside=h.set_aside, write=h.write, remove=h.remove
            ),
            config=h,
            sessions=SlotFiles(),
        )

    def begin(self) -> None:
        self._main = asyncio.create_task(self._supervise())

    async def _supervise(self) -> None:
        host, zoo = self.host, self.zoo
        edit = await restore(zoo, Content(host.text), host.saved, {})
        publisher = Publisher()
        self.reconciler = Reconciler(
            self._ports, zoo, self.inbox, publisher, StateSaver(self._ports.store), {}
        )
        self.commands = CommandHandler(self.reconciler, self._ports, publisher, PATH, {})
        self.publisher = publisher
        self._listen_in()
        await adopt(zoo, self._ports, {})
        apply_pending_edit(zoo, edit)
        self.adopted = True
        host.on_exit = self.inbox.exited
        follower = asyncio.create_task(config_source.follow(host, PATH, {}, self.inbox.post))
        try:
            await self.reconciler.run()
        finally:
            self.left = True
            follower.cancel()

    def _listen_in(self) -> None:
        reconciler, executor = self.reconciler, self.reconciler._executor
        carry_out, turn = executor.carry_out, reconciler._reconcile

        def carried_out(action: Action) -> bool:
            self.acts.append(action)
            return carry_out(action)

        def turned() -> None:
            turn()
            self.turns.append(len(self.acts))
            self.on_turn()

        executor.carry_out, reconciler._reconcile = carried_out, turned

    # how it ends

    def leave(self, grace: float | None = None, *, keep: bool = False) -> None:
        self.hurried |= grace is not None
        self.kept |= keep
        self.reconciler.post(ShutdownAsked(grace, keep=keep))

    def step(self) -> None:
        """Asked before and after each act; a dead zoosup gets no further."""
        if self.steps_left is not None and not self.dead.is_set():
            self.steps_left -= 1
            if self.steps_left < 0:
                self.kill()
        if self.dead.is_set():
            raise asyncio.CancelledError

    def kill(self) -> None:
        """kill -9."""
        self.died_at = self.host.now()
        self.dead.set()
        self.host.supervisor_died()

    async def bury(self) -> None:
        """Nothing of it runs any longer. It may have ended by itself; what it left running is a leak then."""
        ours = asyncio.all_tasks() - {asyncio.current_task()}
        for task in ours:
            task.cancel()
        await asyncio.gather(*ours, return_exceptions=True)
        if not self.dead.is_set():
            self.kill()

    @property
    def over(self) -> bool:
        return self._main is not None and self._main.done()

    @property
    def up(self) -> bool:
        """It has adopted what there was, and goes on."""
        return self.adopted and not self.left and not self.dead.is_set()

    def error(self) -> BaseException | None:
        done = self._main is not None and self._main.done() and not self._main.cancelled()
        return self._main.exception() if done and self._main is not None else None
