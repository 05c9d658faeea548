"""What serves a model here, and how it lives.

    short_forms   known servers by what people want of them
    container     a server in a container: image, words, what it may see
    lifetime      how a process lives: probes, stop, restart, sleep
    calls         HTTP requests that it is sent, with what is in them

Refuses to know what clients are told of a model.
"""
