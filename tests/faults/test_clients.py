"""Clients of the status server that ask and never read, or never finish asking: they cost themselves alone."""

import socket
from contextlib import ExitStack

import psutil
import pytest

from tests.faults.faulty_zoo import LONG, faulty, running_zoo
from tests.faults.table import fault
from tests.peers import oracle

CLIENTS = 50 if LONG else 15
GROWTH = 64 << 20
"""Bytes that zoosup may hold more of: some buffers for each client, nothing like what they do not read."""

HEAD = "GET {} HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n"


@pytest.fixture(scope="module")
def zoo(tmp_path_factory):
    with running_zoo(tmp_path_factory.mktemp("clients"), {"chatter": faulty("chatter")}) as zoo:
        yield zoo


@pytest.fixture(autouse=True)
def _neighbour(zoo):
    yield
    zoo.unharmed()


def ask(zoo, stack, path, times):
    """Ask, and go on asking until nobody listens any more; never read."""
    words = HEAD.format(path)
    client = stack.enter_context(socket.socket())
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.connect(("127.0.0.1", zoo.port))
    client.settimeout(0.01)
    try:
        for _ in range(times):
            client.sendall(words.encode())
    except OSError:
        pass  # it has stopped listening, as it should
    return client


def held(zoo):
    return psutil.Process(zoo.pid).memory_info().rss


def descriptors(zoo):
    return psutil.Process(zoo.pid).num_fds()


@fault(
    "clients that never read", "holds back what they don't read, answers everybody else, lets them go", 18, 20
)
def test_clients_that_never_read_cost_nobody_else_and_leave_nothing(zoo):
    before, open_before = held(zoo), descriptors(zoo)
    zoo.start("chatter")
    with ExitStack() as stack:
        for i in range(CLIENTS):
            # Behind a stream whose end nobody reads, further questions hide that the client has hung up.
            ask(zoo, stack, ("/events", "/logs/chatter?follow=1")[i % 2], 200 if LONG else 1)
            ask(zoo, stack, ("/status", "/metrics")[i % 2], 2000)
        for _ in range(20):
            assert "ready" == zoo.zoosup.model("steady")["phase"]
        zoo.stop("chatter")
        assert [] == zoo.living("chatter")
        assert held(zoo) - before < GROWTH
    oracle.wait(lambda: descriptors(zoo) <= open_before + 2, "their descriptors to be closed")


@fault("clients that never finish asking", "answers everybody else, lets them go", 18, 20)
def test_clients_that_never_finish_asking_cost_nobody_else(zoo):
    open_before = descriptors(zoo)
    with ExitStack() as stack:
        for _ in range(CLIENTS):
            client = stack.enter_context(socket.create_connection(("127.0.0.1", zoo.port)))
            client.sendall(b"GET /status HTTP/1.1\r\nHost: local")
        for _ in range(20):
            assert "ready" == zoo.zoosup.model("steady")["phase"]
    oracle.wait(lambda: descriptors(zoo) <= open_before + 2, "their descriptors to be closed")
