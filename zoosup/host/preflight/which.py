"""Where execvp(3) finds a program, with a child's own PATH and directory.

Refuses to know what the program is for, and whether it will run.
"""

import os
from collections.abc import Mapping
from pathlib import Path


def find_program(name: str, cwd: Path, env: Mapping[str, str]) -> tuple[Path | None, str]:
    """What execvpe(3) would run, with the child's PATH and directory; or None, and why not, for people."""
    if "/" in name:
        program = cwd / name
        why = not_executable(program)
        return (None, why) if why else (program, "")
    refused = []
    searched = os.get_exec_path(env)
    for entry in searched:
        program = cwd / entry / name
        why = not_executable(program)
        if not why:
            return program, ""
        if os.path.lexists(program):
            refused.append(why)
    return None, "; ".join(refused) or f"{name} was not found in PATH ({os.pathsep.join(searched)})"


def not_executable(path: Path) -> str:
    """Why this is no program, for people; empty when it may be one."""
    try:
        if path.is_dir():
            return f"{path} is a directory"
        if not path.exists():
            return (
                f"{path} is a symbolic link that leads nowhere" if path.is_symlink() else f"{path} is missing"
            )
    except OSError as error:
        return f"{path} can't be looked at: {error.strerror}"
    return (
        "" if os.access(path, os.X_OK) else f"{path} is not executable (chmod +x it, or name its interpreter)"
    )
