"""Asking a model's server how it is, and who has a port.

    prober            the adapter: readiness, liveness and single requests such as `stop.before`
    cadence           when to ask, and which answers are news
    checks            one question over HTTP, by connecting or by a program, and what its answer means
    http_request      the one over HTTP, to a model's server, and the beginning of its answer
    remote            the same question to a server elsewhere, over TLS and with its own key
    port_owner        which process listens on a port: an OK counts only from the model itself
    listen_addresses  where a model's processes listen, where nothing does on its port

Refuses to know what follows from an answer: it starts nothing and ends nothing.
"""
