"""Room for what is no model, on a real host: whoever is killed, no room is lost and none is given twice."""

import json
import os
import signal
import subprocess
import sys

import pytest

from tests.e2e.driver import BIN, alive, free_ports, poll

pytestmark = pytest.mark.e2e

MIB = 2**20

ZOO = """\
active: a
budget: {{ram: 260MiB, ram_reserve: 64MiB}}
status: {{listen: "127.0.0.1:{status}"}}
gateway: false
models:
  a:
    command: {command}
    memory: {{ram: 160MiB}}
    stop: {{grace: 5s}}
    ready: {{http: /health, interval: 200ms, deadline: 30s}}
"""
EATER = "held = b'x' * ({mib} << 20); print('in', flush=True); import sys; sys.stdin.read()"


@pytest.fixture
def zoo(zoosup):
    """A zoosup whose only model is ready, and fills most of the budget."""
    (status,) = free_ports(1)
    command = json.dumps([sys.executable, "-m", "zoosup.demo", "--port", "${PORT}", "--ram", "96MiB"])
    zoo = zoosup(ZOO.format(status=status, command=command), status)
    zoo.start()
    zoo.wait_phase("a", "ready")
    yield zoo
    zoo.terminate()  # the end of what was held has just started it anew, perhaps


@pytest.fixture
def typed(zoo):
    """Types `zoosup hold` with a command, as a process of its own; ends what is left of it."""
    left = []

    def run(*words):
        process = subprocess.Popen(
            [BIN / "zoosup", "hold", *words],
            env=zoo.env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        left.append(process)
        return process

    yield run
    for process in left:
        process.kill()
        process.communicate()


def eat(mib):
    return "--", sys.executable, "-c", EATER.format(mib=mib)


def the_hold(zoo):
    (found,) = zoo.status()["holds"].values()
    return found


def test_a_game_runs_in_its_room_and_the_active_model_comes_back_after(zoo, typed):
    game = typed("--ram", "200MiB", "--force", *eat(120))
    assert "in\n" == game.stdout.readline()
    assert "pending" == zoo.model("a")["phase"]
    assert game.pid == the_hold(zoo)["pid"]
    zoo.wait(lambda s: the_hold(zoo)["memory"]["ram"]["held"] >= 120 * MIB, "what it holds to be seen")
    pool = zoo.status()["pools"][0]
    assert 200 * MIB == pool["reserved"]
    assert "is short of" in zoo.model("a")["message"]
    game.send_signal(signal.SIGINT)
    assert game.wait() in {130, -signal.SIGINT}, "the signal reached nobody"
    zoo.wait_phase("a", "ready")
    assert {} == zoo.status()["holds"]


def test_a_client_that_is_killed_frees_what_it_holds_and_what_it_waits_for(zoo, typed):
    holder = typed("--ram", "200MiB", "--force", *eat(8))
    assert "in\n" == holder.stdout.readline()
    zoo.cli("hold", "--ram", "90MiB")  # has no room beside it, and is refused
    holder.kill()
    zoo.wait_phase("a", "ready")
    assert {} == zoo.status()["holds"]


def kill_once_kept(zoo):
    """SIGKILL for a zoosup whose hold is on the disk."""
    state = zoo.state / "state.json"
    poll(lambda: state.exists() and the_hold(zoo)["id"] in state.read_text(), "the hold to be kept")
    zoo.process.kill()
    zoo.process.wait()


def test_a_zoosup_that_is_killed_takes_no_room_away(zoo, typed):
    holder = typed("--ram", "200MiB", "--force", *eat(8))
    assert "in\n" == holder.stdout.readline()
    kill_once_kept(zoo)
    zoo.start()
    zoo.wait(lambda s: s["models"]["a"]["phase"] == "pending", "the next zoosup to know what is held")
    assert (holder.pid, "held") == (the_hold(zoo)["pid"], the_hold(zoo)["state"])
    holder.kill()
    zoo.wait_phase("a", "ready")


def test_of_one_that_ended_while_no_zoosup_was_there_nothing_is_held(zoo, typed):
    holder = typed("--ram", "200MiB", "--force", *eat(8))
    assert "in\n" == holder.stdout.readline()
    kill_once_kept(zoo)
    holder.kill()
    holder.wait()
    zoo.start()
    zoo.wait_phase("a", "ready")
    assert {} == zoo.status()["holds"]


def test_what_a_command_forks_counts_and_is_never_touched(zoo, typed):
    forks = f'{sys.executable} -c "{EATER.format(mib=60)}" & echo $!; wait'
    holder = typed(
        "--ram",
        "80MiB",
        "--",
        "sh",
        "-c",
        forks.replace("import sys; sys.stdin.read()", "import time; time.sleep(600)"),
    )
    child = int(holder.stdout.readline())
    try:
        zoo.wait(
            lambda s: the_hold(zoo)["memory"]["ram"]["held"] >= 60 * MIB, "the child's memory to be seen"
        )
        holder.kill()
        zoo.wait(lambda s: not s["holds"], "the hold to end with its command")
        assert alive(child)
        assert "ready" == zoo.model("a")["phase"]
    finally:
        os.kill(child, signal.SIGKILL)


def test_exit_codes_and_lists_are_those_of_the_command_line(zoo):
    assert 7 == zoo.cli("hold", "--ram", "8MiB", "--", "sh", "-c", "exit 7").returncode
    none = zoo.cli("hold", "--ram", "200MiB")
    assert (1, True) == (none.returncode, none.stderr.startswith("zoosup: no room: ram is short of 100 MiB"))
    kept = zoo.cli("hold", "--ram", "8MiB", "--for", "1h", "--json")
    hold_id = json.loads(kept.stdout)["id"]
    listed = zoo.cli("hold", "--list").stdout
    assert (True, True) == (listed.startswith(f"{hold_id}  held: 8 MiB of ram"), " left" in listed)
    assert 0 == zoo.cli("hold", "--release", hold_id).returncode
    assert "" == zoo.cli("hold", "--list").stdout
