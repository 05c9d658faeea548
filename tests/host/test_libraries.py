"""What was mapped of libraries to begin is no longer ours, and all of it still works; in a process of its own."""

import ctypes
import subprocess
import sys

import pytest

LEAST = 5
"""MiB of the 15 that go on Linux with glibc."""

BEGIN = """
import sqlite3, ssl
import zoosup.supervisor
from zoosup.host import libraries
from zoosup.spec.parse import decode, parse

def resident():
    found = {}
    for line in open("/proc/self/smaps_rollup"):
        name, _, rest = line.partition(":")
        found[name] = rest.split()[0]
    return int(found["Rss"]) - int(found["Anonymous"]), int(found["Anonymous"])

"""

MEASURED = """
resident()
before = resident()
libraries.let_go()
after = resident()
print((before[0] - after[0]) / 1024, (before[1] - after[1]) / 1024)
"""

USED = """
libraries.let_go()
assert sqlite3.connect(":memory:").execute("select 6 * 7").fetchone() == (42,)
assert ssl.create_default_context().protocol == ssl.PROTOCOL_TLS_CLIENT
print(parse(decode(b"active: []\\nmodels: {}", path="zoo.yaml"), path="zoo.yaml", environ={}).active)
"""

has_program_headers = pytest.mark.skipif(
    not (sys.platform == "linux" and hasattr(ctypes.CDLL(None), "dl_iterate_phdr")),
    reason="neither ELF nor smaps",
)


def said(code):
    ended = subprocess.run([sys.executable, "-c", BEGIN + code], capture_output=True, text=True, check=True)
    return ended.stdout


@has_program_headers
def test_what_was_mapped_to_begin_is_let_go_and_what_was_written_stays():
    file, anonymous = map(float, said(MEASURED).split())
    assert file > LEAST
    assert abs(anonymous) < 1


def test_everything_works_afterwards():
    assert said(USED) == "()\n"
