"""The words by which a person starts a container: docker, podman or nerdctl, told to run.

    options     which options of theirs take a value, and which are flags
    scan        options read off a list of words, as the clients' own parser does
    client      which client the words call, behind env, sudo or nice, and what it is told to do
    values      volumes and published ports
    refusal     why a client can't be supervised, however its words are meant
    run         `run` taken apart: options, image, arguments; and the same words with a few added

Pure, and of text alone: words may still be templates. Refuses to know zoo.yaml, and what an engine makes of the words.
"""
