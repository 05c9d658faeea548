"""zoosup as the cases see it: a file, a command line, nothing else."""

import json
import subprocess
from collections.abc import Sequence
from pathlib import Path

from tests.e2e.driver import BIN, DEADLINE, Zoosup, free_ports
from tests.peers.supervisor import RELOAD, Program, Supervisor

HEAD = """\
active: [{active}]
budget: {{ram: 8GiB, ram_reserve: 64MiB}}
status: {{listen: "127.0.0.1:{port}"}}
gateway: false
models:
"""
MODEL = """\
  {name}:
    command: {words}
    cwd: {cwd}
    memory: {{ram: 24MiB}}
    ready: {{exec: ["true"]}}
    stop: {{grace: {grace}s}}
    restart: {{policy: {policy}}}
"""


class ZoosupPeer(Supervisor):
    name = "zoosup"
    settings = "defaults"

    def __init__(self, home: Path, programs: Sequence[Program]) -> None:
        super().__init__(home, programs)
        self._port = free_ports(1)[0]
        self._zoo = Zoosup(home, self.text(), self._port)

    @classmethod
    def version(cls) -> str:
        said = subprocess.run([BIN / "zoosup", "--version"], check=True, capture_output=True, text=True)
        return said.stdout.split()[-1]

    @property
    def file(self) -> Path:
        return self._zoo.file

    def text(self) -> str:
        text = HEAD.format(active=", ".join(p.name for p in self.programs), port=self._port)
        for program in self.programs:
            text += MODEL.format(
                name=program.name,
                words=json.dumps(list(program.words)),
                cwd=json.dumps(str(program.cwd)),
                grace=program.grace,
                policy="always" if program.restarts else "never",
            )
        return text

    def start(self) -> None:
        self._zoo.start()

    def pid(self) -> int:
        assert self._zoo.process is not None
        return self._zoo.process.pid

    def kill(self) -> None:
        assert self._zoo.process is not None
        self._zoo.process.kill()
        self._zoo.process.wait()

    def stop(self, name: str) -> None:
        self._zoo.cli("stop", name)
        done = self._zoo.cli("wait", name, "--for", "stopped", "--timeout", "60s")
        assert done.returncode == 0, done.stderr

    def apply(self, way: str) -> None:
        assert way == RELOAD
        self._zoo.cli("reload")

    def close(self) -> None:
        if self._zoo.process is not None and self._zoo.process.poll() is None:
            self._zoo.process.terminate()
            self._zoo.process.wait(DEADLINE)
        self._zoo.clean_up()
