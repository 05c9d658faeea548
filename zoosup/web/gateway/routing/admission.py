"""Heads of requests, read and admitted: who may ask, by which name, and where the request goes.

What was admitted once is admitted again until the policy changes. Refuses to know bodies and models.
"""

import hmac
import secrets
from hashlib import blake2b

from zoosup.web.gateway import hop
from zoosup.web.gateway.caller import ANYBODY, Caller
from zoosup.web.gateway.context.context import Context
from zoosup.web.gateway.errors import DeniedError
from zoosup.web.gateway.hop import Hop
from zoosup.web.gateway.http1.heads.head_cache import HeadCache
from zoosup.web.gateway.http1.heads.request_head import Head, RejectedError, Request
from zoosup.web.gateway.http1.heads.response_head import check
from zoosup.web.gateway.http1.multipart import is_form
from zoosup.web.gateway.http1.response import Response
from zoosup.web.gateway.proxy import rendering
from zoosup.web.gateway.route import Kind, Route, Where
from zoosup.web.gateway.routing import access
from zoosup.web.gateway.routing.access import Policy
from zoosup.web.gateway.routing.routes import dialect_of, route

_STRANGER = (
    "a gateway of another fleet has passed this on, or one whose fleet.token_file has another token; "
    "all hosts of a fleet have the same"
)


class Admission:
    """For all connections of one gateway; `policy` is what is asked of callers."""

    def __init__(self, context: Context) -> None:
        self.policy = Policy()
        self._rules = context.state
        self._traces = context.tracing is not None
        self._headers = context.limits.headers
        self._salt = secrets.token_bytes(16)
        self._cache = HeadCache()

    def enforce(self, policy: Policy) -> None:
        """Look at everybody again, by another policy or other rules."""
        self.policy = policy
        self._cache.clear()

    def request(self, raw: bytes) -> Request:
        """A request by its head, without the empty line: admitted or `denied`.

        RejectedError or HttpParserError where it is none.
        """
        request = self._cache.request(raw)
        if request is None:
            return self._read(raw)
        if request.length > self._rules.rules.max_body:
            request.denied = denied(DeniedError.too_large(self._rules.rules.max_body), request)
        return request

    def _read(self, raw: bytes) -> Request:
        if raw.count(b"\n") > self._headers:
            raise RejectedError(431, f"a head has at most {self._headers} headers")
        check(raw)
        head = Head(raw)
        if self._traces:
            head.drop_trace()
        head.route = Route(
            Kind.HEALTH, dialect=dialect_of(head.target)
        )  # until it is known, for what is said meanwhile
        head.told = self._cors_lines(head)
        request = Request(head, head.content_length, id_line=head.id_line)
        try:
            self._admit(head)
            if request.length > self._rules.rules.max_body:
                raise DeniedError.too_large(self._rules.rules.max_body)
        except DeniedError as error:
            request.denied = denied(error, request)
        else:
            self._cache.remember(raw, head, self._rules.rules.in_line if _is_usual(head) else 0)
        return request

    def _admit(self, head: Head) -> None:
        """Settle where a request goes; DeniedError where it may not."""
        try:
            found = head.route = route(head.method, head.target)
        except DeniedError:
            self._check(head, head.text(b"host"))  # who may not ask is not told which addresses there are
            raise
        if found.kind is not Kind.HEALTH and not self._is_passed_on(head):
            self._check(head, found.authority or head.text(b"host"))
        passes = found.kind is Kind.UPSTREAM
        head.streamed = passes and head.has_body
        head.upgrade = passes and head.upgrade and not head.has_body

    def _is_passed_on(self, head: Head) -> bool:
        """Whether another gateway of the fleet has passed the request on, which has looked at who asks."""
        token = self.policy.fleet_token
        if token is None or hop.MARK not in head.found:
            return False
        if not token:  # nobody can prove it: it is passed on no more, and that is all it gains
            head.hop = Hop()
            return False
        if hop.TOKEN not in head.found:
            return False
        if not hmac.compare_digest(head.found[hop.TOKEN], token):
            raise DeniedError(403, "wrong_fleet_token", _STRANGER, headers=hop.ELSEWHERE)
        head.hop = said = hop.read(head.found)
        head.client, head.caller = said.client, self._named(said.key)
        head.told = b""  # the first gateway says it
        return True

    def _named(self, key: str) -> Caller:
        """Whose key of that name it is by this host's file, which need not know it: the first gateway's has."""
        callers = self.policy.callers.values()
        return next((each for each in callers if each.name == key), Caller(key))

    def _check(self, head: Head, host: str) -> None:
        headers = head.header_map()
        if access.is_preflight(head.method.decode("latin-1"), headers):
            head.told = b""  # the answer says it all
            raise PreflightError(access.preflight_headers(headers, self.policy))
        key = access.check(self.policy, headers, host)
        if key:
            head.caller = self.policy.callers.get(key, ANYBODY)
            head.client = self._client(head.caller.name, key)

    def _client(self, name: str, key: bytes) -> str:
        """Whose key it is, not to be told from it; "" where all present the same."""
        if len(self.policy.keys) < 2:  # noqa: PLR2004 - by one key nobody is told apart
            return ""
        return f"key {name or blake2b(key, digest_size=8, salt=self._salt).hexdigest()}"

    def _cors_lines(self, head: Head) -> bytes:
        if b"origin" not in head.found:
            return b""
        headers = access.cors_headers(head.text(b"origin"), self.policy)
        return "".join(f"{name}: {value}\r\n" for name, value in headers.items()).encode("latin-1")


class PreflightError(DeniedError):
    """No refusal, but no more of the request is wanted either: a browser asks for permission."""

    def __init__(self, headers: dict[str, str]) -> None:
        super().__init__(204, "", "", headers=headers)


def denied(error: DeniedError, request: Request) -> Response:
    """A refusal of the gateway's own."""
    if isinstance(error, PreflightError):
        return Response(204, tuple(error.headers.items()), b"")
    return rendering.denied_answer(error, request.head.route.dialect)


def _is_usual(head: Head) -> bool:
    """Whether it announces a JSON body of known length that alone names its model, and asks for nothing more."""
    return (
        head.route.kind is Kind.ENDPOINT
        and head.route.where is Where.JSON
        and head.has_body
        and head.keep_alive
        and head.modern
        and not (head.route.query or head.told or head.streamed or head.chunked or head.upgrade)
        and not (head.encoded or head.expects_continue or is_form(head.content_type))
    )
