"""How much memory there is, and how much of it is free: RAM and the memory of each GPU, as pools.

    gauge        the adapter: all pools in one reading, cheap enough for every pass
    ram          the kernel's word and the cgroups' (cgroup); psi: how much of the time everybody waits for memory
    gpu_gauge    a thread of its own asks nvml, which may hang; everybody else reads its last answer (gpu_types)

Reads only. Refuses to know what is promised to whom, or how much a model needs.
"""
