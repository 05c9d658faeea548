"""The gateway: one address for all models, OpenAI's API and Anthropic's, bodies and streams byte for byte.

`server` puts it together and `reload` keeps it as zoo.yaml says. A request comes in over `http1.server_connection`,
goes to `routing.router`, which admits it, finds its model and hands it to `proxy.exchange`. That one asks the runtime
for a lease, waits, sends the request over `http1.client_connection`, and passes the answer back as it comes.

`context` is what all connections share, handed down frozen: `limits`, `metrics`, `connections`, the rules in force.
`route` and `errors` are data that all speak in. Imports run downwards: server, routing, proxy, http1.
Refuses to know memory, processes and why a model is started or stopped.
"""
