import asyncio
from dataclasses import dataclass, field
from typing import Any

import pytest

from zoosup.runtime.events.publisher import Publisher
from zoosup.runtime.publish.init_status import InitStatus, headline, taking_over

pytestmark = pytest.mark.looptime


@dataclass
class Heard:
    """The init system as an ear: what was told, and when (virtual seconds)."""

    watchdog_every: float | None = None
    told: list[tuple[float, str]] = field(default_factory=list)

    def __getattr__(self, word: str):
        def tell(*details: object) -> None:
            now = round(asyncio.get_running_loop().time(), 3)
            self.told.append((now, " ".join(map(str, (word, *details)))))

        return tell

    def words(self, *wanted: str) -> list[str]:
        return [text for _, text in self.told if not wanted or text.split()[0] in wanted]


def model(phase: str = "ready", reason: str = "", *, active: bool = True) -> dict[str, Any]:
    alive = phase in {"ready", "starting", "stopping", "draining", "unready"}
    return {"phase": phase, "reason": reason, "active": active, "run_id": "r1" if alive else None}


def snapshot(phase: str = "running", error: str | None = None, **models: dict[str, Any]) -> dict[str, Any]:
    return {"phase": phase, "config": {"error": error, "generation": 4}, "models": models}


@dataclass
class Stage:
    """A herald with its tasks, its ear and a loop whose last turn can be put into the past."""

    ear: Heard
    publisher: Publisher = field(default_factory=Publisher)
    silent_for: float = 0.0

    def __post_init__(self) -> None:
        self.init_status = InitStatus(self.ear, self.publisher, lambda: self.silent_for)  # type: ignore[arg-type]

    async def play(self, seconds: float, *publish: dict[str, Any]) -> None:
        """Let the tasks run, each snapshot a second after the one before."""
        tasks = [
            asyncio.create_task(self.init_status.announce()),
            asyncio.create_task(self.init_status.pulse()),
        ]
        for each in publish:
            await asyncio.sleep(1)
            self.publisher.publish(each)
        await asyncio.sleep(seconds - len(publish))
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def test_ready_is_told_with_the_first_pass_and_not_when_models_are_ready():
    stage = Stage(Heard())
    await stage.play(3, snapshot(a=model("starting")), snapshot(a=model()))

    expected = [
        (0.0, "watchdog"),
        (1.0, "ready"),
        (1.0, "status 0 of 1 model ready; a: starting"),
        (2.0, "status 1 of 1 model ready"),
    ]
    assert expected == stage.ear.told


async def test_nothing_is_ready_before_a_pass_was_taken():
    stage = Stage(Heard())
    await stage.play(30)

    assert [] == stage.ear.words("ready", "status")


async def test_the_watchdog_is_fed_as_often_as_it_asks():
    stage = Stage(Heard(watchdog_every=0.5))
    await stage.play(2.2)

    assert [0.0, 0.5, 1.0, 1.5, 2.0] == [at for at, word in stage.ear.told if word == "watchdog"]


async def test_a_loop_that_no_longer_turns_starves_the_watchdog_and_gets_no_more_time():
    stage = Stage(Heard(watchdog_every=1.0), silent_for=11.0)
    await stage.play(5, snapshot("stopping", a=model("stopping")))

    assert [] == stage.ear.words("watchdog")
    assert ["extend_timeout 60.0"] == stage.ear.words("extend_timeout")


async def test_a_long_stop_is_told_once_and_asks_for_time_until_it_is_over():
    stage = Stage(Heard())
    await stage.play(32, snapshot(), snapshot("stopping", a=model("stopping")), snapshot("stopping"))

    assert ["stopping"] == stage.ear.words("stopping")
    assert [2.0, 10.0, 20.0, 30.0] == [at for at, word in stage.ear.told if word == "extend_timeout 60.0"]
    assert ["status stopping: 1 model left", "status stopping: 0 models left"] == stage.ear.words("status")[
        1:
    ]


async def test_adoption_asks_for_time_while_it_lasts_and_no_longer():
    ear = Heard()
    async with taking_over(ear):  # type: ignore[arg-type]
        await asyncio.sleep(25)
    await asyncio.sleep(60)

    assert [0.0, 10.0, 20.0] == [at for at, word in ear.told if word == "extend_timeout 60.0"]


async def test_an_adoption_that_fails_fails_as_it_would_without_a_herald():
    ear = Heard()
    with pytest.raises(OSError, match="no process table"):
        async with taking_over(ear):  # type: ignore[arg-type]
            raise OSError("no process table")
    await asyncio.sleep(60)

    assert [] == ear.words("ready")


async def test_a_reload_is_over_when_the_file_was_looked_at():
    stage = Stage(Heard())
    await stage.init_status.reload(lambda: asyncio.sleep(3))

    assert [(0.0, "reloading"), (3.0, "ready")] == stage.ear.told


async def test_a_reload_that_fails_is_over_too():
    async def look():
        raise RuntimeError("internal error")

    stage = Stage(Heard())
    with pytest.raises(RuntimeError):
        await stage.init_status.reload(look)

    assert ["reloading", "ready"] == stage.ear.words()


async def test_whoever_stops_neither_reloads_nor_says_that_it_is_ready_again():
    stage = Stage(Heard())
    reload = asyncio.create_task(stage.init_status.reload(lambda: asyncio.sleep(5)))
    await stage.play(7, snapshot("stopping"))
    await reload
    await stage.init_status.reload(lambda: asyncio.sleep(0))

    assert ["reloading", "ready", "stopping"] == stage.ear.words("reloading", "ready", "stopping")
    assert [(1.0, "ready")] == [told for told in stage.ear.told if told[1] == "ready"]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (snapshot(), "no model is to run"),
        (snapshot(a=model(), b=model("stopped", "NotWanted", active=False)), "1 of 1 model ready"),
        (
            snapshot(a=model(), qwen=model("pending", "WaitingForMemory")),
            "1 of 2 models ready; qwen: waits for memory",
        ),
        (snapshot(a=model("failed", "OOM")), "0 of 1 model ready; a: given up for want of memory"),
        (
            snapshot(error="zoo.yaml:3:1: …", a=model()),
            "1 of 1 model ready; the file is refused, generation 4 stays in force",
        ),
        (
            snapshot(**{name: model("starting") for name in "abcde"}),
            "0 of 5 models ready; a: starting; b: starting; c: starting; 2 more not ready",
        ),
        (snapshot("stopping", a=model("stopping"), b=model("stopped")), "stopping: 1 model left"),
    ],
)
async def test_the_headline_says_how_many_serve_and_why_the_others_do_not(given, expected):
    assert expected == headline(given)
