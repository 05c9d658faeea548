"""What all connections of one gateway share, handed down frozen.

    context       all of it, with the rules in force
    limits        how much a client may send, and how long it may take
    connections   who is there

Refuses to know how a request is read, sent or answered.
"""
