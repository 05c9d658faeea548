"""Looking at what there is, and waiting for it: the commands of `args.looking`.

    status  top   what runs, what waits and why: once, or on a screen
    events  logs  what happened; what models wrote
    wait          until models are ready, for scripts
    estimate      what a model needs
    doctor        what is amiss on this host; report: what it writes for a bug report

None of them changes anything.
"""
