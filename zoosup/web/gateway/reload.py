"""Keeps the gateway as zoo.yaml says: its address, its rules, its keys, those of the key file too, the fleet's token.

An address that can't be had and a file that can't be read are trouble that is told and tried again; no model suffers
for it. Refuses to know what the gateway does with its rules.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from zoosup.errors import ZoosupError
from zoosup.runtime.api.gateway import ListenStatus
from zoosup.runtime.api.routing import Routing
from zoosup.runtime.events.publisher import Publisher
from zoosup.runtime.events.words import EventType
from zoosup.runtime.state.zoo import Zoo
from zoosup.spec.model.gateway import GatewaySpec as Rules
from zoosup.spec.model.values.kinds import is_loopback
from zoosup.web.gateway.hop import is_token
from zoosup.web.gateway.routing.access import parse_keys
from zoosup.web.gateway.server import Fleet, Gateway

LOOK_EVERY = 2.0
"""Seconds between looks at the key file, and between attempts at an address that can't be had."""

MAX_KEYS = 1024 * 1024
"""Bytes of a key file that are read."""


class ExposedError(ZoosupError):
    """Other hosts could use every model, and nobody has said that they may."""


@dataclass(frozen=True, slots=True, repr=False)
class _Put:
    """What was last put in force."""

    rules: Rules | None
    keys: tuple[str, ...]
    fleet: Fleet | None


def _no_routing() -> None:
    """Of a host that is by itself."""


class GatewayKeeper:
    """`listen` says where to, the file's address given: a setting of the daemon's own goes before it.

    `routing`: who knows the other hosts, None while there are none.
    """

    def __init__(
        self,
        gateway: Gateway,
        zoo: Zoo,
        listen: Callable[[str | None], str | None],
        changed: Callable[[], None],
        routing: Callable[[], Routing | None] = _no_routing,
    ) -> None:
        self._gateway = gateway
        self._zoo = zoo
        self._listen = listen
        self._changed = changed
        self._routing = routing
        self._put: _Put | None = None
        self._secrets: tuple[str, ...] = ()
        self._closing = False

    @property
    def secrets(self) -> tuple[str, ...]:
        """The keys that count, those of the key file among them, and the fleet's token, wherever it listens."""
        return self._secrets

    async def begin(self) -> None:
        """Open it; ExposedError where that would hand every model to other hosts. Other trouble is told, not raised."""
        await self._gateway.start()
        await self._look(at_start=True)

    def close(self, why: str) -> None:
        """It takes nothing new from now on; the next zoosup will, at the same address. `why` is for people."""
        self._closing = True
        if self._zoo.gateway.address is not None:
            self._zoo.gateway = ListenStatus(self._zoo.gateway.address, why)
            self._changed()

    async def keep(self, publisher: Publisher) -> None:
        """Follow the file, for ever."""
        version = publisher.version
        while True:
            try:
                async with asyncio.timeout(LOOK_EVERY):
                    version = await publisher.newer(version)
            except TimeoutError:
                pass
            await self._look()

    async def _look(self, *, at_start: bool = False) -> None:
        try:
            trouble = await self._put_in_force()
        except ExposedError as error:
            if at_start:
                raise
            self._tell(str(error))
        except ZoosupError as error:
            self._tell(str(error))
        except Exception as error:  # noqa: BLE001 - whatever it is, the models are not to suffer
            self._tell(f"internal error: {error!r}")
        else:
            self._tell(trouble)

    async def _put_in_force(self) -> str:
        """What of it can't be had without which the rest can; "" where all can."""
        rules = self._rules()
        keys = await self._keys(rules) if rules is not None else ()
        fleet, trouble = await self._fleet()
        wanted = _Put(rules, keys, fleet)
        if self._closing or wanted == self._put:
            return trouble
        if rules is not None and not (keys or rules.open or is_loopback(rules.listen)):
            raise ExposedError(
                f"gateway: {rules.listen} can be reached by other hosts and no key is asked for; "
                "expected gateway.api_keys, a key file that has one, gateway.open: true, or a loopback address"
            )
        self._secrets = (*keys, fleet.token) if fleet is not None and fleet.token else keys
        await self._gateway.configure(rules, keys, fleet)
        self._put = wanted
        return trouble

    def _rules(self) -> Rules | None:
        declared = self._zoo.spec.gateway
        listen = self._listen(declared.listen if declared else None)
        if listen is None:
            return None
        return (declared or Rules()).model_copy(update={"listen": listen})

    async def _keys(self, rules: Rules) -> tuple[str, ...]:
        keys = tuple(each.key.get_secret_value() for each in rules.api_keys)
        if rules.api_key_file is None:
            return keys
        return (*keys, *await asyncio.to_thread(_read_keys, "gateway.api_key_file", Path(rules.api_key_file)))

    async def _fleet(self) -> tuple[Fleet | None, str]:
        """The other hosts; without the token that all share this one goes on by itself, and what is wrong is said."""
        routing, spec = self._routing(), self._zoo.declared.fleet
        if routing is None or spec is None:
            return None, ""
        if spec.token_file is None:
            return Fleet(routing), ""
        try:
            tokens = await asyncio.to_thread(_read_keys, "fleet.token_file", Path(spec.token_file))
        except ZoosupError as error:
            return None, str(error)
        if len(tokens) > 1 or not is_token(tokens[0]):
            return None, f"fleet.token_file {spec.token_file}: expected one line of letters, digits and signs"
        return Fleet(routing, tokens[0]), ""

    def _tell(self, trouble: str) -> None:
        now = ListenStatus(self._gateway.address, trouble)
        before = self._zoo.gateway
        if self._closing or now == before:
            return
        self._zoo.gateway = now
        if trouble != before.trouble:
            kind: EventType = "Refused" if trouble else "Applied"
            self._zoo.journal.add(kind, None, "GatewayListen", trouble or _fine(now))
        self._changed()


def _fine(door: ListenStatus) -> str:
    return f"the gateway listens on {door.address}" if door.address else "the gateway is off"


def _read_keys(what: str, path: Path) -> tuple[str, ...]:
    try:
        with path.open("rb") as file:
            text = file.read(MAX_KEYS + 1)
        if len(text) > MAX_KEYS:
            raise ZoosupError(f"{what} {path}: more than {MAX_KEYS} bytes")
        keys = parse_keys(text.decode())
    except OSError as error:
        raise ZoosupError(f"{what} {path}: {error.strerror or error}") from None
    except UnicodeDecodeError:
        raise ZoosupError(f"{what} {path}: not UTF-8 text") from None
    if not keys:
        raise ZoosupError(f"{what} {path}: holds no key")
    return keys
