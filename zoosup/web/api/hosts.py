"""All hosts of the fleet, for people and programs: what is known of them, and the word that one is to be empty.

Knows no fleet; where zoo.yaml has none, it says so.
"""

from aiohttp import web

from zoosup.errors import ZoosupError
from zoosup.runtime.api.fleet import FleetMember
from zoosup.runtime.api.runtime_api import RuntimeApi
from zoosup.web import wire
from zoosup.web.api.errors import RefusalError

VERBS = {"drain": True, "undrain": False}


class HostRoutes:
    """`GET /fleet` and `POST /fleet/NODE/drain`, `…/undrain`; on the TCP server and on the control socket alike."""

    def __init__(self, runtime: RuntimeApi) -> None:
        self._runtime = runtime

    def add_to(self, router: web.UrlDispatcher) -> None:
        """Register all of them."""
        router.add_get("/fleet", self.fleet)
        router.add_post("/fleet/{node}/{verb:drain|undrain}", self.drain)

    async def fleet(self, _request: web.Request) -> web.Response:
        """Answer with every host's last report as this one knows it, and with how old that is."""
        return _json(fleet_of(self._runtime).known())

    async def drain(self, request: web.Request) -> web.Response:
        """Have a host get empty and stay so, or no longer. 503 where nobody answers for the fleet."""
        node, verb = request.match_info["node"], request.match_info["verb"]
        try:
            await fleet_of(self._runtime).drain(node, on=VERBS[verb])
        except ZoosupError as error:
            raise RefusalError(503, "fleet_refused", str(error)) from None
        return _json({"node": node, "verb": verb})


def fleet_of(runtime: RuntimeApi) -> FleetMember:
    """This host's place in the fleet; RefusalError with 404 where it has none."""
    member = runtime.fleet()
    if member is None:
        raise RefusalError(404, "no_fleet", "zoo.yaml has no fleet: this host is by itself")
    return member


def _json(answer: object) -> web.Response:
    return web.Response(body=wire.as_json(answer), content_type="application/json")
