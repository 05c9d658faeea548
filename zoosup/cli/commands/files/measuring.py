"""`zoosup import … --measure`: runs one model after the other alone, and looks what it holds.

By a supervisor of its own: its own file, state directory and gateway, none of which a running zoosup knows. Refuses to
know how a model is started and what its memory is: that supervisor is asked.
"""

import http.client
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from zoosup.cli.client import Client
from zoosup.cli.render.format import is_refused, why
from zoosup.cli.render.layout import clean
from zoosup.errors import UnreachableError, ZoosupError
from zoosup.importing.draft import Draft, Model
from zoosup.importing.measured import Held, measurable, put, to_measure
from zoosup.importing.report import Report
from zoosup.importing.writer import write
from zoosup.spec.syntax.units import describe_size

PATIENCE = 60.0
"""Seconds for which a model may wait for memory that others hold."""

SETTLED = 4.0
"""Seconds in which what it holds has not grown: several looks of a supervisor."""

_INTERVAL = 0.2
_ANSWER_WITHIN = 120.0
_GONE = frozenset({"stopped", "failed"})
_HELLO = [{"role": "user", "content": "hello"}]


def measure(draft: Draft, report: Report) -> None:
    """Put into the draft what each model was seen to hold; one that can't be started is said, and left as it is.

    Whatever ends this process, but SIGKILL, ends what it has started first.
    """
    for each in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(each, signal.default_int_handler)
    with TemporaryDirectory(prefix="zoosup-measure-") as folder, _supervisor(Path(folder), draft) as asked:
        for model in measurable(draft):
            try:
                held = _held(asked, model)
            except UnreachableError:
                raise
            except ZoosupError as error:
                report.add(model.at, f"{model.name} could not be measured: {error}")
                continue
            put(model, held, report)
            print(f"{model.name}: {describe_size(held.ram + held.mapped + held.vram)}", file=sys.stderr)


@contextmanager
def _supervisor(folder: Path, draft: Draft) -> Iterator[Client]:
    """One that follows the draft, with nothing running, until the block ends."""
    file, state, log = (folder / name for name in ("zoo.yaml", "state", "zoosup.log"))
    file.write_text(write(to_measure(draft)), encoding="utf-8")
    words = ["run", str(file), "--state-dir", str(state), "--instance", f"measure-{os.getpid()}"]
    words += ["--status-listen", "none", "--gateway-listen", "127.0.0.1:0", "--on-exit", "stop"]
    env = {name: value for name, value in os.environ.items() if not name.startswith("ZOOSUP_")}
    command = [sys.executable, "-m", "zoosup", *words]
    with log.open("wb") as out, subprocess.Popen(command, env=env, stdout=out, stderr=out) as process:  # noqa: S603
        try:
            asked = Client(state / "control.sock")
            while not _answers(asked):
                if process.poll() is not None:
                    raise ZoosupError(
                        f"the models can't be measured: {log.read_text(errors='replace').strip()}"
                    )
                time.sleep(_INTERVAL)
            yield asked
        finally:
            process.terminate()


def _answers(asked: Client) -> bool:
    try:
        return bool(asked.get("status")["gateway"])
    except UnreachableError:
        return False


def _held(asked: Client, model: Model) -> Held:
    """Start it, have it answer once, look until it grows no more, and stop it; ZoosupError: why it can't run."""
    try:
        asked.post("models", model.name, "start")
        _until_ready(asked, model.name)
        if model.fields.get("task", "chat") == "chat":
            _have_it_answer(asked, model.name)
        return _settled(asked, model.name)
    finally:
        with suppress(UnreachableError):  # it has been interrupted too, and ends its models itself
            _end(asked, model.name)


def _end(asked: Client, name: str) -> None:
    asked.post("models", name, "stop")
    while asked.get("status", name)["phase"] not in _GONE:
        time.sleep(_INTERVAL)


def _until_ready(asked: Client, name: str) -> None:
    waits = time.monotonic()
    while (found := asked.get("status", name))["phase"] != "ready":
        if found["last_exit"] is not None:
            raise ZoosupError(_ending(found["last_exit"]))
        if not str(found["reason"]).startswith("WaitingFor"):
            waits = time.monotonic()
        if is_refused(found) or time.monotonic() - waits > PATIENCE:
            raise ZoosupError(why(found))
        time.sleep(_INTERVAL)


def _ending(end: Mapping[str, Any]) -> str:
    last = clean(end["log"][-1]) if end["log"] else ""
    return ": ".join(part for part in (end["message"] or end["reason"], last) if part)


def _have_it_answer(asked: Client, name: str) -> None:
    """Some load their weights only for a request. One that speaks another language says so, which is no matter."""
    host, _, port = asked.get("status")["gateway"].rpartition(":")
    connection = http.client.HTTPConnection(host, int(port), timeout=_ANSWER_WITHIN)
    body = json.dumps({"model": name, "messages": _HELLO, "max_tokens": 1})
    with suppress(OSError, http.client.HTTPException):
        connection.request("POST", "/v1/chat/completions", body, {"Content-Type": "application/json"})
        connection.getresponse().read()
    connection.close()


def _settled(asked: Client, name: str) -> Held:
    """What it holds at the most, once that has not grown for a while."""
    since, most = time.monotonic(), Held(0, 0, 0)
    while time.monotonic() - since < SETTLED:
        found = asked.get("status", name)
        if found["phase"] != "ready":
            raise ZoosupError(why(found) or f"it is {found['phase']} after it was ready")
        now = _most(found["memory"])
        if now != most:
            since, most = time.monotonic(), now
        time.sleep(_INTERVAL)
    if not most.ram + most.vram:
        raise ZoosupError("nothing tells what it holds")
    return most


def _most(memory: Mapping[str, Mapping[str, Any]]) -> Held:
    ram = memory.get("ram", {})
    on_gpus = sum(each["peak"] for pool, each in memory.items() if pool != "ram")
    return Held(ram.get("peak", 0), ram.get("mapped") or 0, on_gpus)
