"""Weights from the Hugging Face hub into its cache; the one place that reaches for the internet.

    hub          what the hub is asked, by huggingface_hub, and its refusals in plain words
    order        which files a name comes to, how many bytes are still to come, and whether the disk has room for them
    transfer     one file: taken up where it broke off, held against its checksum, and only then seen by anybody

    background   `zoosup fetch` as a child, for a model whose start waits for it
    errands      one try at a time for what a start needs brought, an image or weights

All else blocks, and is called by `zoosup fetch`, a process of its own. Refuses to know models, and caches that are
not the hub's.
"""
