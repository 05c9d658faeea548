"""What a server is sent besides a client's request, as the file says.

Knows servers of models, servers elsewhere and other hosts' gateways. Refuses to know who asks.
"""

from dataclasses import dataclass

from zoosup.spec.model.external import BaseUrl, ExternalModelSpec
from zoosup.spec.model.model import ModelSpec


@dataclass(frozen=True, slots=True)
class Upstream:
    """What a server is sent besides the client's request, and how it is spoken to; compared by identity.

    `headers` go in place of the client's of the same names; `url`: it is elsewhere, and `ca_file` has who is trusted
    there (None: the system's); `own_key`: of the client's credentials nothing is passed on; `node`: it is no server of
    a model but the gateway of that host.
    """

    headers: tuple[tuple[str, str], ...] = ()
    url: BaseUrl | None = None
    ca_file: str | None = None
    own_key: bool = False
    node: str = ""

    @classmethod
    def of(cls, spec: ModelSpec | ExternalModelSpec) -> "Upstream":
        """What the file says of it."""
        headers = tuple((name, value.get_secret_value()) for name, value in spec.upstream_headers.items())
        if isinstance(spec, ModelSpec):
            return cls(headers) if headers else HERE
        where, given = spec.external, {name.lower() for name, _ in headers}
        if where.api_key is not None and "authorization" not in given:
            headers = (("Authorization", f"Bearer {where.api_key.get_secret_value()}"), *headers)
        return cls(headers, BaseUrl.of(where.url), where.ca_file, where.api_key is not None)

    def __repr__(self) -> str:
        """Show no key."""
        return f"Upstream({self.node or self.url})"


HERE = Upstream()
"""A run of this host of which the file says nothing more."""
