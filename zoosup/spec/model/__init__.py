"""The parts of zoo.yaml as frozen data: at each field its kind, its default, and what an edit of it costs.

    zoo            the whole; model: one model
    external       the same of a server elsewhere; requests: what both say of names, parameters and headers
    container      a server in a container: image, words, what it may see
    weight_names   weights by where they come from: hf://, ollama://
    served         every name that clients may use, and what it means
    lifetime       how a process lives: probes, stop, restart, sleep
    calls          HTTP requests that a model is sent, with what is in them
    memory         how memory is shared: budget, switch, need
    fleet          several hosts: where they meet, what each is, where a model may run
    spans          a model over several hosts at once: how many, what runs on those but the first
    gateway        the two HTTP servers; api_keys: who may call, and which models
    base           what every part is: frozen, strict, with a change class at each field
    values         the kinds of value, as annotated types: reader, way back to text, schema
    readers        how each kind is read; quantities: numbers, sizes, durations; http_readers: addresses, headers

Knows neither YAML nor places in a file.
"""
