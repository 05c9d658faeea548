"""The language of zoo.yaml, below any meaning.

    document     YAML text as a tree of nodes that know their place
    problems     what is wrong, where, and what was expected
    templates    `${...}` in strings
    units        sizes and durations
    mistakes     a YAML parser's complaints in words for people
    words        a command line split as a shell would
    addresses    HOST:PORT, and IPv6 in brackets

Refuses to know a single key of zoo.yaml.
"""
