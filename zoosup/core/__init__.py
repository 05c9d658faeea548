"""The decisions of zoosup as pure functions over data: no clock, no loop, no I/O, no log."""
