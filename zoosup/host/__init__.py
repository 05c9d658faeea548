"""One host, seen by adapters: its processes, memory, files and ports, each as the runtime asks for it.

    ports                what the runtime asks, as Protocols; begin here
    launch               what is started for a run, a process or a container
    process              process trees: spawn, watch, find again, end
    container            one container engine, Docker's or Podman's: make, start, signal, remove, logs, images
    runs                 a run as a whole, of both: the only room that knows others
    memory               what is free, of RAM and of each GPU
    preflight  weights   what a start needs; what weight files say, and reading them ahead
    sessions             saved slots of llama-servers; `sessions_port` has what is asked of it
    probes               is a server ready, does it live, who has its port; `probes_port` has what is asked of it
    storage    config    what outlives zoosup; zoo.yaml and its changes
    system               the init system, the C library's heap
    programs   threads   what several rooms need: a program run for its answer, threads that may hang,
    shortage  tls        what zoosup itself may be short of; whose certificates are believed,
    errands              an image or weights that a start needs brought first

The rooms know nothing of each other: the composition root hands one what it needs of another. None knows the runtime
or decides anything: they say what is so and do what they are told.
"""
