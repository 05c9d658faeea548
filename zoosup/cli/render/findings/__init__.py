"""What `doctor` says of the host, as findings: which of it is well, and what to mend.

    finding   one of them
    memory    of the host's memory and GPUs
    caches    of weights
    engines   of container engines

`memory`, `caches` and `engines` look at the host themselves: what they say is so without a supervisor.
"""
