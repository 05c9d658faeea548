"""The parts of zoo.yaml as frozen data: at each field its kind, its default, and what an edit of it costs.

    zoo            the whole; model: one model
    lifetime       how a process lives: probes, stop, restart, sleep
    memory         how memory is shared: budget, switch, need
    gateway        the two HTTP servers
    base           what every part is: frozen, strict, with a change class at each field
    values         the kinds of value, as annotated types: reader, way back to text, schema
    readers        how each kind is read; quantities: numbers, sizes, durations

Knows neither YAML nor places in a file.
"""
