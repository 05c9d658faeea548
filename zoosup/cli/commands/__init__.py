"""One file for each command of `zoosup`: asks, prints, and returns the exit code. Grouped as `args` groups them.

    files      what is done with a file: init, importing, check, plan, fetch, run, schema, unit
    looking    status, top, events, logs, wait, estimate, doctor
    changing   control (start, stop, restart, reload), use, hold, fleet (drain, undrain), sessions
    link       the process that speaks with a fleet; zoosup starts it for itself
    names      the names of models, for the completion of command lines

Commands know no supervisor but through `client`; where none runs, plan and estimate ask `supervisor.offline`.
"""
