"""Command lines of known servers: which words say how much memory a model takes.

    command_line     which of the words are a known server's, and what they say, as a `server.Server`
    server_words     how each known server is called and told; server_options: tables of their options
    server           one server as its words describe it, whichever it is
    located          weights that are named by where they come from: their paths in place of the names
    containers       which words run in a container, and where its paths lie on this host

Refuses to know how much memory that is.
"""
