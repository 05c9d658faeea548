"""Requests between the hosts of a fleet: which leave for another gateway, and which have come from one.

A request is passed on once: what another gateway has passed on is answered here, or refused. Refuses to know which
host has which model.
"""

from collections.abc import Callable
from functools import partial

from zoosup.web.gateway.errors import DeniedError
from zoosup.web.gateway.hop import ELSEWHERE
from zoosup.web.gateway.http1.heads.request_head import Head, Request
from zoosup.web.gateway.http1.server_connection import ServerConnection
from zoosup.web.gateway.proxy.hop_exchange import HopExchange
from zoosup.web.gateway.routing.routes import whole_target
from zoosup.web.gateway.routing.to_models import NotFoundError, ToModels


class HopRequests(ToModels):
    """Those of one gateway; nothing here is asked where there is no fleet."""

    def _stays(self, head: Head, model: str, *, looks: bool) -> bool:
        """Whether this host answers without a further question; DeniedError where nobody does."""
        routing = self._state.routing
        if routing is None:
            return True
        if head.hop is None:
            return not looks and routing.is_here(model)
        if why := routing.accepts(model):
            raise DeniedError(503, "model_not_here", why, headers={"Retry-After": "1"} | ELSEWHERE)
        return True

    def _pass_on(  # noqa: PLR0913 - whose request, for what, and what is done if not
        self,
        client: ServerConnection,
        request: Request,
        model: str,
        here: Callable[[], None],
        *,
        name: str,
        looks: bool = False,
    ) -> None:
        """Have another host answer what does not stay; `here` is called, now or later, if none does.

        `name` is what was asked for, "" the default.
        """
        routing = self._state.routing
        if routing is None:
            here()
            return
        stays = partial(self._answer_here, client, request, here)
        meant = self._meant(model) if not name else ""
        exchange = HopExchange(
            self._context, self._pools, client, request, model, routing, stays, meant=meant
        )
        request.target = whole_target(request.head.route)
        self._begin(client, exchange, looks=looks)

    def _meant(self, model: str) -> str:
        """What the next gateway is told of a request that names nothing: its own default may be another model."""
        find = self._context.leasing.find
        return model if find("") == find(model) else ""

    def _name_by(self, head: Head, name: str) -> str:
        """The name that counts of one that was read: another gateway may have read the request before."""
        return head.hop.model or name if head.hop is not None else name

    def _answer_here(self, client: ServerConnection, request: Request, here: Callable[[], None]) -> None:
        try:
            here()
        except (DeniedError, NotFoundError) as error:
            self._decline(client, request, error)
