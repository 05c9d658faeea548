"""What the runtime asks of the host, as Protocols a handful of methods wide; begin here.

    host       of the host as a whole: its runs, memory, weights, records and logs
    launch     what is started for a run: a process, or a container
    probes     how a server is: is it ready, does it live
    sessions   saved slots of llama-servers

Knows no adapter: the composition root hands the runtime objects of these shapes.
"""
