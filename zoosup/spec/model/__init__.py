"""The parts of zoo.yaml as frozen data: at each field its kind, its default, and what an edit of it costs.

    zoo        the whole; model: one model
    process    what serves a model, and how it lives
    external   a model of a server elsewhere; requests: what both say of names, parameters and headers
    served     every name that clients may use, and what it means
    memory     how memory is shared: budget, switch, need
    fleet      several hosts: where they meet, what each is, where a model may run
    gateway    the two HTTP servers; api_keys: who may call, and which models
    base       what every part is: frozen, strict, with a change class at each field
    values     the kinds of value, and how each is read

Knows neither YAML nor places in a file.
"""
