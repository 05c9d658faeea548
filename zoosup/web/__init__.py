"""The HTTP faces: the gateway for clients of models, and the status server for people and programs.

    gateway    the address of all models: routes a request to a run that serves it
    api        status, events, logs, metrics, and commands on the control socket
    dashboard  the page at `/` of the status server
    hosts      by which names a server may be called
    sockets    listening sockets, moved when zoo.yaml says so
    wire       queries and answers as data

The two faces know nothing of each other. All that they may ask stands in `runtime.api`.
"""
