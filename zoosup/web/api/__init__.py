"""The status server and the control socket: aiohttp routes over the newest snapshot, the journal and the logs.

    server       both sites: begun, moved, closed; too many connections are turned away
    guard        who may ask over TCP: Host, Origin, token
    status       the routes that read
    control      the routes that change something
    hold_body    what a request for room asks for
    hosts        all hosts of the fleet: known, drained
    fleet        what the link fetches for other hosts, and brings from them: on the control socket alone
    health       ready or not, and what is missing
    metrics      the snapshot as Prometheus metrics
    feeds        events and log lines as bytes, from the past on
    followers    those who are sent a feed: bounded in number and patience
    errors       whatever went wrong, as JSON with a status

Waits for no model and decides nothing; never knows the gateway.
"""
