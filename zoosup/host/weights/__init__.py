"""Weight files: what their headers say, and their pages read ahead.

    caches         the caches that people have, looked through in order for weights named by their origin
    hub_cache, llama_cache, lm_studio, ollama    one cache's layout each; `listing`: what it has of one repository
    reader         one file, a split GGUF or a directory of safetensors, as facts; each set read once
    gguf           the header of a GGUF file
    safetensors    the header of a safetensors file, and the index of a split one
    inventory       what weights lie in the caches that people have
    page_cache     reads a model's weights into the page cache before it starts

Files are anybody's, so that every read is bounded, and a bad file is an answer and no error. Refuses to know what
follows for a model's need of memory.
"""
