"""Ollama's API in front of servers that speak OpenAI's: what its clients send, and what they are told.

`api` says which endpoint is whose. A request that a model answers is read by `requests`, with the help of `messages`
(conversations, pictures, calls of tools), `parameters` (options, format, thinking), `keep_alive` and `fields`.
`exchange` takes it to the model's server as every request goes, and hands what comes back to `answers` (texts, by
`events` where they stream) or `vectors` (embeddings). `documents` has what the gateway tells of its models.
All but `exchange` is pure. The room refuses to know keys, queues and which model a name means.
"""
