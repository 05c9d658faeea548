"""Programs that are run for what they answer, never as models: bounded in time, with nothing left of them.

    session        has it ended; the end of its whole session
    bounded_run    runs one for what it prints, bounded in time and output; blocks

Refuses to know what is asked of whom.
"""
