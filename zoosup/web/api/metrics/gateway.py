"""What clients have asked of the gateway, and what they were answered."""

from collections.abc import Iterator

from prometheus_client.core import Metric

from zoosup.runtime.api.gateway import GatewayCounters
from zoosup.web.api.metrics.families import by_one, counter, gauge, histogram


def gateway_metrics(clients: GatewayCounters) -> Iterator[Metric]:
    """All of it; the label `model` is "" for what the gateway itself has answered."""
    yield _requests(clients)
    yield counter(
        "zoosup_gateway_refusals", "Requests refused, by the code that clients are told.", ("model", "code"),
        list(clients.refusals.items()),
    )  # fmt: skip
    yield counter(
        "zoosup_gateway_forwarded", "Requests that another host has answered, by that host.", ("model", "node"),
        list(clients.forwarded.items()),
    )  # fmt: skip
    for name, text, by_model in (
        ("cancelled_requests", "Requests whose client hung up.", clients.cancelled),
        ("broken_answers", "Answers that ended before they were complete.", clients.broken),
    ):
        rows = [((model,), amount) for model, amount in list(by_model.items())]
        yield counter(f"zoosup_gateway_{name}", text, ("model",), rows)
    yield from _durations(clients)
    yield from _tokens(clients)
    yield from _traffic(clients)


def _requests(clients: GatewayCounters) -> Metric:
    text = "Requests answered, by status and by the name of the client's key."
    rows = [
        ((model, key, str(status)), count) for (model, key, status), count in list(clients.requests.items())
    ]
    return counter("zoosup_gateway_requests", text, ("model", "key", "status"), rows)


def _durations(clients: GatewayCounters) -> Iterator[Metric]:
    for name, text, found in (
        ("wait", "Time in the queue for a model, of the requests that had to wait.", clients.waits),
        ("first_byte", "Time from asking a model's server to the head of its answer.", clients.first_bytes),
        ("answer", "Time from asking a model's server to the end of its answer.", clients.answers),
    ):
        yield histogram(f"zoosup_gateway_{name}_seconds", text, ("model",), by_one(found))


def _tokens(clients: GatewayCounters) -> Iterator[Metric]:
    found = list(clients.tokens.items())
    for name, text, rows in (
        ("prompt", "Tokens of prompts, as the answers say.", [(who, took.prompt) for who, took in found]),
        ("completion", "Tokens of answers, as they say.", [(who, took.completion) for who, took in found]),
    ):
        yield counter(f"zoosup_gateway_{name}_tokens", text, ("model", "key"), rows)


def _traffic(clients: GatewayCounters) -> Iterator[Metric]:
    yield gauge("zoosup_gateway_connections", "Clients connected.", (), [((), clients.connections)])
    for name, text, amount in (
        ("received_bytes", "What clients have sent.", clients.received),
        ("sent_bytes", "What models have answered.", clients.sent),
    ):
        yield counter(f"zoosup_gateway_{name}", text, (), [((), amount)])
