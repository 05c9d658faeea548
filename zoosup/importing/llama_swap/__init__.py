"""llama-swap's files: what each key means there, and what says the same in zoo.yaml.

    macros     texts that stand in others, by name
    entry      one entry of models while it is read: texts, and what is said of them
    command    cmd and proxy: the words that start a model, and where its port stands in them
    requests   names and parameters
    model      one model: these, its environment, memory, probe and times
    stopping   cmdStop and what becomes of it
    whole      the file, or several: what all models share, groups, hooks, keys

By llama-swap's own config.example.yaml. Refuses to know how a draft is written down.
"""
