"""Containers of one engine, Docker's or Podman's (rootless too): made, started, found by label, ended, read.

    engine            what the runtime asks of an engine, the shapes it gets, and the two ways it can fail; begin here
    discovery         which sockets may be an engine's, from the environment
    api_engine        over the engine's API, for `container:`; with pulls, statistics and logs
    api_connection    one connection to that API: its time limits, its errors in our words
    create_body       a container's configuration as the API takes it
    inspection        what an engine says of a container, as a ContainerState
    image_pull        a pull's progress, summed over layers, and the registry's credentials
    log_stream        the engine's log framing taken apart into pieces with their times
    log_copier        copies a container's output on into a file, taken up again where it ended
    log_position      where a copy ended: what is kept of it, and how to go on from there
    client_engine     over the engine's own client, for `command: docker run …` and podman's

Refuses to know why a container starts or ends, and to touch one that it was not given by id. aiodocker is imported
when an engine is first used: a host without containers pays nothing for it.
"""
