"""Starts demonstration servers as processes of their own and sees to it that none outlives its test."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass

import pytest


@dataclass
class Demo:
    process: subprocess.Popen[str]
    url: str

    @property
    def pid(self) -> int:
        return self.process.pid

    def line(self) -> str:
        return self.process.stdout.readline().rstrip("\n")

    def wait_ready(self) -> None:
        while "is ready" not in (line := self.line()):
            assert line, f"ended with {self.process.wait()} before it was ready"

    def terminate(self) -> None:
        self.process.send_signal(signal.SIGTERM)

    def exit_code(self) -> int:
        return self.process.wait(timeout=30)


@pytest.fixture
def start_demo() -> Iterator[Callable[..., Demo]]:
    started = []

    def start(*options: str) -> Demo:
        command = [sys.executable, "-m", "zoosup.demo", "--port", "0", "--token-delay", "0s", *options]
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
        )
        started.append(process)
        url = ""
        if "--listen-late" not in options:
            line = process.stdout.readline()
            found = re.search(r"http://\S+", line)
            assert found, line + process.stdout.read()
            url = found.group()
        return Demo(process, url)

    yield start
    for process in started:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        process.stdout.close()
