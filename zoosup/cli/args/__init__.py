"""What can be typed: every command, its options and its help, and which function carries it out.

    tree        the parser, with all commands; parser: one line for what is wrong, with a guess
    files       run, init, check, plan, fetch, import, schema, unit: what is done with a file
    looking     status, top, logs, events, wait, estimate, doctor
    changing    use, start and its like, hold, reload, sessions
    shared      what several commands take; values: counts, sizes and times as they are typed
    completion  what a shell completes an argument with
    manual      the manual page, out of the parser

Knows words only: imports next to nothing of zoosup, so that `--version` and `--help` cost nothing.
"""
