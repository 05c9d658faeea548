"""The real llama-server, built once from the llama.cpp source inside PyPI's llama-cpp-python and kept.

Knows how to get one binary; refuses to know what it is tested with. `python tests/e2e/llama.py` builds it and
prints its path. ZOOSUP_TEST_LLAMA_SERVER names one to take instead.
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
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "zoosup-tests"
    binary = cache / f"llama.cpp-{VERSION}" / "llama-server"
    if not binary.exists():
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache, prefix="building-") as scratch:
            built = _build(_source(Path(scratch)), Path(scratch) / "build")
            _keep(built, binary)
    return binary


def _keep(built: Path, binary: Path) -> None:
    # Within one file system and by one rename: whoever finds the binary finds it whole.
    binary.parent.mkdir(exist_ok=True)
    built.replace(binary)


def _source(scratch: Path) -> Path:
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", "llama-cpp-python"]
    _run(*pip, "--dest", str(scratch), f"llama-cpp-python=={VERSION}")
    [archive] = scratch.glob("*.tar.gz")
    with tarfile.open(archive) as tar:
        tar.extractall(scratch, filter="data")
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
    _run(cmake, "--build", str(build), "--config", "Release", "--target", "llama-server", "--parallel", jobs)
    return build / "bin" / "llama-server"


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
