"""What is done with a file, from its first line to a service: the commands of `args.files`.

    init  importing   a file, from a look at this host or from another program's
    measuring         each model of an import run alone, for what it holds
    check  schema     the file by itself; what `check` does to read one, others do too
    plan              what would happen if this were the file
    fetch             the weights that it names, into the hub's cache
    run               supervise (all of zoosup is loaded for this one alone)
    unit              the text of a service for systemd or launchd

None needs a supervisor that runs; `plan` asks one where there is one.
"""
