"""Which host runs which model that is active: by priority, by room, and moving as few as can be.

    assign    the one function, and what is said of those that find no place
    keep      first: whoever runs stays
    push      last: how room is made for one that finds none
    placing   what is placed where meanwhile, and where one more stands best
    hosts     which hosts come into question for a model
    room      whether one has room for it

Knows the words of the fleet; refuses to know time, and how anybody is told.
"""
