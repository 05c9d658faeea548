"""One file for each command of `zoosup`: asks, prints, and returns the exit code.

    run                               supervise (all of zoosup is loaded for this one alone)
    check  schema                     the file by itself
    plan  estimate  doctor            what would happen, what a model needs, what is amiss on this host
    status  events  logs  wait        looking; `wait` for scripts
    control  use                      start, stop, restart, reload; `active` rewritten in the file
    unit (unit_texts)                 the text of a service for systemd or launchd

Commands know no supervisor but through `client`; where none runs, plan and estimate ask `supervisor.offline`.
"""
