"""Clients of the status server that ask and never read, or never finish asking: they cost themselves alone."""

import socket
from contextlib import ExitStack

import psutil
import pytest

from tests.faults.faulty_zoo import LONG, faulty, keeping
from tests.faults.table import fault
from tests.peers import oracle

CLIENTS = 50 if LONG else 15
GROWTH = 64 << 20
"""Bytes that zoosup may hold more of: some buffers for each client, nothing like what they do not read."""

HEAD = "GET {} HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n"


@pytest.fixture(scope="module")
def house(tmp_path_factory):
    with keeping(tmp_path_factory.mktemp("clients"), {"chatter": faulty("chatter")}) as house:
        yield house


@pytest.fixture(autouse=True)
def _neighbour(house):
    yield
    house.unharmed()


def ask(house, stack, path, times):
    """Ask, and go on asking until nobody listens any more; never read."""
    words = HEAD.format(path)
    client = stack.enter_context(socket.socket())
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.connect(("127.0.0.1", house.port))
    client.settimeout(0.01)
    try:
        for _ in range(times):
            client.sendall(words.encode())
    except OSError:
        pass  # it has stopped listening, as it should
    return client


def held(house):
    return psutil.Process(house.pid).memory_info().rss


def descriptors(house):
    return psutil.Process(house.pid).num_fds()


@fault(
    "clients that never read", "holds back what they don't read, answers everybody else, lets them go", 18, 20
)
def test_clients_that_never_read_cost_nobody_else_and_leave_nothing(house):
    before, open_before = held(house), descriptors(house)
    house.start("chatter")
    with ExitStack() as stack:
        for i in range(CLIENTS):
            # Behind a stream whose end nobody reads, further questions hide that the client has hung up.
            ask(house, stack, ("/events", "/logs/chatter?follow=1")[i % 2], 200 if LONG else 1)
            ask(house, stack, ("/status", "/metrics")[i % 2], 2000)
        for _ in range(20):
            assert "ready" == house.zoo.model("steady")["phase"]
        house.stop("chatter")
        assert [] == house.living("chatter")
        assert held(house) - before < GROWTH
    oracle.wait(lambda: descriptors(house) <= open_before + 2, "their descriptors to be closed")


@fault("clients that never finish asking", "answers everybody else, lets them go", 18, 20)
def test_clients_that_never_finish_asking_cost_nobody_else(house):
    open_before = descriptors(house)
    with ExitStack() as stack:
        for _ in range(CLIENTS):
            client = stack.enter_context(socket.create_connection(("127.0.0.1", house.port)))
            client.sendall(b"GET /status HTTP/1.1\r\nHost: local")
        for _ in range(20):
            assert "ready" == house.zoo.model("steady")["phase"]
    oracle.wait(lambda: descriptors(house) <= open_before + 2, "their descriptors to be closed")
