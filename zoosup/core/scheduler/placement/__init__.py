"""Who comes, and where.

    place        each of the wanted in order of priority
    hold_room    room for what is no model: placed among them, and kept until it is given back
    candidates   where on a node either goes: the best of all layouts
    fit          where one candidate stands: admitted, waits, refused

Whom to ask to leave for it, `preemption` knows.
"""
