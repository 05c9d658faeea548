"""Saved slots of llama-servers.

    sessions      the adapter: saves and restores, within a time, and keeps what came of it
    slot_server   the questions to a server, over HTTP
    folder        the files of one model

Refuses to know when it is time: what is asked of it was decided before.
"""
