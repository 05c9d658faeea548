"""The real llama-server and llama-fit-params, built once from the llama.cpp source inside PyPI's llama-cpp-python.

Knows how to get the two, beside each other; refuses to know what they are tested with. `python tests/e2e/llama.py`
builds them and prints the server's path. ZOOSUP_TEST_LLAMA_SERVER names a server to take instead.
"""

import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import tempfile
from pathlib import Path

VERSION = "0.3.36"  # of llama-cpp-python
SERVER, FIT_PARAMS = "llama-server", "llama-fit-params"
FLAGS = (
    "-DCMAKE_BUILD_TYPE=Release",
    "-DBUILD_SHARED_LIBS=OFF",
    "-DGGML_NATIVE=OFF",  # the cache may be carried to another CPU
    "-DGGML_OPENMP=OFF",
    "-DGGML_METAL=OFF",
    "-DLLAMA_CURL=OFF",
    "-DLLAMA_OPENSSL=OFF",
    "-DLLAMA_BUILD_TESTS=OFF",
    "-DLLAMA_BUILD_EXAMPLES=OFF",
    "-DLLAMA_BUILD_UI=OFF",
    "-DLLAMA_USE_PREBUILT_UI=OFF",
)


class CannotBuildError(Exception):
    """This machine lacks what building needs; the text says what."""


def llama_server() -> Path:
    """Return a llama-server, building it when it is not cached: minutes, once.

    Raises CannotBuildError without a C++ compiler.
    """
    if given := os.environ.get("ZOOSUP_TEST_LLAMA_SERVER"):
        return Path(given)
    return _built() / SERVER


def llama_fit_params() -> Path:
    """Return the llama-fit-params beside that server; CannotBuildError too where one was given that has none."""
    if given := os.environ.get("ZOOSUP_TEST_LLAMA_SERVER"):
        beside = Path(given).with_name(FIT_PARAMS)
        if not beside.exists():
            raise CannotBuildError(f"{beside} is missing")
        return beside
    return _built() / FIT_PARAMS


def _built() -> Path:
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "zoosup-tests"
    kept = cache / f"llama.cpp-{VERSION}"
    if not all((kept / name).exists() for name in (SERVER, FIT_PARAMS)):
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache, prefix="building-") as scratch:
            _keep(_build(_source(Path(scratch)), Path(scratch) / "build"), kept)
    return kept


def _keep(built: Path, kept: Path) -> None:
    # Within one file system and by one rename each: whoever finds a binary finds it whole.
    kept.mkdir(exist_ok=True)
    for name in (FIT_PARAMS, SERVER):
        (built / name).replace(kept / name)


def _source(scratch: Path) -> Path:
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", "llama-cpp-python"]
    _run(*pip, "--dest", str(scratch), f"llama-cpp-python=={VERSION}")
    [archive] = scratch.glob("*.tar.gz")
    with tarfile.open(archive) as tar:
        # Python 3.11.0 to 3.11.3 have no filters; the archive is PyPI's, which has checked its digest.
        tar.extractall(scratch, **({"filter": "data"} if hasattr(tarfile, "data_filter") else {}))
    [source] = scratch.glob("*/vendor/llama.cpp")
    return source


def _build(source: Path, build: Path) -> Path:
    if not (os.environ.get("CXX") or shutil.which("c++") or shutil.which("g++") or shutil.which("clang++")):
        raise CannotBuildError(
            "a C++ compiler is needed to build llama.cpp (Debian, Ubuntu: apt install g++)"
        )
    cmake = _tool("cmake") or _install("cmake")
    ninja = _tool("ninja")
    generator = ("-G", "Ninja", f"-DCMAKE_MAKE_PROGRAM={ninja}") if ninja else ()
    if not ninja and not shutil.which("make"):
        generator = ("-G", "Ninja", f"-DCMAKE_MAKE_PROGRAM={_install('ninja')}")
    _run(cmake, "-S", str(source), "-B", str(build), *generator, *FLAGS)
    jobs = str(os.cpu_count() or 1)
    targets = ("--target", SERVER, FIT_PARAMS)
    _run(cmake, "--build", str(build), "--config", "Release", *targets, "--parallel", jobs)
    return build / "bin"


def _tool(name: str) -> str | None:
    return shutil.which(name) or shutil.which(name, path=sysconfig.get_path("scripts"))


def _install(name: str) -> str:
    _run(sys.executable, "-m", "pip", "install", "--quiet", name)
    if not (tool := _tool(name)):
        raise CannotBuildError(f"pip installed {name}, but it can't be found")
    return tool


def _run(*command: str) -> None:
    print("+", *command, file=sys.stderr, flush=True)  # noqa: T201  minutes without a word look hung
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode:
        tail = "\n".join(done.stdout.splitlines()[-40:])
        raise RuntimeError(f"{command[0]} failed with {done.returncode}:\n{tail}")


if __name__ == "__main__":
    print(llama_server())  # noqa: T201  the result
