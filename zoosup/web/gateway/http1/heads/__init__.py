"""Heads of HTTP/1.1, from both sides.

    request_head    reads a client's; request_id names the request
    head_pattern    what in it changes from request to request; head_cache knows again what was admitted before
    upstream_head   writes it anew for a model's server
    response_head   what of an answer's head passes on

Refuses to know bodies and connections.
"""
