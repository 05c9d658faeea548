"""Who leaves for somebody else.

    preempt        who may leave for it
    min_cost       whom of them
    put_to_sleep   for whom sleep is enough
    make_room      those told to leave, and whose clients queue

Refuses to know where whoever comes will stand.
"""
