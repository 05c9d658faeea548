"""The units that zoosup prints, under a real systemd: each job and each mishap, and what became of the model.

The oracle is systemd and the kernel. One host for all: each test finds zoosup and its model up, and leaves them so.
"""

import json
import shlex
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

import pytest

from tests.containers.engines import NoEngineError, running
from tests.e2e.driver import DEADLINE, free_ports
from tests.e2e.systemd_host import NoHostError, SystemdHost

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

ZOOSUP = str(Path(sys.prefix, "bin/zoosup"))
UNIT = "/etc/systemd/system/zoosup.service"
DROP_IN = "/etc/systemd/system/zoosup.service.d/test.conf"
ZOO = """\
active: a
budget: {{ram: 1GiB, ram_reserve: 16MiB}}
status: {{listen: "127.0.0.1:{status}"}}
gateway: {{listen: "127.0.0.1:{gateway}"}}
models:
  a:
    command: ["{python}", -m, zoosup.demo, --host, "${{HOST}}", --port, "${{PORT}}", --ram, 16MiB, --load-time, 100ms]
    memory: {{ram: 64MiB}}
    description: first
"""


class Service:
    """zoosup on that host, as `zoosup unit` has it run there."""

    def __init__(self, host: SystemdHost) -> None:
        self.host = host
        self.status_port, self.gateway_port = free_ports(2)
        self.file = host.home / "zoo.yaml"
        self.write(ZOO.format(status=self.status_port, gateway=self.gateway_port, python=sys.executable))

    def write(self, text: str) -> None:
        self.file.with_suffix(".new").write_text(text)
        self.file.with_suffix(".new").replace(self.file)

    def install(self) -> None:
        """As the head of each unit says."""
        file = shlex.quote(str(self.file))
        for kind, suffix in (("systemd", "service"), ("systemd-socket", "socket")):
            place = f"/etc/systemd/system/zoosup.{suffix}"
            self.host.do("sh", "-c", f"{ZOOSUP} unit {kind} {file} > {place}")
        self.host.do("systemctl", "daemon-reload")
        self.host.do("systemctl", "enable", "--now", "zoosup.socket", "zoosup.service")

    def drop_in(self, *settings: str) -> None:
        """Settings of the service beside the unit's own; none: no more."""
        text = "\n".join(("[Service]", *settings))
        self.host.do(
            "sh", "-c", f"mkdir -p $(dirname {DROP_IN}) && printf '%s\n' {shlex.quote(text)} > {DROP_IN}"
        )
        self.host.do("systemctl", "daemon-reload")

    def status(self) -> dict[str, Any]:
        with urlopen(f"http://127.0.0.1:{self.status_port}/status", timeout=10) as answer:
            return json.load(answer)

    def model(self) -> dict[str, Any]:
        """The model's status, an empty one where nobody answers."""
        try:
            return self.status()["models"]["a"]
        except (URLError, ConnectionError, TimeoutError):
            return {}

    def wait_ready(self) -> int:
        """Until a zoosup that systemd holds for active has the model ready; its pid there."""
        self.host.wait(
            lambda: self.model().get("phase") == "ready" and self.main_pid() == self.status()["pid"],
            "the model to be ready",
        )
        assert "active" == self.host.shown("zoosup", "ActiveState")
        pid: int = self.model()["pid"]
        assert self.runs(pid)
        return pid

    def main_pid(self) -> int:
        return int(self.host.shown("zoosup", "MainPID"))

    def runs(self, pid: int) -> bool:
        """Whether that host's kernel has this process, and it is the demo server."""
        return b"zoosup.demo" in self.host.run("cat", f"/proc/{pid}/cmdline").stdout.encode()

    def limit_memory(self, mebibytes: int) -> None:
        """So much for zoosup and all that it starts from now on, until it is started anew."""
        legacy = "/sys/fs/cgroup/memory"
        if not Path(legacy).exists():
            self.drop_in(f"MemoryMax={mebibytes}M", "MemorySwapMax=0")
            self.host.do("systemctl", "restart", "zoosup")
            self.wait_ready()
            return
        # systemd leaves this controller of the first version alone where it has been given a part of the tree
        place = self.host.do("sed", "-n", f"s|^[0-9]*:memory:|{legacy}|p", f"/proc/{self.main_pid()}/cgroup")
        write = f"mkdir -p $1; echo {mebibytes}M > $1/memory.limit_in_bytes; echo {self.main_pid()} > $1/cgroup.procs"
        self.host.do("sh", "-ec", write, "sh", f"{place}/test")

    def ask_until(self, done: threading.Event) -> int:
        """Ask the gateway on one new connection after the other; how many were answered."""
        answered = 0
        while not done.is_set():
            with urlopen(f"http://127.0.0.1:{self.gateway_port}/v1/models", timeout=DEADLINE) as answer:
                assert answer.status == 200
            answered += 1
        return answered


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    try:
        with running("docker") as engine:
            service = Service(SystemdHost(engine, tmp_path_factory.mktemp("systemd")))
            service.install()
            yield service
    except (NoEngineError, NoHostError) as error:
        pytest.skip(str(error))


@pytest.fixture
def service(installed: Service) -> Iterator[Service]:
    text = installed.file.read_text()
    installed.wait_ready()
    yield installed
    installed.write(text)
    installed.drop_in()


def test_systemd_finds_nothing_to_say_about_the_units(service):
    told = service.host.run("systemd-analyze", "verify", UNIT, UNIT.replace(".service", ".socket"))
    assert "zoosup" not in told.stdout + told.stderr


def test_a_reload_puts_an_edit_in_force(service):
    pid = service.wait_ready()
    service.write(service.file.read_text().replace("description: first", "description: second"))
    service.host.do("systemctl", "reload", "zoosup")
    assert "second" == service.status()["models"]["a"]["description"]
    assert pid == service.wait_ready()


def test_a_reload_of_a_broken_file_fails_and_everything_goes_on(service):
    pid, main = service.wait_ready(), service.main_pid()
    service.write("active: a\nmodels: {a: {comand: x}}\n")
    done = service.host.run("systemctl", "reload", "zoosup")
    assert 1 == done.returncode
    assert pid == service.wait_ready()
    assert main == service.main_pid()
    assert "comand" in service.host.journal()


def test_a_restart_ends_zoosup_alone_and_refuses_nobody(service):
    pid, main, done = service.wait_ready(), service.main_pid(), threading.Event()
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(service.ask_until, done)
        service.host.do("systemctl", "restart", "zoosup")
        assert pid == service.wait_ready()
        done.set()
        assert asked.result(timeout=DEADLINE) > 1
    assert main != service.main_pid()


def test_an_upgrade_of_unit_and_program_ends_no_model(service):
    """What a package manager does: new files, daemon-reload, try-restart."""
    pid, main = service.wait_ready(), service.main_pid()
    service.drop_in("Environment=UPGRADED=yes")
    service.host.do("systemctl", "try-restart", "zoosup")
    assert pid == service.wait_ready()
    assert "UPGRADED=yes" in service.host.do("cat", f"/proc/{service.main_pid()}/environ")
    assert main != service.main_pid()


def test_a_killed_zoosup_is_started_again_and_takes_its_model_over(service):
    pid, main = service.wait_ready(), service.main_pid()
    service.host.do("systemctl", "kill", "--kill-whom=main", "-s", "KILL", "zoosup")
    service.host.wait(lambda: service.main_pid() not in {0, main}, "another zoosup")
    assert pid == service.wait_ready()


def test_a_zoosup_that_stands_still_is_replaced(service):
    service.drop_in("WatchdogSec=2s")
    service.host.do("systemctl", "restart", "zoosup")
    pid, main = service.wait_ready(), service.main_pid()
    service.host.do("systemctl", "kill", "--kill-whom=main", "-s", "STOP", "zoosup")
    service.host.wait(lambda: service.main_pid() not in {0, main}, "the watchdog to bite")
    assert pid == service.wait_ready()
    assert "watchdog" in service.host.journal().lower()


def test_a_model_that_the_kernel_kills_for_memory_takes_nobody_along(service):
    service.limit_memory(400)
    main = service.main_pid()
    service.write(service.file.read_text().replace("--ram, 16MiB", "--ram, 900MiB"))  # and says 64
    service.host.do("systemctl", "reload", "zoosup")
    service.host.wait(
        lambda: (service.model().get("last_exit") or {}).get("reason") == "OOMKilled", "the kernel's kill"
    )
    assert main == service.main_pid()
    assert "active" == service.host.shown("zoosup", "ActiveState")


def test_a_stop_ends_every_model_and_a_start_has_them_again(service):
    pid = service.wait_ready()
    service.host.do("systemctl", "stop", "zoosup.socket", "zoosup.service")
    assert not service.runs(pid)
    assert "success" == service.host.shown("zoosup", "Result")
    service.host.do("systemctl", "start", "zoosup.socket", "zoosup.service")
    assert pid != service.wait_ready()


def test_a_first_client_starts_what_was_stopped(service):
    service.host.do("systemctl", "stop", "zoosup.service")
    with urlopen(f"http://127.0.0.1:{service.gateway_port}/v1/models", timeout=DEADLINE) as answer:
        assert answer.status == 200
    service.wait_ready()


def test_a_reboot_has_the_models_up_again(service):
    service.host.reboot()
    service.wait_ready()
