"""The composition root: puts all parts of zoosup together, starts them in order, and ends them in order.

    run          the process: log, descriptors, lock, event loop; executed anew where SIGUSR2 asks for it
    main_loop    one supervisor's life as a table of contents: start-up, the reconciler, shutdown
    startup      the file in force, the runs of the zoosup before, the listeners
    file_wait    the time before a first good file, where zoosup was told to wait for one
    background   what goes on beside the reconciler: watches, housekeeping
    fleet_tasks  what goes on beside of a fleet; fleet_children are its two processes
    shutdown     the last answers, and the exit code
    signals      SIGTERM, SIGINT, SIGQUIT, SIGHUP, SIGUSR2 as messages
    assembly     the parts, each handed what it needs, none of them begun
    adapters     the host's: memory, processes, files; opened and closed together
    settings     what this host says of the supervisor itself: options, environment, and which goes before which
    offline      what `zoosup plan` and `estimate` ask where no supervisor runs

Knows every part by name and refuses to know a policy: what is to run, and when, is decided in `core`.
"""
