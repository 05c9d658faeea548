"""What is made of the answers of a supervisor, while a model is measured."""

import pytest

from zoosup.cli.commands.files import measuring
from zoosup.errors import UnreachableError, ZoosupError
from zoosup.importing.draft import Model
from zoosup.importing.measured import Held
from zoosup.importing.report import Origin

MIB = 2**20


def looks(phase, ram=0, **more):
    memory = {"ram": {"peak": ram, "mapped": more.pop("mapped", None)}}
    if "gpu" in more:
        memory |= {"vram:a": {"peak": more["gpu"]}, "vram:b": {"peak": more.pop("gpu")}}
    usual = {"reason": "", "message": "", "active": False, "last_exit": None, "refused": phase == "failed"}
    return {"phase": phase, "memory": memory} | usual | more


class Supervisor:
    """Answers each look with the next, the last one for ever; after a stop with that."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.asked = []

    def post(self, _models, _name, verb):
        self.asked.append(verb)

    def get(self, _status, *_name):
        if "stop" in self.asked:
            return looks("stopped")
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


class Clock:
    """Time that passes only where somebody sleeps: how busy this host is makes no difference."""

    now = 0.0

    def monotonic(self):
        return self.now

    def sleep(self, seconds):
        self.now += seconds


@pytest.fixture(autouse=True)
def _virtual_time(monkeypatch):
    monkeypatch.setattr(measuring, "time", Clock())


def held(*answers):
    supervisor = Supervisor(*answers)
    try:
        return measuring._held(supervisor, Model("m", Origin("c", 1), {"task": "embed"}))
    finally:
        assert ["start", "stop"] == supervisor.asked


def test_the_most_is_taken_once_it_grows_no_more():
    found = held(
        looks("pending"), looks("starting"), looks("ready"),
        *(looks("ready", ram=n * MIB, mapped=n) for n in range(1, 30)),
    )  # fmt: skip
    assert Held(29 * MIB, 29, 0) == found


def test_all_gpus_count_together():
    assert Held(MIB, 0, 6) == held(looks("ready", ram=MIB, gpu=3))


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (
            looks("failed", reason="NotExecutable", why="can't be executed: x was not found"),
            "can't be executed: x was not found",
        ),
        (
            looks("pending", reason="ExceedsBudget", why="can never fit", refused=True, active=True),
            "can never fit",
        ),
        (looks("pending", reason="WaitingForMemory", why="waits for memory"), "waits for memory"),
        (
            looks(
                "backoff",
                last_exit={"reason": "Error", "message": "exited with code 3", "log": ["a", "no b"]},
            ),
            "exited with code 3: no b",
        ),
        (looks("ready"), "nothing tells what it holds"),
    ],
)
def test_why_one_can_not_be_measured_is_said(answer, said):
    with pytest.raises(ZoosupError) as raised:
        held(answer)
    assert said == str(raised.value)


def test_one_that_goes_after_it_was_ready_is_no_measure():
    with pytest.raises(ZoosupError, match="it is unready after it was ready"):
        held(looks("ready"), looks("ready", ram=1), looks("unready"))


def test_a_supervisor_that_is_gone_is_told_as_such():
    class Gone(Supervisor):
        def get(self, *_):
            raise UnreachableError("gone")

    with pytest.raises(UnreachableError):
        measuring._held(Gone(), Model("m", Origin("c", 1)))
