"""HTTP/1.1 on both sides, on llhttp and asyncio's protocols, without a task for each request.

Clients: `server_connection` is one connection, `request_reader` cuts requests out of its bytes, `request_head` reads a
head, `request_id` names a request, `chunked` and `multipart` take bodies apart. `head_pattern` and `head_cache` know
again what was admitted before.
Servers: `client_connection` is one connection to a model's server, `pool` keeps them, `upstream_head` writes heads for
them, `response_head` says what of an answer's head passes on, `response` writes the gateway's own answers.
`socket_options` is what the kernel is asked.
`handlers` are the protocols by which both speak to whoever works with them.
Refuses to know models, keys, and what a request is for.
"""
