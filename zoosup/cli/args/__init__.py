"""What can be typed: every command, its options and its help, and which function carries it out.

    tree       the parser, with all commands
    files      run, init, check, plan, fetch, import, schema, unit: what is done with a file
    looking    status, top, logs, events, wait, estimate, doctor
    changing   use, start and its like, hold, reload, sessions
    shared     what several commands take

Knows words only: imports no other part of zoosup but its parser, so that `--version` and `--help` cost nothing.
"""
