"""The gateway: one address for all models. OpenAI's API and Anthropic's pass byte for byte; Ollama's is translated.

`server` puts it together and `reload` keeps it as zoo.yaml says. A request comes in over `http1.server_connection`,
goes to `routing.router`, which admits it, finds its model and hands it to `proxy.exchange`. That one asks the runtime
for a lease, waits, sends the request over `http1.client_connection`, and passes the answer back as it comes.
`telemetry` is what is noted of it: a line in the access log, spans, counts, tokens. `ollama` puts requests of that API
into OpenAI's words, and the answers back; they go the same way. `hop` is what gateways of several hosts say to each
other in the heads of requests that they pass on.

`context` is what all connections share, handed down frozen: limits, who is there, the rules in force.
`route`, `caller` and `errors` are data that all speak in. Imports run downwards: server, routing, ollama, proxy, http1.
Refuses to know memory, processes and why a model is started or stopped.
"""
