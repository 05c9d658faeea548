"""Whether so much memory is there: arithmetic of one pool at a time.

    budget           what the file allows in a pool, and what is left to the host
    ledger           who holds what in a pool, and the two sums by which one more is admitted: (B) and (M)
    unified          GPUs that have no memory of their own: what stands in their pools stands in RAM as well
    gpu_layouts      which GPUs a model may have, and how much it would hold on each
    gpu_env          the environment variables by which a process is shown its GPUs, make by make
    other_gpus       what a run holds on GPUs that it was not given
    sleep_footprint  what a model holds asleep, and what it needs to wake
    reclaim          when the memory of a stopped model counts as back

Refuses to know who is wanted, who may leave and in which order anybody comes: that is the scheduler's.
"""
