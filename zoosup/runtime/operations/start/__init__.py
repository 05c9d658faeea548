"""What a start is made of.

    looks       what it needs is looked at, one look a model and command
    spawning    record, log and process of a run that was booked
    output      the log of each run, and those that have none
    child_env   the environment of a run's processes, and the mark by which they are known

Refuses to know when to start what.
"""
