"""The words in which everything else speaks: frozen data without a rule.

    phases     where a model is in its life, and why; causes of an end; a person's wish
    weights    what is known of weight files; stored_weights: those in caches of this host
    usage      what runs have shown of a model's need
    loads      how far a load is, and how the last one went
    runs       one run, its sleep, its end; back-off; a look at files and port
    pools      one pool of memory, what cools down in it, since when it is short
    holds      room that a person holds for what is no model
    observed   all of it at one moment: what a pass looks at
    facts      what can be learned of a model: what `lifecycle` takes
    actions    what a pass can ask for: what `scheduler` gives
    refusal    why a client is not answered

Refuses to know what may follow what, what fits, and how any of it is stored or shown.
"""
