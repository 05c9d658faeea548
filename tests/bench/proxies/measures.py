"""What is measured of one contestant: each function runs one load and gives one sample by figure.

Loads run in processes of their own. Where many ask at once the contestant has a processor to itself, so that it is the
limit; elsewhere the kernel places everybody, as it does for users. Processor time is what the kernel counts for the
contestant's threads, less what it takes in the same time when nobody asks.
"""

import json
import re
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import psutil

from tests.bench.proxies import load
from tests.bench.proxies.contestants import MODELS, Contestant, apart, pin, together

Samples = dict[str, float]
SCRIPT = 'wrk.method = "POST"\nwrk.body = [==[{body}]==]\nwrk.headers["Content-Type"] = "application/json"\n'


@dataclass(frozen=True)
class Effort:
    """How long and how much; the short form only shows that all of it works."""

    seconds: float = 4.0
    rounds: int = 3
    paced: float = 5.0
    tokens: int = 150
    uploads: int = 15
    download: int = 1 << 30
    calm: float = 2.0  # seconds of rest in which a contestant's own housekeeping is counted


SHORT = Effort(1.0, 1, 1.0, 25, 2, 64 << 20, 0.5)
STREAMS, DELAY_MS = 128, 20
STALLED = 120.0
"""Seconds after which a load is given up: whoever is asked does not answer."""
LARGE, AT_ONCE = 10_000_000, 4
RETURNED_WITHIN = 15.0
"""Seconds in which memory should be back; where all but `LITTLE` (MiB) is, nobody waits any longer."""
LITTLE = 1.0


def throughput(who: Contestant, effort: Effort, folder: Path) -> Samples:
    """Requests a second at 32 and 256 connections, the processor's microseconds for each, and private memory at 256.

    Others on the machine take from the first; the second is what it costs all the same.
    """
    found = _saturated(who, 32, effort, folder)
    with _watching(who) as seen:
        found |= _saturated(who, 256, effort, folder)
    return found | ({"held": max(seen)} if seen else {})


def _saturated(who: Contestant, connections: int, effort: Effort, folder: Path) -> Samples:
    before = _spent(who)
    asked, seconds = _ask(who, connections, effort, folder)
    rate = {f"rate at {connections}": asked / seconds}
    return rate if who.pid is None else rate | {f"cpu at {connections}": (_spent(who) - before) / asked}


def _ask(who: Contestant, connections: int, effort: Effort, folder: Path) -> tuple[int, float]:
    """(requests answered, seconds)."""
    wrk, model = shutil.which("wrk"), MODELS[0]
    with apart(who) as rest:
        if wrk is None:
            found = _load("many", who, model, float(effort.seconds), connections, cpus=rest)
            return found["requests"], found["seconds"]
        script = folder / "ask.lua"
        script.write_text(SCRIPT.format(body=load.chat(model).decode()))
        url = f"http://127.0.0.1:{who.ports[model]}/v1/chat/completions"
        words = [wrk, "-t1", f"-c{connections}", f"-d{effort.seconds:.0f}s", "-s", str(script), url]
        said = _run(words, rest)
    if "Non-2xx" in said or "Socket errors" in said:
        raise RuntimeError(said)
    return int(re.search(r"(\d+) requests in", said)[1]), float(re.search(r"requests in ([\d.]+)s", said)[1])


def latency(who: Contestant, effort: Effort, _: Path) -> Samples:
    """Microseconds of a request on one connection, one after the other: among processors, and all on one.

    Left to itself the scheduler takes the one or the other, for each contestant as it happens: a factor of three.
    """
    ask, seconds = partial(_load, "one", who, "plain"), float(effort.seconds / 2)
    with apart(who) as rest:
        found = {"p50 at 1": ask(seconds, cpus=rest)["p50"]}
    with together(who) as one:
        return found | {"p50 on one": ask(seconds, cpus=one)["p50"]}


def cost(who: Contestant, effort: Effort, _: Path) -> Samples:
    """Microseconds of the processor for a request, at 200 a second."""
    if who.pid is None:
        return {}
    with _spending(who, effort.calm) as spent:
        requests = _load("one", who, "plain", float(effort.paced), 200)["requests"]
    return {"cpu per request": spent() / requests}


def streaming(who: Contestant, effort: Effort, _: Path) -> Samples:
    """At 128 streams of 50 tokens a second: microseconds of the processor, and of delay, for a token."""
    with apart(who) as rest:
        ask = partial(_load, "streams", who, "tokens", STREAMS, effort.tokens, DELAY_MS, cpus=rest)
        if who.pid is None:
            return {"p99 of a token": ask()["p99"]}
        with _spending(who, effort.calm) as spent:
            found = ask()
    return {"p99 of a token": found["p99"], "cpu per token": spent() / found["tokens"]}


def upload(who: Contestant, effort: Effort, _: Path) -> Samples:
    """Milliseconds of a request with a body of 10 MB, as a picture in a conversation has it."""
    took = _load("upload", who, "tokens", LARGE, effort.uploads)["took"]
    return {"10 MB body": sorted(took)[len(took) // 2] / 1000}


def retention(who: Contestant, effort: Effort, _: Path) -> Samples:
    """MiB by which many bodies of 10 MB at once make us grow for good: that are not back after a while."""
    if who.pid is None:
        return {}
    before = _private(who)
    with ThreadPoolExecutor(AT_ONCE) as askers:
        asked = [askers.submit(_load, "upload", who, "tokens", LARGE, effort.uploads) for _ in range(AT_ONCE)]
    for each in asked:
        each.result()
    end = time.monotonic() + RETURNED_WITHIN
    while (kept := _private(who) - before) > LITTLE and time.monotonic() < end:
        time.sleep(0.1)
    return {"kept": max(0.0, kept)}


def download(who: Contestant, effort: Effort, _: Path) -> Samples:
    """Milliseconds of an answer of 1 GiB that the client takes a while to want, and MiB that it makes us grow by."""
    with _watching(who) as seen:
        before = _private(who)
        took = _load("download", who, "tokens", effort.download)["took"] / 1000
    grown = {"grown by": max(0.0, max(seen) - before)} if seen else {}
    return {"1 GiB answer": took * (1 << 30) / effort.download} | grown


def delays(who: Contestant, effort: Effort, folder: Path) -> Samples:
    """Milliseconds that /livez takes, which the loop of the passes answers: at rest, and while we are saturated."""
    if who.livez is None:
        return {}
    calm = _ask_livez(who, lambda: time.sleep(effort.seconds / 2))
    saturated = _ask_livez(who, lambda: _ask(who, 256, effort, folder))
    return {"delay": load.percentile(saturated, 0.99), "calm": load.percentile(calm, 0.99)}


MEASURES = (throughput, latency, cost, streaming, upload, retention, download, delays)


def _ask_livez(who: Contestant, during: Callable[[], object]) -> list[float]:
    took: list[float] = []
    over = threading.Event()

    def ask() -> None:
        with socket.create_connection(("127.0.0.1", who.livez)) as connection:
            while not over.wait(0.01):
                at = time.perf_counter()
                connection.sendall(b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n")
                if b"200" not in connection.recv(65536)[:15]:
                    raise RuntimeError("/livez is not well")
                took.append((time.perf_counter() - at) * 1000)

    asking = threading.Thread(target=ask)
    asking.start()
    try:
        during()
    finally:
        over.set()
        asking.join()
    if not took:
        raise RuntimeError("/livez never answered")
    return took


# how it is done


def _load(
    mode: str, who: Contestant, model: str, *numbers: float, cpus: Sequence[int] = ()
) -> dict[str, Any]:
    words = [sys.executable, load.__file__, mode, who.ports[model], model, *numbers]
    return json.loads(_run(list(map(str, words)), cpus))


def _run(words: list[str], cpus: Sequence[int]) -> str:
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running:
        pin(running.pid, cpus)
        try:
            said, complaint = running.communicate(timeout=STALLED)
        except subprocess.TimeoutExpired:
            running.kill()
            raise RuntimeError(f"{' '.join(words)}: no end within {STALLED:.0f} s") from None
    if running.returncode:
        raise RuntimeError(f"{' '.join(words)}: {complaint[-2000:]}")
    return said


@contextmanager
def _spending(who: Contestant, calm: float) -> Iterator[Callable[[], float]]:
    """Microseconds of the processor from the beginning of the block to the call, less the usual housekeeping."""
    before = _spent(who)
    time.sleep(calm)
    idle, begun = (_spent(who) - before) / calm, time.monotonic()
    start = _spent(who)
    yield lambda: _spent(who) - start - idle * (time.monotonic() - begun)


def _spent(who: Contestant) -> float:
    """Of all threads that live; nanosecond counters where the kernel keeps them, else its ticks of 10 ms."""
    if who.pid is None:
        return 0.0
    tasks = list(Path(f"/proc/{who.pid}/task").glob("*/schedstat"))
    if tasks:
        return sum(int(task.read_text().split()[0]) for task in tasks) / 1000
    times = psutil.Process(who.pid).cpu_times()
    return (times.user + times.system) * 1e6


def _private(who: Contestant) -> float:
    """MiB that are its alone: pages of libraries and shared memory, which others have too, are not in it."""
    return 0.0 if who.pid is None else psutil.Process(who.pid).memory_full_info().uss / (1 << 20)


@contextmanager
def _watching(who: Contestant) -> Iterator[list[float]]:
    """Private memory in MiB, looked at until the block ends; nothing where there is nobody."""
    seen: list[float] = []
    over = threading.Event()

    def look() -> None:
        while not over.wait(0.05):
            seen.append(_private(who))

    watcher = threading.Thread(target=look)
    if who.pid is not None:
        watcher.start()
    try:
        yield seen
    finally:
        over.set()
        if who.pid is not None:
            watcher.join()
