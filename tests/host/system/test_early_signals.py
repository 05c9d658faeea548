"""In a process of its own each: what a signal does to a process can't be taken back."""

import signal
import subprocess
import sys

BEGIN = "import os, signal; from zoosup.host.system import early_signals as early; me = os.getpid(); "


def ended(code):
    return subprocess.run([sys.executable, "-c", BEGIN + code], capture_output=True, text=True, check=False)


def test_what_comes_early_is_noted_in_order_once():
    code = """early.note()
for each in early.OURS:
    os.kill(me, each)
print([e.name for e in early.taken()], list(early.taken()))"""
    assert "['SIGTERM', 'SIGINT', 'SIGQUIT', 'SIGHUP', 'SIGUSR2'] []" == ended(code).stdout.strip()


def test_what_is_held_back_is_noted_by_the_program_that_is_executed():
    anew = BEGIN + "early.note(); print([e.name for e in early.taken()])"
    code = f"""early.hold_back()
os.kill(me, signal.SIGTERM)
import sys; os.execv(sys.executable, [sys.executable, "-c", {anew!r}])"""
    assert "['SIGTERM']" == ended(code).stdout.strip()


def test_children_are_ended_by_what_is_noted_here():
    code = """early.note()
import subprocess, sys
child = subprocess.Popen([sys.executable, "-c", "import time; print(flush=True); time.sleep(60)"], stdout=-1)
child.stdout.readline()
child.terminate()
print(child.wait())"""
    assert str(-signal.SIGTERM) == ended(code).stdout.strip()
