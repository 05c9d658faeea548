"""Model processes as runs: started, watched, found again after a restart, measured and ended as whole trees.

    processes        the adapter: which run has which leader, from its spawn until nobody of it is left
    spawn            a program in a session of its own, by posix_spawn or a fork; leader says who that process is
    exit_watcher     says at once that a leader has ended; wait_status says how
    table            all processes of the host, and who of them belongs to which run
    stop             the way down, until nobody of a run is left
    helper           a process beside zoosup that is no model, known again by its mark
    orphans          as pid 1 of a container: collects what nobody waits for
    adoption         which runs of an earlier zoosup live; log_writers finds those that hide

Refuses to know why a run starts or ends, and to signal anybody whose identity it has not just verified.
"""
