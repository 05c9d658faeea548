"""How one fact changes one model.

    transitions   the one place where a phase changes: a table of facts, and what each leaves true
    exits         how a run ended, and what crashes add up to: another start, or giving up
    backoff       how long a crashed model waits
    load_progress   how far a load is, by what was seen of it
    sleep         what is booked for a run on its way to sleep, asleep, and on its way back

Refuses to know other models, the file's wishes and what should happen next: a fact is what has happened.
"""
