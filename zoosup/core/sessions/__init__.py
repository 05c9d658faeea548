"""Conversations of a llama-server that outlive its end: what is saved, where it belongs, whether it was of use.

    words         the words by which a server is told where its files lie; which servers can have any
    fingerprint   what saved keys and values depend on
    slots         what a server says of its slots; which can be saved, and what shows that a restored one was used
    worth         whether saving and restoring is cheaper than computing again
    files         the names of the files; which are restored to which slot, and which go beyond the limit

Refuses to know files and HTTP: both are the host's.
"""
