"""One host, seen by adapters: its processes, memory, files and ports, each as the runtime asks for it.

    ports                what the runtime asks, as Protocols; begin here
    process              process trees: spawn, watch, find again, end
    container            one container engine, Docker's or Podman's: make, start, signal, remove, logs, images
    runs                 a run as a whole, of both: the only room that knows others
    memory               what is free, of RAM and of each GPU
    preflight  weights   what a start needs; what weight files say, and reading them ahead
    fetching             weights from the hub; an image or weights that a start needs brought first
    sessions             saved slots of llama-servers
    probes               is a server ready, does it live, who has its port
    storage    config    what outlives zoosup; zoo.yaml and its changes
    system               what all rooms stand on: the init system, threads that may hang, programs run for an answer

The rooms know nothing of each other: the composition root hands one what it needs of another. None knows the runtime
or decides anything: they say what is so and do what they are told.
"""
