"""One host's models kept as zoo.yaml says: facts come in, a plan is made, what it says is booked and done.

    api             what gateway and status server may ask; begin here, with `loop`
    loop            the single writer: inbox, plan, actions, snapshot, again
    commands        what people ask by hand: start, stop, restart, reload, plan, estimate
    startup         the file in force and the runs of the zoosup before, ahead of the first pass
    operations      carrying actions out: spawn, drain, stop, probe, look
    fleet           several hosts: what this one says of itself, and what it is told
    leasing         who may send requests to which run, and who waits
    persistence     what a restart has to know: run records, saved state
    publish         what everybody may see: the snapshot, plans and needs as data, a line for the init system
    state           everything the single writer knows, and the messages that reach it
    events  clock   the journal and the newest snapshot; time

Imports run only downwards in this order (a contract in pyproject.toml). Decides nothing: what is to run is `core`'s
answer; how it is done on this host is `host`'s.
"""
