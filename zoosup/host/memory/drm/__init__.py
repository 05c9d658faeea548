"""GPUs of AMD and Intel as the kernel tells of them, without a library of their makers.

    source     one look at all of them, for the gauge's thread
    cards      which there are in /sys/class/drm, and what doesn't change about one while it is there
    amdgpu     how much memory one of AMD's has and how much of it is used, and whether that is the host's RAM
    intel      the same of Intel's: its size is known, of its use only what processes tell
    clients    what each process holds of each card, from /proc/PID/fdinfo
    names      what people call them, by their PCI ids

Every figure is read from small files, so that no question wakes a card that sleeps, none needs a privilege but for
other users' processes, and a made tree serves as a card in tests. Refuses to know who is asked how often, and what is
promised to whom.
"""
