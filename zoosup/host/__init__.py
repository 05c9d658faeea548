"""One host, seen by adapters: its processes, memory, files and ports, each as the runtime asks for it.

    ports                what the runtime asks, as Protocols; begin here
    process              runs as whole trees: spawn, watch, find again, end
    memory               what is free, of RAM and of each GPU
    preflight  weights   what a start needs; what weight files say, and reading them ahead
    probes               is a server ready, does it live, who has its port
    storage    config    what outlives zoosup; zoo.yaml and its changes
    system               the init system, the C library's heap
    programs   threads   what several rooms need: a program run for its answer, threads that may hang,
    shortage             what zoosup itself may be short of

The rooms know nothing of each other: the composition root hands one what it needs of another. None knows the runtime
or decides anything: they say what is so and do what they are told.
"""
