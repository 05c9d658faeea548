"""Carrying actions out on the host, each as a task whose answer comes back as a fact.

    runs              start, drain, put to sleep, wake, stop, kill, measure
    looks             what a start needs is looked at, one look a model and command
    spawning          record, log and process of a run that was booked
    output            the log of each run, and those that have none
    tasks             those under way, kept from each other's faults
    probes            readiness and liveness of live runs, one task each
    prewarm           the next model's weights, read while it waits for room
    child_env         the environment of a run's processes, and the mark by which they are known
    exit_diagnosis    what a run died of, as far as the host can tell

At most one operation a run. Refuses to know a policy: what to do, and when, was decided before.
"""
