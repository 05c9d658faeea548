"""What the faces of zoosup (HTTP, control socket) may ask of the runtime.

    runtime_api   all that a face is handed; begin here
    commands      writes and questions for the single writer
    leasing       leases and places in the queue, and who holds them
    listing       which models clients may ask for, and what they may know of each
    upstream      what a server is sent besides a client's request
    routing       of several hosts, which answers
    gateway       what the gateway has counted, and where it listens
    fleet         this host as one of a fleet

Everything here is read from the last published snapshot or handed to the single writer as a fact; nothing waits
for a model.
"""
