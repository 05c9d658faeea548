"""zoosup: a declarative supervisor for the model servers of one host.

    cli           what people type
    supervisor    the composition root: puts all parts together, starts and ends them; this host's own settings
    web           the faces: the gateway for clients of models, the status server
    runtime       the single writer: facts in, plan, actions, snapshot
    host          this host by adapters: processes, memory, files, ports
    core          pure decisions: what runs, what fits, who makes room
    spec          zoo.yaml as data
    errors        what any of them may raise, with its exit code
    demo          a server for trying it out, which nothing else knows

Imports run only downwards in this order (contracts in pyproject.toml).
"""

__version__ = "0.1.0"
