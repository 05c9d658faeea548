"""zoosup ends, is killed or is executed anew: its models don't notice."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest

from tests.e2e.driver import BIN, DEADLINE, alive, free_ports, listens, poll
from tests.e2e.fleet_clients import Clients

pytestmark = pytest.mark.e2e

ZOO = """\
active: a
budget: {{ram: 1GiB, ram_reserve: 64MiB}}
status: {{listen: "127.0.0.1:{status}"}}
gateway: false
models:
  a:
    command: [python, -m, zoosup.demo, --port, "${{PORT}}", --ram, 16MiB, --load-time, 100ms]
    port: {port}
    memory: {{ram: 64MiB}}
"""


@pytest.fixture
def zoo(zoosup):
    port, status = free_ports(2)
    zoo = zoosup(ZOO.format(port=port, status=status), status)
    zoo.start()
    zoo.wait_phase("a", "ready")
    return zoo


SIGNALLED_AS_IT_IMPORTS = """\
import os, sys
from zoosup.cli.main import main
class Signals:
    def find_spec(self, name, *_):
        if name == {module!r}:
            os.kill(os.getpid(), {number:d})
sys.meta_path.insert(0, Signals())
sys.exit(main(["run", {file!r}]))
"""


def ready_again(zoo, pid):
    zoo.wait(lambda s: s["pid"] == zoo.process.pid and s["converged"], "the new zoosup to have taken over")
    assert pid == zoo.pid("a")


def test_a_killed_zoosup_is_replaced_and_no_model_restarts(zoo):
    pid = zoo.pid("a")
    zoo.process.kill()
    zoo.process.wait()
    assert alive(pid)
    zoo.start()
    ready_again(zoo, pid)


@pytest.mark.parametrize(
    ("number", "lives"), [(signal.SIGTERM, False), (signal.SIGINT, False), (signal.SIGQUIT, True)]
)
@pytest.mark.parametrize("module", ["zoosup.supervisor.run", "zoosup.supervisor.main_loop"])
def test_one_told_to_end_before_it_listens_ends_the_models_of_the_one_before(zoo, module, number, lives):
    pid = zoo.pid("a")
    zoo.process.kill()
    zoo.process.wait()
    code = SIGNALLED_AS_IT_IMPORTS.format(module=module, number=number, file=str(zoo.file))
    zoo.command = (sys.executable, "-c", code)
    zoo.start()
    assert 0 == zoo.process.wait(timeout=DEADLINE), zoo.log.read_text()
    assert lives == alive(pid)


def test_a_zoosup_told_to_keep_its_models_leaves_them_to_the_next(zoosup):
    port, status = free_ports(2)
    zoo = zoosup(ZOO.format(port=port, status=status), status)
    zoo.command = (*zoo.command, "--on-exit", "keep")
    zoo.start()
    zoo.wait_phase("a", "ready")
    pid = zoo.pid("a")
    assert 0 == zoo.terminate()
    assert alive(pid)
    zoo.command = zoo.command[:-2]
    zoo.start()
    ready_again(zoo, pid)


def test_one_executed_anew_keeps_its_own_pid_its_models_and_their_exit_codes(zoo):
    pid, began = zoo.pid("a"), time.time()
    zoo.process.send_signal(signal.SIGUSR2)
    zoo.wait(lambda s: (s["config"]["loaded_at"] or 0) > began, "zoosup to be executed anew")
    ready_again(zoo, pid)
    os.kill(pid, signal.SIGSEGV)
    poll(lambda: zoo.model("a")["last_exit"], "the end of the model to be known")
    assert "SIGSEGV" == zoo.model("a")["last_exit"]["signal"]
    zoo.wait_phase("a", "ready")


def test_who_follows_its_logs_and_events_goes_on_while_it_is_executed_anew(zoo):
    began, log = time.time(), zoo.state / "logs" / "a.log"
    commands = ("logs", "a", "-f", "-n", "0"), ("events", "-f", "--json")
    followers = [
        subprocess.Popen([str(BIN / "zoosup"), *words], env=zoo.env, stdout=subprocess.PIPE)
        for words in commands
    ]
    assert followers[1].stdout.readline()
    time.sleep(3)
    zoo.process.send_signal(signal.SIGUSR2)
    for number in range(40):
        with log.open("a") as file:
            file.write(f"line {number}\n")
        time.sleep(0.1)
    zoo.wait(lambda s: (s["config"]["loaded_at"] or 0) > began, "zoosup to be executed anew")
    time.sleep(2)
    for follower in followers:
        follower.terminate()
    printed, events = (follower.communicate()[0].decode() for follower in followers)
    lines = [line for line in printed.splitlines() if line.startswith("line ")]
    assert [f"line {number}" for number in range(40)] == lines
    numbers = [json.loads(line)["seq"] for line in events.splitlines()]
    assert list(range(numbers[0], numbers[0] + len(numbers))) == numbers
    assert any('"Kept"' in line for line in events.splitlines())
    assert any('"Adopted"' in line for line in events.splitlines())


def test_who_asks_again_and_again_ends_no_zoosup_that_is_executed_anew(zoo):
    pid = zoo.pid("a")
    for _ in range(60):
        zoo.process.send_signal(signal.SIGUSR2)
        zoo.process.send_signal(signal.SIGHUP)
        time.sleep(0.05)
        assert None is zoo.process.poll()
    ready_again(zoo, pid)


def test_one_told_to_end_while_it_is_executed_anew_ends_its_models(zoo):
    pid = zoo.pid("a")
    zoo.process.send_signal(signal.SIGUSR2)
    poll(lambda: not (zoo.state / "control.sock").exists(), "zoosup to be executed anew")
    time.sleep(0.05)
    assert 0 == zoo.terminate()
    poll(lambda: not alive(pid), "its model to end")


def test_one_whose_program_is_half_installed_goes_on(zoosup, tmp_path):
    port, status = free_ports(2)
    zoo = zoosup(ZOO.format(port=port, status=status), status)
    program = tmp_path / "program"
    program.write_text(Path(zoo.command[0]).read_text())
    zoo.command = (sys.executable, str(program), *zoo.command[1:])
    zoo.start()
    zoo.wait_phase("a", "ready")
    pid, began = zoo.pid("a"), time.time()
    there = program.rename(tmp_path / "old")
    zoo.process.send_signal(signal.SIGUSR2)
    poll(lambda: "it would not start" in zoo.log.read_text(), "the trouble to be told")
    assert zoo.status()["config"]["loaded_at"] < began
    there.rename(program)
    zoo.process.send_signal(signal.SIGUSR2)
    zoo.wait(lambda s: (s["config"]["loaded_at"] or 0) > began, "zoosup to be executed anew")
    ready_again(zoo, pid)


def test_sigquit_ends_zoosup_alone(zoo):
    pid = zoo.pid("a")
    zoo.process.send_signal(signal.SIGQUIT)
    assert 0 == zoo.process.wait(timeout=DEADLINE)
    assert alive(pid)
    zoo.start()
    ready_again(zoo, pid)


def test_nobody_is_refused_while_it_is_executed_anew(zoosup):
    port, status, gateway = free_ports(3)
    text = ZOO.format(port=port, status=status).replace(
        "gateway: false", f'gateway: {{listen: "127.0.0.1:{gateway}"}}'
    )
    zoo = zoosup(text, status)
    zoo.start()
    zoo.wait_phase("a", "ready")
    pid, began = zoo.pid("a"), time.time()
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(ask_until, f"http://127.0.0.1:{gateway}/v1/models", done := threading.Event())
        zoo.process.send_signal(signal.SIGUSR2)
        zoo.wait(lambda s: (s["config"]["loaded_at"] or 0) > began, "zoosup to be executed anew")
        ready_again(zoo, pid)
        done.set()
        assert asked.result(timeout=DEADLINE) > 1
    zoo.edit((f"127.0.0.1:{gateway}", f"127.0.0.1:{(other := free_ports(1)[0])}"))
    poll(
        lambda: listens(other) and not listens(gateway),
        "the gateway to move away from where it was handed on",
    )


def ask_until(url: str, done: threading.Event) -> int:
    """Ask on one new connection after the other; how many were answered, or what went wrong."""
    answered = 0
    while not done.is_set():
        with urlopen(url, timeout=DEADLINE) as answer:
            assert answer.status == 200
        answered += 1
    return answered


@pytest.mark.parametrize("number", [signal.SIGUSR2, signal.SIGQUIT])
def test_an_answer_that_takes_longer_comes_to_its_end_before_zoosup_goes(zoosup, number):
    port, status, gateway = free_ports(3)
    text = ZOO.format(port=port, status=status).replace(
        "gateway: false", f'gateway: {{listen: "127.0.0.1:{gateway}"}}'
    )
    zoo = zoosup(text, status)
    zoo.start()
    zoo.wait_phase("a", "ready")
    zoo.gateway()
    pid = zoo.pid("a")
    clients = Clients("127.0.0.1", gateway, {})
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(clients.stream, "a")
        zoo.wait(lambda s: s["models"]["a"]["inflight"], "the answer to begin")
        zoo.process.send_signal(number)
        poll(
            lambda: "the gateway does not listen where zoo.yaml says: zoosup ends alone" in readyz(zoo),
            "it to say so",
        )
        assert zoo.model("a")["inflight"]
        asked.result(timeout=DEADLINE)
    assert ([], 1) == (clients.bad, clients.answered)
    if number is signal.SIGQUIT:
        assert 0 == zoo.process.wait(timeout=DEADLINE)
        zoo.start()
    ready_again(zoo, pid)


def readyz(zoo) -> str:
    try:
        with urlopen(f"{zoo.url}/readyz", timeout=DEADLINE) as answer:
            return answer.read().decode()
    except HTTPError as error:
        return error.read().decode()


def test_a_second_zoosup_on_the_same_state_is_turned_away(zoo):
    pid = zoo.pid("a")
    ended = zoo.cli("run", str(zoo.file))
    assert 75 == ended.returncode
    assert f"pid {zoo.process.pid}" in ended.stderr
    assert pid == zoo.pid("a")
