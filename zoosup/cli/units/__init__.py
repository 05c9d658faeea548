"""The texts of units: how an init system keeps zoosup running and lets its models live.

    service   what a unit is made for, and the PATH that its models get
    systemd   a .service, and the .socket that listens in its place while it restarts
    launchd   a property list
    texts     every setting, and the trap for which it is there

Knows what each init system does to a service that dies, is stopped or runs out of memory. Installs nothing.
"""
