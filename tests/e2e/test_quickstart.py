"""The quick start as a new user runs it: a fresh checkout, ./examples/quickstart/run, edits of zoo.yaml.

The tour in examples/quickstart/zoo.yaml, step by step, on ports of its own.
"""

import os
import re
import shutil
import signal
import subprocess
import time
from pathlib import Path

import psutil
import pytest

from tests.e2e.driver import alive, free_ports, listens

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]  # the first start makes a virtual environment

openai = pytest.importorskip("openai", reason="needs the dependency group e2e")

ROOT = Path(__file__).parents[2]
MIB = 1024 * 1024
PORTS = {"small": "18101", "medium": "18102", "large": "18103", "status": "8081", "gateway": "8080"}


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    """The files that git knows or would take, nothing that was built."""
    copy = tmp_path_factory.mktemp("checkout")
    listing = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, check=True, capture_output=True, text=True,
    )  # fmt: skip
    for name in filter(None, listing.stdout.split("\0")):
        if (ROOT / name).exists():
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, copy / name)
    subprocess.run([copy / "examples/quickstart/run", "--help"], check=True, stdout=subprocess.DEVNULL)
    return copy


@pytest.fixture
def zoo(checkout, zoosup):
    pristine = (ROOT / "examples/quickstart/zoo.yaml").read_text()
    ports = dict(zip(PORTS, free_ports(len(PORTS)), strict=True))
    text = re.sub(
        r"\b(18101|18102|18103|8081|8080)\b",
        lambda found: str(next(ports[name] for name, old in PORTS.items() if old == found[0])),
        pristine,
    )
    zoo = zoosup(text, ports["status"], command=(str(checkout / "examples/quickstart/run"),))
    zoo.ports = ports
    zoo.file = checkout / "examples/quickstart/zoo.yaml"
    zoo.file.write_text(text)
    zoo.env["ZOOSUP_FILE"] = str(zoo.file)
    zoo.env["PATH"] = os.environ["PATH"]
    zoo.start()
    zoo.wait_phase("small", "ready")
    return zoo


def active(zoo, names):
    old = re.search(r"^active:.*$", zoo.file.read_text(), re.MULTILINE)[0]
    zoo.edit((f"\n{old}\n", f"\nactive: {names}\n"))


def conditions(zoo, name):
    return {c["type"]: c for c in zoo.model(name)["conditions"]}


def test_the_active_model_answers_an_openai_client(zoo):
    with openai.OpenAI(base_url=f"http://127.0.0.1:{zoo.ports['small']}/v1", api_key="-") as api:
        answer = api.chat.completions.create(model="small", messages=[{"role": "user", "content": "hi"}])
        stream = api.chat.completions.create(
            model="small", messages=[{"role": "user", "content": "hi"}], stream=True
        )  # fmt: skip
        said = "".join(chunk.choices[0].delta.content or "" for chunk in stream)
        vector = api.embeddings.create(model="small", input="hi").data[0].embedding
    assert "demonstration" in said
    assert answer.choices[0].message.content == said
    assert 64 == len(vector)


def test_status_wait_and_logs_speak_of_it(zoo):
    done = zoo.cli("wait", "--for", "converged", "--timeout", "30s")
    assert 0 == done.returncode, done.stderr
    shown = zoo.cli("status")
    assert 0 == shown.returncode
    assert re.search(r"small.*ready", shown.stdout)
    assert "small is ready" in zoo.cli("logs", "small").stdout


def test_a_model_that_fits_beside_the_old_one_starts_before_that_one_stops(zoo):
    first = zoo.pid("small")
    active(zoo, "large")
    while zoo.model("large")["phase"] != "ready":
        assert alive(first), "small was stopped before large was ready"
        time.sleep(0.02)
    zoo.wait_phase("small", "stopped")
    assert not alive(first)
    assert not listens(zoo.ports["small"])


def test_a_model_that_does_not_fit_beside_the_old_one_starts_after_it_is_gone(zoo):
    active(zoo, "large")
    zoo.wait_phase("small", "stopped")
    old = zoo.pid("large")
    active(zoo, "medium")
    new = zoo.wait(lambda s: s["models"]["medium"]["pid"], "medium to be started")["models"]["medium"]["pid"]
    assert not alive(old)
    zoo.wait_phase("medium", "ready")
    held = psutil.Process(new).memory_info().rss / MIB
    assert 460 < held < 500, "the declared memory does not cover what the demonstration holds"


def test_two_run_at_once_and_a_third_waits_with_the_sum(zoo):
    active(zoo, "[small, medium, large]")
    zoo.wait_phase("medium", "ready")
    waiting = zoo.wait_phase("large", "pending")
    assert zoo.pid("small") != zoo.pid("medium")
    assert "700" in waiting["message"]


def test_a_model_that_never_fits_costs_the_running_one_nothing(zoo):
    before = zoo.pid("small")
    active(zoo, "huge")
    zoo.wait(lambda s: s["models"]["huge"]["reason"] == "ExceedsBudget", "huge to be refused")
    admitted = conditions(zoo, "huge")["Admitted"]
    assert (False, "ExceedsBudget") == (admitted["status"], admitted["reason"])
    assert before == zoo.pid("small")
    assert "ready" == zoo.model("small")["phase"]


def test_a_live_edit_keeps_the_process(zoo):
    before, generation = zoo.pid("small"), zoo.status()["config"]["generation"]
    zoo.edit(("grace: 15s", "grace: 5s"), ("Loads in two seconds", "Loads fast"))
    zoo.wait(lambda s: s["config"]["observed_generation"] > generation, "the edit to be applied")
    assert before == zoo.pid("small")
    assert 0 == zoo.model("small")["restarts"]


def test_a_broken_file_changes_no_process_and_names_the_line(zoo):
    before = zoo.pid("small")
    line = zoo.file.read_text().splitlines().index("active: small") + 1
    zoo.edit(("\nactive: small\n", "\nactiv: small\n"))
    error = zoo.wait(lambda s: s["config"]["error"], "the error to be shown")["config"]["error"]
    assert f"zoo.yaml:{line}:" in str(error)
    assert before == zoo.pid("small")
    zoo.edit(("\nactiv: small\n", "\nactive: small\n"))
    zoo.wait(lambda s: not s["config"]["error"], "the file to be taken again")
    assert before == zoo.pid("small")


def test_a_killed_model_is_restarted(zoo):
    before = zoo.pid("small")
    os.kill(before, signal.SIGKILL)
    model = zoo.wait(
        lambda s: s["models"]["small"]["phase"] == "ready" and s["models"]["small"]["pid"] != before,
        "small to be ready again",
    )["models"]["small"]
    assert alive(model["pid"])
    assert 1 == model["restarts"]
    assert ("Signaled", "SIGKILL") == (model["last_exit"]["reason"], model["last_exit"]["signal"])


def test_a_model_that_crashes_again_and_again_backs_off(zoo):
    active(zoo, "[small, flaky]")
    zoo.wait(lambda s: s["models"]["flaky"]["phase"] == "backoff", "flaky to back off")
    model = zoo.model("flaky")
    assert ("Error", 3) == (model["last_exit"]["reason"], model["last_exit"]["code"])
    assert model["restarts"] >= 1
    assert "ready" == zoo.model("small")["phase"]


def test_a_second_supervisor_is_told_apart(zoo):
    second = zoo.cli("run", str(zoo.file))
    assert 75 == second.returncode
    assert 1 == len(second.stderr.strip().splitlines())


def test_sigterm_stops_every_model_and_leaves_nothing(zoo):
    active(zoo, "[small, medium]")
    zoo.wait_phase("medium", "ready")
    left = zoo.descendants()
    assert {zoo.pid("small"), zoo.pid("medium")} <= set(left)
    assert 0 == zoo.terminate()
    assert [] == [pid for pid in left if alive(pid)]
    assert [False, False] == [listens(zoo.ports[name]) for name in ("small", "medium")]
