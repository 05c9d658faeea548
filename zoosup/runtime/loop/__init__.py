"""The single writer: one task that owns the state, so that no lock is needed.

    reconciler    the loop: wait, take messages in, read memory, plan, act, publish
    intake        what each message means for the state
    executor      what each action means: first booked as a fact, then begun
    side_work     what goes on beside the turns: probes, looks at loads, weights read ahead
    measure_pace  when to ask what the models hold
    faults        bugs of our own that met one model: told, and kept from the turns of the others

Level-triggered: a message that is lost costs latency and nothing else. Refuses to decide, and to wait in the middle of
a pass.
"""
