"""HTTP/1.1 on both sides, on llhttp and asyncio's protocols, without a task for each request.

Clients: `server_connection` is one connection, `request_reader` cuts requests out of its bytes, `chunked` and
`multipart` take bodies apart, `response` writes the gateway's own answers.
Servers: `client_connection` is one connection to a model's server, `pool` keeps them.
`heads` reads, names, caches and writes the heads of both sides.
`socket_options` is what the kernel is asked.
`handlers` are the protocols by which both speak to whoever works with them.
Refuses to know models, keys, and what a request is for.
"""
