"""Pages of programs and libraries: what was read of them to begin is let go.

Importing touches much of a library once, and the kernel maps the neighbours of each page besides: they count as ours,
and a host short of memory takes back other files' pages first, though nobody looks at these again. What is used after
all comes back from the page cache.

Knows ELF's program headers, by glibc's and musl's `dl_iterate_phdr`. Elsewhere (macOS) nothing here does anything.
"""

import ctypes
import mmap
import sys

_library = ctypes.CDLL(None)
_PT_LOAD, _PF_W = 1, 2  # elf.h
_IS_64_BIT = sys.maxsize > 1 << 32  # as the layouts below are


class _Segment(ctypes.Structure):
    """Elf64_Phdr."""

    _fields_ = (
        ("type", ctypes.c_uint32),
        ("flags", ctypes.c_uint32),
        ("offset", ctypes.c_uint64),
        ("address", ctypes.c_uint64),
        ("physical", ctypes.c_uint64),
        ("file_size", ctypes.c_uint64),
        ("size", ctypes.c_uint64),
        ("alignment", ctypes.c_uint64),
    )


class _Object(ctypes.Structure):
    """The beginning of dl_phdr_info."""

    _fields_ = (
        ("base", ctypes.c_uint64),
        ("name", ctypes.c_char_p),
        ("segments", ctypes.POINTER(_Segment)),
        ("count", ctypes.c_uint16),
    )


_Callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(_Object), ctypes.c_size_t, ctypes.c_void_p)


def let_go() -> None:
    """Unmap all pages of code and constants, which are in the files: those in use are back within microseconds.

    Nothing is loaded or unloaded meanwhile. What was or could be written (data, relocations) is left alone.
    """
    if not (_IS_64_BIT and hasattr(_library, "dl_iterate_phdr") and hasattr(mmap, "MADV_DONTNEED")):
        return
    page = mmap.PAGESIZE

    def each(found: "ctypes._Pointer[_Object]", _size: int, _data: object) -> int:
        it = found.contents
        for segment in it.segments[: it.count]:
            if segment.type == _PT_LOAD and not segment.flags & _PF_W:
                begin = (it.base + segment.address) // page * page
                end = -(-(it.base + segment.address + segment.file_size) // page) * page
                _library.madvise(ctypes.c_void_p(begin), ctypes.c_size_t(end - begin), mmap.MADV_DONTNEED)
        return 0

    _library.dl_iterate_phdr(_Callback(each), None)
