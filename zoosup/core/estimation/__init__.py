"""How much memory a model needs, pool by pool, and where each figure is from.

`need` is asked, and takes the first that has an answer: what the file declares, what is learned, what follows from the
weights, a guess. On the way down:

    servers          which of the words are a known server's, in a container or not, and what they say
    hub_files        of weights that are named by the hub's names: which files are meant
    kv_cache         what llama.cpp keeps of a context
    derived          the terms in RAM, from headers and words; `gpu_offload`: those on GPUs
    llama_fit        the question to llama-fit-params, and the terms by its answer
    learned          what runs have shown, and how it moves an estimate
    context_length   how long a conversation may be: the same knowledge, for clients

Refuses to know files (it is handed their headers), hosts (which GPU is booked stands in `memory`) and other models.
"""
