"""Images made on the spot, for no registry can be reached: one static program, and Python with zoosup's demo server."""

import hashlib
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
from collections.abc import Iterator
from pathlib import Path

HERE = Path(__file__).parent
PACKAGE = HERE.parents[1] / "zoosup"

TINY = "zoosup-test/tiny:1"
"""`tiny.c` and nothing else; its words are the container's."""

DEMO = "zoosup-test/demo:1"
"""`python -m zoosup.demo`; its options are the container's words."""

PYTHON = Path(sys.base_prefix, "bin", f"python{sys.version_info.major}.{sys.version_info.minor}")
_SITE = "/site"
_LEFT_OUT = re.compile(
    r"/(test|tests|idlelib|tkinter|ensurepip|turtledemo|lib2to3|config-[^/]*|site-packages)(/|$)|\.a$"
)
_NEEDED = """
import sys, zoosup.demo.__main__, zoosup.demo.server
print(*filter(None, (getattr(each, "__file__", None) for each in sys.modules.values())), sep="\\n")
"""


class NoImageError(Exception):
    """It can't be made here; the message says why."""


def demo_changes() -> tuple[str, ...]:
    """What an image of `demo_root` runs."""
    return (f'ENTRYPOINT ["{PYTHON}", "-m", "zoosup.demo"]', f"ENV PYTHONPATH={_SITE}")


def tiny_root(cache: Path) -> Path:
    """A tar with the static program at /tiny."""
    source = HERE / "tiny.c"
    tar = cache / f"tiny-{hashlib.sha256(source.read_bytes()).hexdigest()[:16]}.tar"
    if tar.exists():
        return tar
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        raise NoImageError("no C compiler")
    program = cache / "tiny"
    built = subprocess.run(
        (compiler, "-static", "-O1", "-o", str(program), str(source)),
        check=False,
        capture_output=True,
        text=True,
    )
    if built.returncode != 0:
        raise NoImageError(f"no static program can be made: {built.stderr[-300:]}")
    return _written(tar, iter([(program, "/tiny")]))


def demo_root(cache: Path) -> Path:
    """A tar with this Python, what the demo server imports, and the shared libraries that they need."""
    sources = sorted(PACKAGE.rglob("*.py"))
    digest = hashlib.sha256(sys.version.encode())
    for source in sources:
        digest.update(source.read_bytes())
    tar = cache / f"demo-{digest.hexdigest()[:16]}.tar"
    if tar.exists():
        return tar
    for old in cache.glob("demo-*.tar"):
        old.unlink()
    return _written(tar, _demo_files())


def program_root(cache: Path, program: Path) -> Path:
    """A tar with one program at the top, and the shared libraries that it needs."""
    tar = cache / f"{program.name}-{program.stat().st_mtime_ns}.tar"
    libraries = ((Path(each), each) for each in _shared_libraries([program]))
    return tar if tar.exists() else _written(tar, iter([(program, f"/{program.name}"), *libraries]))


def _demo_files() -> Iterator[tuple[Path, str]]:
    library = Path(sysconfig.get_path("stdlib"))
    files = {PYTHON: str(PYTHON)}
    files |= {
        each: str(each) for each in library.rglob("*") if each.is_file() and not _LEFT_OUT.search(str(each))
    }
    files |= _packages()
    files |= {each: f"{_SITE}/zoosup/{each.relative_to(PACKAGE)}" for each in PACKAGE.rglob("*.py")}
    yield from files.items()
    for each in _shared_libraries([PYTHON, *(file for file in files if ".so" in file.suffixes)]):
        yield Path(each), each


def _packages() -> dict[Path, str]:
    """The installed packages of which the demo server imports anything, whole."""
    site = Path(sysconfig.get_path("purelib"))
    printed = subprocess.run(
        (sys.executable, "-c", _NEEDED), check=True, capture_output=True, text=True
    ).stdout
    tops = {Path(line).relative_to(site).parts[0] for line in printed.split() if line.startswith(f"{site}/")}
    found = [
        each for top in tops for each in ((site / top).rglob("*") if (site / top).is_dir() else [site / top])
    ]
    return {each: f"{_SITE}/{each.relative_to(site)}" for each in found if each.is_file()}


def _shared_libraries(programs: list[Path]) -> set[str]:
    printed = subprocess.run(
        ("ldd", *map(str, programs)), check=False, capture_output=True, text=True
    ).stdout  # some have none
    return set(re.findall(r"(?:=> |^\t)(/\S+)", printed, re.MULTILINE))


def _written(tar: Path, files: Iterator[tuple[Path, str]]) -> Path:
    draft = tar.with_suffix(".new")
    with tarfile.open(draft, "w", dereference=True) as archive:
        for source, name in files:
            archive.add(source, name.lstrip("/"))
        for folder in ("tmp", "etc", "proc", "dev", "sys"):
            made = tarfile.TarInfo(folder)
            made.type, made.mode = tarfile.DIRTYPE, 0o1777 if folder == "tmp" else 0o755
            archive.addfile(made)
    return draft.rename(tar)
