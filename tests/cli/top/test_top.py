"""`zoosup top` by its own pilot before a source that stands still; and once through a real terminal."""

import asyncio
import os
import shutil
import subprocess
import threading
import time
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace

import pytest

from tests.cli.conftest import BIN, GUARD
from tests.cli.fakes import NOW, healthy, model, plan, snapshot
from zoosup.cli.render.screen import Seen
from zoosup.cli.top.app import TopApp
from zoosup.cli.top.log import LogScreen
from zoosup.cli.top.model import ModelScreen
from zoosup.cli.top.question import Question
from zoosup.errors import ZoosupError

MODELS = {
    "chat": model("ready", inflight=2),
    "embed": model("stopped"),
    "org/big:8b": model("pending", reason="ExceedsBudget", message="needs 90 GiB", refused=True),
}
EVENT = {
    "seq": 1,
    "at": NOW,
    "type": "Asked",
    "model": "chat",
    "reason": "Restart",
    "message": "restart",
    "words": "by hand",
    "data": {},
}


def seen(models=MODELS, **more) -> Seen:
    return Seen(healthy(snapshot(models, **more)), [EVENT])


@dataclass
class Source:
    now: Seen = field(default_factory=seen)
    wishes: list = field(default_factory=list)
    lines: list = field(default_factory=lambda: ["loading [model]", "is ready"])
    refusal: str = ""

    def look(self):
        return self.now

    def act(self, name, verb):
        if self.refusal:
            raise ZoosupError(self.refusal)
        self.wishes.append((name, verb))
        return f"{name} is stopping"

    def log(self, name):
        return self.lines


@asynccontextmanager
async def run(source, size=(120, 40)):
    """An app under its pilot at a size."""
    app = TopApp(source, source.look())
    async with app.run_test(size=size) as pilot:
        await pilot.pause()
        yield app, pilot


def shown(app, selector="#above") -> str:
    return str(app.screen_stack[0].query_one(selector).visual)


def names(app) -> list:
    return [key.value for key in app._table().rows]


async def until(condition, pilot):
    async with asyncio.timeout(GUARD):
        while not condition():
            await pilot.pause(0.02)


async def test_who_needs_somebody_stands_first_below_the_verdict():
    async with run(Source()) as (app, _):
        assert ["org/big:8b", "chat", "embed"] == names(app)
        assert "needs attention" in shown(app)
        assert "can never fit: needs 90 GiB" == str(app._table().get_row("org/big:8b")[-1])
        assert "chat by hand: restart" in shown(app, "#below")


async def test_arrows_choose_enter_opens_and_escape_goes_back():
    async with run(Source()) as (app, pilot):
        await pilot.press("down", "enter")
        assert isinstance(app.screen, ModelScreen)
        assert "process" in str(app.screen.query_one("#detail").visual)
        assert "chat" == app.chosen
        await pilot.press("escape")
        assert 1 == len(app.screen_stack)


@pytest.mark.parametrize(
    ("key", "verb"), [("s", "start"), ("x", "stop"), ("r", "restart"), ("u", "unload"), ("a", "auto")]
)
async def test_an_act_is_done_after_a_yes_alone(key, verb):
    source = Source()
    async with run(source) as (app, pilot):
        await pilot.press("down", key)
        assert isinstance(app.screen, Question)
        await pilot.press("n")
        await pilot.press(key, "escape")
        assert [] == source.wishes
        await pilot.press(key, "y")
        await until(lambda: source.wishes, pilot)
        assert [("chat", verb)] == source.wishes


async def test_the_question_says_who_is_being_answered():
    async with run(Source()) as (app, pilot):
        await pilot.press("down", "r")
        assert "Restart chat?" in str(app.screen.query_one(".title").visual)
        assert "Requests: 2 being answered." in " ".join(
            str(each.visual) for each in app.screen.query("Static")
        )


async def test_a_refusal_is_said_and_ends_nothing():
    async with run(Source(refusal="zoosup is stopping")) as (app, pilot):
        await pilot.press("x", "y")
        await until(lambda: app._notifications, pilot)
        assert ["zoosup is stopping"] == [each.message for each in app._notifications]


async def test_the_log_is_followed_and_filtered():
    source = Source()
    async with run(source) as (app, pilot):
        await pilot.press("down", "l")
        assert isinstance(app.screen, LogScreen)
        log = app.screen.query_one("#lines")
        await until(lambda: len(log.lines) == 2, pilot)
        source.lines = [*source.lines, "answers"]
        await until(lambda: len(log.lines) == 3, pilot)
        await pilot.press("slash", *"ANSW", "enter")
        assert ["answers"] == [each.text.rstrip() for each in log.lines]


async def test_models_are_filtered_by_what_their_row_says():
    async with run(Source()) as (app, pilot):
        await pilot.press("slash", *"never fit", "enter")
        assert ["org/big:8b"] == names(app)
        await pilot.press("escape")
        assert 3 == len(names(app))


async def test_a_long_name_leaves_the_other_columns_their_room():
    long = f"Qwen3-{'very-' * 20}Q4_K_M"
    async with run(Source(seen({long: model("ready"), f"{long}-b": model("ready")})), (80, 24)) as (
        app,
        pilot,
    ):
        await pilot.pause()
        row = [str(cell) for cell in app._table().get_row(long)]
        assert ("Qwen3-very-v…", "Q4_K_M", "ready") == (row[0][:13], row[0][-6:], row[1])
        assert len(row[0]) <= 26
        await pilot.press("slash", *"very-very-very-q4_k_m-b")
        await until(lambda: [f"{long}-b"] == names(app), pilot)


async def test_a_filter_begun_from_a_model_goes_back_to_the_models():
    async with run(Source()) as (app, pilot):
        await pilot.press("enter", "slash", *"chat")
        assert 1 == len(app.screen_stack)
        assert ["chat"] == names(app)


@pytest.mark.parametrize("keys", [(), ("l",)])
def test_it_ends_at_once_while_a_supervisor_hangs(keys):
    hangs, asked = threading.Event(), threading.Event()

    class Hanging(Source):
        def look(self):
            if threading.current_thread() is not threading.main_thread():
                asked.set()
                hangs.wait(GUARD)
            return self.now

        def log(self, name):
            return self.look()

    async def left():
        async with run(Hanging()) as (_, pilot):
            await pilot.press(*keys)
            await until(asked.is_set, pilot)

    begin = time.monotonic()
    try:
        asyncio.run(left())
    finally:
        hangs.set()
    assert time.monotonic() - begin < GUARD / 2


async def test_a_switch_is_followed_and_the_chosen_model_stays_chosen():
    source = Source()
    async with run(source) as (app, pilot):
        await pilot.press("down")
        assert "chat" == app.chosen
        models = {
            **MODELS,
            "chat": model("draining", active=False),
            "embed": model("pending", reason="WaitingForEviction"),
        }
        switch = {"incoming": ["embed"], "outgoing": ["chat"], "outcome": "open"}
        source.now = replace(seen(models, switch=switch, converged=False), plan=plan())
        await until(lambda: "finishes" in shown(app), pilot)
        assert "chat                 ✓ serves   → finishes   · stops   · memory is back" in shown(app)
        assert "embed                → waits   · loads   · ready" in shown(app)
        assert "what comes next" in shown(app, "#below")
        assert "chat" == app.chosen


async def test_a_supervisor_that_is_away_is_told_with_what_was_seen_last():
    source = Source()
    async with run(source) as (app, pilot):
        source.now = replace(source.now, trouble="no supervisor answers")
        await until(lambda: "no supervisor answers. This is how things stood last." in shown(app), pilot)
        assert 3 == len(names(app))


@pytest.mark.parametrize("size", [(60, 15), (80, 24), (200, 50)])
async def test_at_any_size_models_have_room(size):
    error = "\n".join(f"zoo.yaml:{n}:1: {'x ' * 60}" for n in range(40))
    async with run(Source(seen(config={"error": error})), size) as (app, pilot):
        await pilot.pause()
        assert app._table().size.height >= 3
        assert (size[0] >= 150) == app.query_one("#body").has_class("beside")


async def test_without_textual_it_is_said_how_to_get_it(shell, server, tmp_path):
    leader, screen = os.openpty()
    (tmp_path / "textual.py").write_text("raise ModuleNotFoundError('no textual')")
    shell.env["PYTHONPATH"] = str(tmp_path)
    process = await shell.start("top", stdout=screen)
    async with asyncio.timeout(GUARD):
        _, err = await process.communicate()
    os.close(screen)
    os.close(leader)
    assert (1, b"zoosup: top needs Textual: pip install 'zoosup[top]'\n") == (process.returncode, err)


async def test_in_a_pipe_it_says_what_to_do_instead(shell, server):
    ended = await shell("top")
    assert (64, "") == (ended.code, ended.out)
    assert "zoosup status" in ended.err


@pytest.mark.skipif(shutil.which("tmux") is None, reason="needs tmux")
async def test_in_a_real_terminal_it_shows_asks_and_is_left(shell, runtime, server, tmp_path):
    def tmux(*words):
        command = ["tmux", "-S", str(tmp_path / "tmux"), *words]
        return subprocess.run(
            command, check=True, capture_output=True, text=True, env=shell.environment()
        ).stdout

    async def shows(text):
        async with asyncio.timeout(GUARD):
            while text not in await asyncio.to_thread(tmux, "capture-pane", "-p"):
                await asyncio.sleep(0.1)

    shell.env |= {"TERM": "xterm-256color", "SHELL": "/bin/sh", "LANG": "C.UTF-8"}
    left = tmp_path / "left"
    await asyncio.to_thread(
        tmux, "-u", "new-session", "-d", "-x", "120", "-y", "30", f"{BIN} top; echo $? > {left}"
    )
    try:
        await shows("org/model:8b")
        await asyncio.to_thread(tmux, "send-keys", "r")
        await shows("Restart a?")
        await asyncio.to_thread(tmux, "send-keys", "y")
        async with asyncio.timeout(GUARD):
            while not runtime.commands.wishes:
                await asyncio.sleep(0.05)
        assert [("restart", "a")] == runtime.commands.wishes
        await asyncio.to_thread(tmux, "send-keys", "q")
        async with asyncio.timeout(GUARD):
            while not (left.is_file() and left.read_text()):
                await asyncio.sleep(0.05)
        assert "0\n" == left.read_text()
    finally:
        subprocess.run(
            ["tmux", "-S", str(tmp_path / "tmux"), "kill-server"], check=False, capture_output=True
        )
