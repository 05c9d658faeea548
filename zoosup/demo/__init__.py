"""A demonstration model server, `python -m zoosup.demo`: speaks model APIs, holds memory, understands nothing.

It says so in every answer. The rest of zoosup knows it only as a command in a zoo.yaml; examples and tests start it
where a real model would be too large. In the order in which things happen:

`__main__` reads the options, forks the workers and imports the rest as lightly as it can.
`server` is the process's life: load, listen, fall ill or crash on request, sleep, leave gracefully; who may be
answered in which phase; errors in OpenAI's shape. `memory` is what it holds, page by page.
`routes` says which answer belongs to which path and sends it whole or word by word; `echo` is the WebSocket.
`generation` makes the words, which `openai`, `responses`, `anthropic` and `llama_cpp` put into the shapes of their
APIs; `media` makes pictures and sound. HTTP is aiohttp's. The room refuses to know zoosup, but for its units.
"""
