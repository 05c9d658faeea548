"""Memory that runs out for good, in a real cgroup: the kernel's own count says whether zoosup came in time."""

import subprocess
import sys

import pytest

from tests.faults.faulty_zoo import faulty, running_zoo
from tests.faults.resource_limits import joining, memory_cgroup, oom_kills
from tests.faults.table import fault

MIB = 1 << 20
LIMIT = 800 * MIB
RESERVE = 240
"""MiB, which makes it hard under 120 and critical under 60."""

STRANGER = (
    "import sys, time; held = b'x' * (int(sys.argv[1]) << 20); print('holds', flush=True); time.sleep(600)"
)


@pytest.fixture(scope="module")
def cgroup():
    with memory_cgroup(LIMIT) as made:
        if isinstance(made, str):
            pytest.skip(made)
        yield made


@pytest.fixture(scope="module")
def zoo(tmp_path_factory, cgroup):
    models = {"grows": faulty("grows", memory={"ram": "100MiB"})}
    with running_zoo(tmp_path_factory.mktemp("pressure"), models, joining(cgroup)) as zoo:
        zoo.zoosup.edit(("ram_reserve: 64MiB", f"ram_reserve: {RESERVE}MiB"))
        zoo.zoosup.wait(lambda s: s["pools"][0]["reserve"] == RESERVE * MIB, "the reserve to be in force")
        assert LIMIT == zoo.zoosup.status()["pools"][0]["total"]
        yield zoo


@pytest.fixture(autouse=True)
def _neighbour_and_kernel(zoo, cgroup):
    yield
    zoo.unharmed()
    assert 0 == oom_kills(cgroup)


def free(zoo):
    """MiB."""
    return zoo.zoosup.status()["pools"][0]["free"] // MIB


def grow(zoo, leave):
    """Have the model take all but so many MiB of what is free."""
    draft = zoo.place("grows") / "holds.new"
    draft.write_text(str(free(zoo) - leave))
    draft.replace(zoo.place("grows") / "holds")


def declare(zoo, before, after):
    """What is declared anew is final, whatever it was held to need before."""
    (zoo.place("grows") / "holds").unlink(missing_ok=True)
    zoo.zoosup.edit((before, after))
    zoo.zoosup.wait(lambda s: s["models"]["grows"]["reason"] != "ExceedsBudget", "the new declaration")
    zoo.stop("grows")


def pressure(zoo, model=None):
    events = zoo.client.get("events")["events"]
    return [e for e in events if e["type"] == "Pressure" and (model is None or e["model"] == model)]


@fault(
    "a model outgrows its need by all that is left but 90 MiB",
    "stopped as the offender after 3 s, before the kernel has to kill; then held to need what it took",
    16,
)
def test_an_offender_is_stopped_by_signal_and_held_to_need_what_it_took(zoo):
    zoo.start("grows")
    grow(zoo, leave=90)
    zoo.zoosup.wait(lambda s: s["models"]["grows"]["reason"] == "ExceedsBudget", "the refusal")
    last = zoo.zoosup.model("grows")["last_exit"]
    assert ("SIGTERM", True) == (last["signal"], "above its need" in last["message"])
    assert ["Hard"] == [e["reason"] for e in pressure(zoo, "grows")]
    assert 0 == zoo.zoosup.model("grows")["restarts"]
    assert "ram is short of" in zoo.zoosup.model("grows")["message"]
    declare(zoo, "100MiB", "101MiB")


@fault(
    "a model takes 200 MB a second and would never stop",
    "SIGKILL at once, before the kernel has to",
    16,
)
def test_one_that_grows_without_end_is_killed_before_the_kernel_does_it(zoo):
    zoo.start("grows")
    grow(zoo, leave=-10_000)
    zoo.zoosup.wait(lambda s: s["models"]["grows"]["reason"] == "ExceedsBudget", "the refusal")
    assert "SIGKILL" == zoo.zoosup.model("grows")["last_exit"]["signal"]
    assert "Critical" in [e["reason"] for e in pressure(zoo, "grows")]
    declare(zoo, "101MiB", "102MiB")


@fault(
    "a stranger takes all but 100 MiB of memory",
    "stops nobody, for it would not help; `MemoryPressure` ExternalPressure says so",
    9,
    16,
)
def test_what_a_stranger_takes_costs_nobody_its_place(zoo, cgroup):
    zoo.start("grows")
    before = len(pressure(zoo))
    words = (*joining(cgroup), sys.executable, "-IS", "-c", STRANGER, str(free(zoo) - 100))
    with subprocess.Popen(words, stdout=subprocess.PIPE) as stranger:
        try:
            assert stranger.stdout is not None
            assert b"holds\n" == stranger.stdout.readline()
            pid = zoo.zoosup.pid("grows")
            zoo.zoosup.wait(
                lambda s: any(c["reason"] == "ExternalPressure" for c in s["conditions"]), "the condition"
            )
            time_to_act = 4
            with pytest.raises(subprocess.TimeoutExpired):
                stranger.wait(time_to_act)
            assert pid == zoo.zoosup.pid("grows")
        finally:
            stranger.kill()
    zoo.zoosup.wait(lambda s: not any(c["type"] == "MemoryPressure" for c in s["conditions"]), "relief")
    told = pressure(zoo)[before:]
    assert ("ExternalPressure", "Over") == (told[0]["reason"], told[-1]["reason"])
    assert {None} == {e["model"] for e in told}
    zoo.stop("grows")
