"""The two processes that zoosup keeps for a fleet: Ray on this host, and the link. Neither is a model, or has one.

Both are begun again when they end, later each time they end soon. Ray outlives zoosup where the models do, and the next
zoosup takes it over; a link is of one zoosup. Whatever becomes of them, the models go on. Imported only where zoo.yaml
has a `fleet`.
"""

import asyncio
import hashlib
import importlib.metadata
import logging
import shutil
import socket
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from zoosup.errors import ZoosupError
from zoosup.fleet import ray_settings
from zoosup.fleet.trouble import why_silent, why_unreachable
from zoosup.host.process.helper import Helper
from zoosup.host.storage.paths import default_state_dir
from zoosup.host.storage.shared_secret import shared_secret
from zoosup.host.storage.state_dir import make_private
from zoosup.runtime.api.fleet import FleetMember
from zoosup.runtime.state.membership import Membership
from zoosup.runtime.state.zoo import Zoo
from zoosup.spec.model.fleet import FleetSpec
from zoosup.spec.syntax.addresses import split_address

LOOK = 0.5
"""Seconds between looks at both."""

DEADLINE = 30.0
"""Seconds without an answer after which a link hangs: joining may, in C++, for minutes."""

PROBE = 3.0
"""Seconds in which the head's port has to answer."""

SHORT_LIFE = 30.0
"""Seconds: who ends sooner is begun again later each time, up to `SLOWEST` seconds."""

FIRST, SLOWEST = 0.5, 15.0

RAY_GRACE = 5.0
"""Seconds that Ray gets to end all of its processes; it takes about two."""

_log = logging.getLogger("zoosup")


def ray_trouble() -> tuple[str, str] | None:
    """Why there is no Ray of the right version here, and what brings it; None where there is. Imports none."""
    command = f"{sys.executable} -m pip install '{ray_settings.EXTRA}'"
    try:
        found = importlib.metadata.version("ray")
    except importlib.metadata.PackageNotFoundError:
        return "RayMissing", f"Ray is not installed on this host: {command}"
    if found != ray_settings.VERSION:
        return "RayOtherVersion", f"Ray {found} is installed, and this zoosup's fleets need {command}"
    return None


def address_towards(head: str) -> str:
    """This host's address as the head sees it. OSError where no interface leads there. Sends nothing."""
    host, port = split_address(head)
    family, kind, _, _, where = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)[0]
    with socket.socket(family, kind) as probe:
        probe.connect(where)
        return str(probe.getsockname()[0])


@dataclass(frozen=True, slots=True)
class Wanted:
    """By what both are begun: where this host and the head are, and what Ray is told. Another one begins them anew."""

    spec: FleetSpec
    address: str

    @property
    def what(self) -> str:
        """A short name of it."""
        told = self.spec.model_dump_json(include={"head", "ports", "token_file", "head_store"})
        ray = f"{sys.executable} {ray_settings.VERSION}"  # an upgrade in place has the same path
        return hashlib.sha256(f"{told} {self.address} {ray}".encode()).hexdigest()[:12]

    @property
    def of_head(self) -> bool:
        """Whether this host runs the head."""
        return ray_settings.is_head(self.spec, self.address)


Begin = Callable[[Wanted], None]


@dataclass(slots=True)
class Child:
    """One of the two, kept as is wanted; `now` is the loop's clock."""

    helper: Helper
    begin: Begin
    grace: float
    now: Callable[[], float]
    what: str = ""  # by what it was begun; "" while there is none
    since: float = 0.0
    _due: float = 0.0
    _delay: float = FIRST

    async def follow(self, wanted: Wanted) -> bool:
        """Have it running as is wanted; whether it is."""
        if self.what not in {"", wanted.what}:
            await self.end()
        elif self.what and not await self.runs():
            await self.end()  # what is left of its tree
            self._delay = FIRST if self.now() - self.since > SHORT_LIFE else min(SLOWEST, self._delay * 2)
            self._due = self.now() + self._delay
        if not self.what and self.now() >= self._due:
            await asyncio.to_thread(self.begin, wanted)
            self.what, self.since = wanted.what, self.now()
        return bool(self.what)

    async def runs(self) -> bool:
        """Whether there is one that has not ended."""
        return bool(self.what) and await asyncio.to_thread(self.helper.is_running)

    async def take_over(self, what: str) -> None:
        """Know one again that an earlier zoosup has begun as `what`; any other is ended."""
        if await asyncio.to_thread(self.helper.adopt, what):
            self.what, self.since = what, self.now()

    async def end(self) -> None:
        """End it and all that it has started."""
        await asyncio.to_thread(self.helper.end, self.grace)
        self.what = ""


class FleetChildren:
    """Both, from `keep` until `end`."""

    def __init__(
        self, zoo: Zoo, member: FleetMember, state: Path, control: Path, environ: Mapping[str, str]
    ) -> None:
        """`state` is the state directory; `environ` what zoosup itself was given."""
        self._zoo = zoo
        self._member = member
        self._state = state
        self._control = control
        self._environ = environ
        now, owner = asyncio.get_running_loop().time, zoo.mark.rstrip("-")
        logs = log_directory(state)
        self._ray = Child(Helper(owner, "ray", logs / "ray.log"), self._begin_ray, RAY_GRACE, now)
        # It has nothing to finish, and does not hear SIGTERM while it hangs.
        self._link = Child(Helper(owner, "link", logs / "link.log"), self._begin_link, 0.0, now)
        self._begun = False

    async def keep(self) -> None:
        """Have both running for as long as zoo.yaml has a fleet, for ever."""
        while True:
            try:
                await self._look()
            except ZoosupError as error:
                self._member.trouble("Refused", str(error))
            except Exception as error:  # noqa: BLE001 - no model is to suffer, and the next look may fare better
                _log.exception("internal error: the fleet's processes can't be looked after")
                self._member.trouble("InternalError", f"internal error: {type(error).__name__}: {error}")
            await asyncio.sleep(LOOK)

    async def end(self, *, keep: bool) -> None:
        """End both; `keep`: the models live on, and Ray with them, for the next zoosup."""
        await self._link.end()
        if not keep:
            await self._ray.end()

    async def _look(self) -> None:
        here = self._zoo.fleet
        if here is None:
            await self._leave()
            return
        wanted = await self._wanted(here)
        if wanted is None:
            return
        here.address = wanted.address
        if not self._begun:
            self._begun = True
            await self._link.take_over("")
            await self._ray.take_over(wanted.what)
        if trouble := ray_trouble():
            self._member.trouble(*trouble)
        elif (
            await self._ray.follow(wanted)
            and await self._may_join(wanted)
            and await self._link.follow(wanted)
        ):
            await self._watch_link(here)

    async def _may_join(self, wanted: Wanted) -> bool:
        """Whether a link is there, or the head's port answers: where nobody does, joining hangs for minutes."""
        if await self._link.runs():
            return True
        host, port = split_address(wanted.spec.head)
        try:
            async with asyncio.timeout(PROBE):
                _, writer = await asyncio.open_connection(host, port)
            writer.close()
        except (OSError, TimeoutError) as error:
            store = ray_settings.store(wanted.spec, self._state) if wanted.of_head else None
            why = await asyncio.to_thread(why_unreachable, wanted.spec.head, store, error)
            self._member.trouble(*why)
            return False
        return True

    async def _leave(self) -> None:
        """There is no fleet any more: nothing of it is left, of a zoosup before either."""
        if self._begun or log_directory(self._state).exists():
            self._begun = False
            await self._link.end()
            await self._ray.end()
            await asyncio.to_thread(_forget, log_directory(self._state))

    async def _wanted(self, here: Membership) -> Wanted | None:
        spec, address = here.spec, here.spec.address
        try:
            if address is None:
                address = await asyncio.to_thread(address_towards, spec.head)
        except OSError as error:
            why = error.strerror or str(error)
            self._member.trouble("NoAddress", f"no interface of this host leads to {spec.head}: {why}")
            return None
        return Wanted(spec, address)

    async def _watch_link(self, here: Membership) -> None:
        """End one that joins nothing, or has joined and hears nothing: it hangs where no Python sees to it."""
        for child in (self._ray, self._link):
            await asyncio.to_thread(child.helper.bound_log)
        silent = min(here.age or float("inf"), self._link.now() - self._link.since)
        if silent > DEADLINE:
            self._member.trouble(
                *why_silent(self._link.helper.last_words, token_file(here.spec, self._environ), DEADLINE)
            )
            await self._link.end()

    def _begin_ray(self, wanted: Wanted) -> None:
        temp = ray_settings.temp_dir(self._state)
        make_private(temp.parent, [])  # in /tmp others may have been there first
        for place in (temp, self._state / "fleet"):
            place.mkdir(mode=0o700, exist_ok=True)
        _forget_stores(ray_settings.head_store(self._state))
        command = ray_settings.start_command(sys.executable, wanted.spec, wanted.address, temp)
        self._ray.helper.begin(wanted.what, command, self._env(wanted))

    def _begin_link(self, wanted: Wanted) -> None:
        command = [sys.executable, "-m", "zoosup", "link", "--control", str(self._control)]
        command += ["--head", wanted.spec.head, "--address", wanted.address]
        command += ["--of-head"] if wanted.of_head else []
        self._link.helper.begin(wanted.what, command, self._env(wanted))

    def _env(self, wanted: Wanted) -> dict[str, str]:
        token = token_file(wanted.spec, self._environ)
        if wanted.spec.token_file is None:
            shared_secret(token)
        return ray_settings.environment(
            wanted.spec, self._environ, self._state, head=wanted.of_head, token=token
        )


def token_file(spec: FleetSpec, environ: Mapping[str, str]) -> Path:
    """Where the secret of the fleet is; where all hosts are this one, zoosup may make it."""
    own = default_state_dir(".fleet-token", environ)
    return own if spec.token_file is None else Path(spec.token_file)


def log_directory(state: Path) -> Path:
    """Where both print; it is there for as long as either may run."""
    return state / "fleet" / "logs"


def _forget_stores(of_now: Path) -> None:
    """What heads of other Rays have known: hosts tell it anew."""
    for each in of_now.parent.glob("head*"):
        if each != of_now:
            shutil.rmtree(each, ignore_errors=True)


def _forget(logs: Path) -> None:
    for each in logs.glob("*"):
        each.unlink(missing_ok=True)
    logs.rmdir()
