"""zoosup as its own command starts it, with an ear to its chest: says how many tasks and objects there are when asked.

    instrumented_zoosup.py PLACE ARGUMENT…

Asked by a file PLACE/ask, it answers with PLACE/answer. A thread of the soak's, in the process of the soak's zoosup;
nothing of it is in production.
"""

import asyncio
import ctypes
import gc
import json
import sys
import threading
import time
from collections import Counter
from pathlib import Path

from zoosup.cli.main import main
from zoosup.host.system import threads

MOST_KINDS = 80


class Mallinfo2(ctypes.Structure):
    """glibc's struct mallinfo2."""

    _fields_ = [(name, ctypes.c_size_t) for name in (
        "arena", "ordblks", "smblks", "hblks", "hblkhd", "usmblks", "fsmblks", "uordblks", "fordblks", "keepcost",
    )]  # fmt: skip


def allocated() -> int | None:
    """Bytes that malloc has given out and not got back, fragments left aside; None where there is no glibc 2.33."""
    try:
        mallinfo2 = ctypes.CDLL(None).mallinfo2
    except AttributeError:
        return None
    mallinfo2.restype = Mallinfo2
    info = mallinfo2()
    return info.uordblks + info.hblkhd


def listen(place: Path) -> None:
    while True:
        time.sleep(0.05)
        if (place / "ask").exists():
            (place / "ask").unlink()
            answer(place)


def answer(place: Path) -> None:
    gc.collect()
    objects = gc.get_objects()
    loops = [each for each in objects if isinstance(each, asyncio.AbstractEventLoop)]
    kinds = Counter(f"{type(each).__module__}.{type(each).__qualname__}" for each in objects)
    said = {
        "tasks": sum(len(asyncio.all_tasks(loop)) for loop in loops),
        "objects": len(objects),
        "allocated": allocated(),
        "kinds": dict(kinds.most_common(MOST_KINDS)),
    }
    draft = place / "answer.new"
    draft.write_text(json.dumps(said))
    draft.replace(place / "answer")


threads.SPARE = 0.2  # what a burst has needed is gone before the next look, so that one thread more is a leak
threading.Thread(target=listen, args=(Path(sys.argv[1]),), daemon=True).start()
sys.exit(main(sys.argv[2:]))
