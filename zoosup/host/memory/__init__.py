"""How much memory there is, and how much of it is free: RAM and the memory of each GPU, as pools.

    gauge        the adapter: all pools in one reading, cheap enough for every pass
    ram          the kernel's word and the cgroups' (cgroup); psi: how much of the time everybody waits for memory
    gpus         whom to ask of GPUs on this platform: nvml, drm (AMD's and Intel's, by the kernel), apple
    gpu_gauge    a thread of its own asks one of them, which may hang; others read its last answer (gpu_types)

Reads only. Refuses to know what is promised to whom, or how much a model needs.
"""
