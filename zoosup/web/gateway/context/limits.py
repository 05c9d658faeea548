"""What clients of the gateway may take at most, and how patient it is with them.

Knows numbers alone; who is measured against them stands in `client` and `pool`.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """Counts, bytes and seconds. The clock for these times moves once in `tick`: they are late by up to that."""

    connections: int = 4096
    head: int = 64 * 1024
    headers: int = 100
    in_line: int = 256 * 1024  # a longer body is read for its model's name in a thread
    tick: float = 0.5
    arrival: float = 15.0  # of a request's head, from its first byte
    silence: float = 60.0  # within a request's body
    idle: float = 75.0  # a kept-alive connection without a request
    tunnel: float = 3600.0  # a tunnel in which neither side says anything
    stall: float = 300.0  # a client that takes nothing of its answer
    linger: float = 2.0  # without a byte of a refused client, which is heard out so that it gets to read why
    farewell: float = 10.0  # what a client may take to fetch the end of its answer
    connect: float = 10.0  # a connection to a model
    hop: float = 2.0  # one to the gateway of another host: there is a next
    sign_of_life: float = 5.0  # what the gateway of a host that was given up may take to say anything
    kept: float = 4.0  # an unused connection to a model: uvicorn and cpp-httplib close theirs after 5
    quiet: float = 2.0  # a streaming client's wait before it is told that the model is loading
    quiet_at_most: float = 10.0  # the same, of a model that usually takes long
    comment: float = 5.0  # between two words of that
