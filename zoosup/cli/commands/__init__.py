"""One file for each command of `zoosup`: asks, prints, and returns the exit code.

    run                               supervise (all of zoosup is loaded for this one alone)
    init  importing                   a file, from a look at this host or from another program's
    measuring                         each model of an import run alone, for what it holds
    check  schema                     the file by itself
    plan  estimate  doctor            what would happen, what a model needs, what is amiss on this host
    status  top  events  logs  wait   looking; `wait` for scripts
    control  use                      start, stop, restart, reload; `active` rewritten in the file
    fleet                             drain, undrain, and all hosts for `status --fleet`
    hold                              room for what is no model, and the command that it becomes
    report                            what `doctor` writes for a bug report
    fetch                             weights into the hub's cache
    sessions                          the conversations that are kept
    unit                              the text of a service for systemd or launchd
    link                              the process that speaks with a fleet; zoosup starts it for itself
    names                             the names of models, for the completion of command lines

Commands know no supervisor but through `client`; where none runs, plan and estimate ask `supervisor.offline`.
"""
