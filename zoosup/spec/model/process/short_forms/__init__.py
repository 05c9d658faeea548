"""Known servers by what people want of them, instead of by their command lines.

    base       what every short form is: words, ready probe, task, time to end, environment
    kinds      the kinds of value that only short forms have: weights, LoRA adapters, layers, shares
    llama      llama.cpp's server
    vllm       vLLM and SGLang
    mlx        mlx_lm.server, and mlx-openai-server for images
    audio      whisper.cpp's server
    images     stable-diffusion.cpp's server
    chosen     which keys of a model say what serves, and what the one that was chosen fills in

All of it is by the servers' own documentation, which each file names.
A form expands purely to words, with `${PORT}` left for the spawn, and names of weights (`hf://`, `ollama://`) left for
the look at this host's caches that comes before it. Refuses to know the other fields of a model, and where weights are.
"""
