"""Whether so much memory is there: arithmetic of one pool at a time.

    budget           what the file allows in a pool, and what is left to the host
    ledger           who holds what in a pool, and the two sums by which one more is admitted: (B) and (M)
    gpu_layouts      which GPUs a model may have, and how much it would hold on each
    sleep_footprint  what a model holds asleep, and what it needs to wake
    reclaim          when the memory of a stopped model counts as back

Refuses to know who is wanted, who may leave and in which order anybody comes: that is the scheduler's.
"""
