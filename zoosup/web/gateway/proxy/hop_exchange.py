"""One request that another host may have to answer: passed on to the gateway there as it came, or kept here after all.

What comes back passes byte for byte, a wait's comments and refusals too: the gateway that has the model says them. The
request goes to one host after the other as long as none has taken it. Refuses to know which host is whose turn.
"""

from collections.abc import Callable
from typing import Any

from zoosup.core.state.refusal import Code, Refusal, RefusedError
from zoosup.runtime.api.routing import Routing
from zoosup.web.gateway.context.context import Context
from zoosup.web.gateway.hop import is_elsewhere, lines
from zoosup.web.gateway.http1.client_connection import ClientConnection
from zoosup.web.gateway.http1.heads.request_head import Request
from zoosup.web.gateway.http1.pool import ConnectionPools
from zoosup.web.gateway.http1.server_connection import ServerConnection
from zoosup.web.gateway.proxy.exchange import Exchange
from zoosup.web.gateway.proxy.keepalive_comments import Words

_REFUSED = 400


class HopExchange(Exchange):
    """A RoutedHolder. `here` has this host answer the request, which is then as it was.

    `meant`: the model that the other gateway must be told, "" where the request says it.
    """

    __slots__ = ("_doubted", "_here", "_own_lines", "_routing")

    def __init__(  # noqa: PLR0913, PLR0917 - an exchange's, and what becomes of it
        self,
        context: Context,
        pools: ConnectionPools,
        client: ServerConnection,
        request: Request,
        model: str,
        routing: Routing,
        here: Callable[[], None],
        *,
        meant: str = "",
    ) -> None:
        super().__init__(context, pools, client, request, model)
        self._routing = routing
        self._here = here
        self._doubted = False  # its host is being asked for a sign of life
        self._own_lines = request.more_lines = lines(self.client, request.head.caller.name, meant)

    def begin(self, *, looks: bool = False) -> None:
        """Ask which host answers; see `Claim.begin`."""
        routing = self._routing
        try:
            got = routing.look(self._model, self) if looks else routing.ask(self._model, self)
        except RefusedError as error:
            self.refused(error.refusal)
        else:
            self._go_on_with(got)

    def _go_on_with(self, got: Any) -> None:
        if got is None:
            self._stay_here()
        else:
            super()._go_on_with(got)

    def here(self) -> None:
        """The wait is over: this host is to answer."""
        if not self._ended:
            self._wait_is_over()
            self._stay_here()

    def _stay_here(self) -> None:
        self._ended = True
        self._request.more_lines = b""
        self._here()

    @property
    def _node(self) -> str:
        """The host that is asked."""
        return self._lease.upstream.node if self._lease is not None else ""

    def _words(self) -> Words | None:
        """Nothing: whoever has the model says what there is to wait for."""
        return None

    def on_head(self, head: bytes, rest: bytes) -> None:
        """The head of the other host's answer; where that has asked no model, it may be the next one's."""
        upstream = self._upstream
        assert upstream is not None  # noqa: S101 - it is whom we hear this from
        if upstream.status >= _REFUSED and is_elsewhere(head) and self._is_at_hand():
            unused = upstream.used and self._tries == 1
            self._drop_upstream()
            if unused and self._lease is not None:
                self._send(self._lease)  # that may have been the farewell of a connection, not of the host
            else:
                self._try_again()
            return
        node = self._node
        self._context.counters.forwarded[self._model, node] += 1
        if self._request.record is not None:
            self._request.record.node = node
        super().on_head(head, rest)

    def _is_at_hand(self) -> bool:
        """Whether the body could be sent once more: none of one that passes as it comes is kept."""
        return self._request.complete and not self._sent

    def on_lost(self, message: str) -> None:
        """The connection is gone, and those beside it most likely: nobody is to find out by a request that is lost."""
        self._pool.close_idle()
        super().on_lost(message)

    def _was_unread(self) -> bool:
        """A gateway that ends may have asked its model, which lives on."""
        return self._is_harmless()

    def tick(self) -> None:
        """How long an answer may take is for the other gateway to say, which knows when its model was asked.

        Where the fleet has given its host up, it is asked for a sign of life: one that hangs, or whose zoosup is
        stopped, keeps its connections, and would never answer; one that is only cut off from the others will. So too
        where another protocol is spoken by now.
        """
        upstream = self._upstream
        if upstream is not None and not self._doubted and self._routing.may_be_gone(self._node):
            self._doubted = True
            self._pools.work(self._doubt(upstream))

    async def _doubt(self, upstream: ClientConnection) -> None:
        silent = not await self._pool.shows_life()
        self._doubted = False
        if silent and self._upstream is upstream:
            said = "the fleet has given the host up, and its gateway does not say a word"
            self.cut(Refusal(Code.UPSTREAM_ERROR, f"{self._model} on host {self._node}: {said}"))

    def _fail(self, message: str) -> None:
        said = f"{self._model} on host {self._node}: {message}"
        self._break(Refusal(Code.UPSTREAM_ERROR, said))
