"""Memory that Python has freed, and the C library keeps: in one place, and given back to the host.

Knows glibc's knobs. There, each thread keeps an arena of its own, and an arena keeps the largest that was ever freed
in it: a dozen threads that had each put a body of 10 MB together held 150 MiB for good. Elsewhere (macOS, musl) large
blocks go back by themselves, and nothing here does anything.
"""

import ctypes

_library = ctypes.CDLL(None)
_M_ARENA_MAX, _M_MMAP_THRESHOLD, _M_TRIM_THRESHOLD = -8, -3, -1  # malloc.h
_ALL_IN_THE_HEAP = 32 << 20  # the most that glibc lets be asked for; what is larger is a mapping of its own
_NEVER = 1 << 30


def use_one_heap() -> None:
    """Have all threads allocate in one place, where one's freed memory serves another; before there are threads.

    They allocate while they hold Python's own lock, so that they rarely meet at the heap's. Nothing goes back but by
    `give_back`: given back after each large body, and had anew for the next, memory cost as much time as the body.
    """
    if hasattr(_library, "mallopt") and hasattr(_library, "malloc_trim"):
        _library.mallopt(_M_ARENA_MAX, 1)
        _library.mallopt(_M_MMAP_THRESHOLD, _ALL_IN_THE_HEAP)
        _library.mallopt(_M_TRIM_THRESHOLD, _NEVER)


def give_back() -> None:
    """Return whole pages that are free: microseconds where there are none, else some 0.1 ms for each MiB.

    Nobody allocates meanwhile.
    """
    if hasattr(_library, "malloc_trim"):
        _library.malloc_trim(ctypes.c_size_t(0))
