"""The way down of a run, until nobody of it is left.

    termination    stop command, signals, wait until nobody is left, SIGKILL, look twice
    stop_command   the first step, where there is one
    signals        to nobody whose identity was not just verified
    grace          when SIGKILL is due, for processes and containers alike

Refuses to know why a run ends.
"""
