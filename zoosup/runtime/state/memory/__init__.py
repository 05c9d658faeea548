"""The memory of the host, and who has held how much of it.

    pools           readings, cool-downs, pressure
    rises           what has come free since anybody looked who holds what
    holds           room that people hold for what is no model
    usage_history   what runs have held, by fingerprint, for the estimates of the next ones

Refuses to know what fits: `core.memory` says.
"""
