"""Which tests should notice a change of a module, the nearest first: its own, its room's, those above.

Found by the folders alone: tests mirror the package. Refuses to run anything.
"""

from pathlib import Path, PurePosixPath

HIGHER = {
    "core": ("tests/core", "tests/runtime"),
    "spec": ("tests/spec", "tests/cli/commands", "tests/core", "tests/runtime"),
    "runtime": ("tests/runtime", "tests/supervisor", "tests/web/api", "tests/cli/commands"),
    "host": (
        "tests/host",
        "tests/supervisor",
        "tests/runtime/operations",
        "tests/cli/commands",
        "tests/faults",
    ),
}
"""Where a part of zoosup is used: who uses it notices, if its own tests don't."""


def stages(module: str, root: Path) -> list[tuple[str, ...]]:
    """Of `zoosup/core/memory/ledger.py` its test files, its room's, and those above; each without what came before."""
    path = PurePosixPath(module)
    room = sorted(
        p.relative_to(root).as_posix() for p in Path(root, "tests", *path.parts[1:-1]).glob("test_*.py")
    )
    own = [test for test in room if PurePosixPath(test).name.startswith(f"test_{path.stem}")]
    others = [test for test in room if test not in own]
    return [tuple(tests) for tests in (own, others, HIGHER[path.parts[1]]) if tests]


def is_of_the_whole_machine(tests: tuple[str, ...]) -> bool:
    """Whether they look at all processes of the machine, so that two at once would disturb each other."""
    return any(
        test.startswith(("tests/host", "tests/faults", "tests/cli", "tests/supervisor")) for test in tests
    )
