"""`zoosup plan`: the supervisor's own answer, render_plan; without one, this host's."""

import json

import pytest

from tests.cli.fakes import plan, pool, sums
from tests.web.fakes import condition
from zoosup.cli.commands.files.plan import render_plan
from zoosup.cli.render.layout import length, plain

TEXT = "active: [a]\nmodels:\n  a: {command: sleep 1, memory: {ram: 1MiB}}\n  b: {command: sleep 1}\n"


def words(lines) -> str:
    return " ".join(plain(lines).split())


@pytest.fixture
def file(shell):
    path = shell.home / "zoo.yaml"
    path.write_text(TEXT)
    return path


async def test_without_a_file_it_is_about_the_one_that_is_followed(shell, runtime, server):
    ended = await shell("plan", "--json")
    assert (0, plan() | {"offline": False}) == (ended.code, json.loads(ended.out))
    assert [("plan", None, "/srv/zoo.yaml")] == runtime.commands.wishes


async def test_with_a_file_it_is_about_its_text(shell, runtime, server, file):
    ended = await shell("plan", "zoo.yaml")
    assert (0, "") == (ended.code, ended.err)
    assert [("plan", TEXT, "zoo.yaml")] == runtime.commands.wishes
    assert "- drain a NotWanted: b takes its place" in ended.out


@pytest.mark.parametrize(("changes", "code"), [(True, 2), (False, 0)])
async def test_with_detailed_exitcode_changes_are_2(shell, runtime, server, changes, code):
    runtime.commands.answer = plan(changes=changes)
    assert code == (await shell("plan", "--detailed-exitcode")).code
    assert 0 == (await shell("plan")).code


WAY = {
    "steps": [
        {"action": "stop", "model": "a", "cause": "NotWanted", "message": "b takes its place"},
        {"action": "start", "model": "b", "need": {"ram": 1 << 30}, "message": "ram: needs 1 GiB"},
        {"action": "restart", "model": "c", "need": {}, "cause": "SpecChanged", "message": "command"},
    ],
    "live": {"": ["budget"], "d": ["stop.grace", "aliases"]},
    "refused": [],
    "settled": True,
    "outcome": {},
}
REFUSED = {
    "phase_now": "pending",
    "verdict": "refused",
    "reason": "ExceedsBudget",
    "message": "ram is short of 80 GiB",
    "sums": [sums()],
}


def test_the_whole_way_is_shown_in_order():
    shown = words(render_plan(plan(**WAY), 80))
    assert (
        "- stop a NotWanted: b takes its place + start b with 1 GiB of ram ± restart c SpecChanged: command "
        "~ zoo.yaml: applied live budget, without a restart "
        "~ d: applied live stop.grace, aliases, without a restart"
    ) in shown


async def test_what_is_refused_is_1_and_has_one_sum(shell, runtime, server):
    runtime.commands.answer = plan(**WAY | {"refused": ["huge"], "outcome": {"huge": REFUSED}})
    for options in ((), ("--detailed-exitcode",), ("--json",)):
        assert 1 == (await shell("plan", *options)).code
    said = (await shell("plan")).out
    assert "✗ huge: refused" in said
    assert 1 == said.count("short of")


def test_a_way_that_does_not_end_is_told_as_such():
    assert "not foreseen" in words(render_plan(plan(**WAY | {"settled": False}), 80))


def test_a_model_that_runs_as_it_was_is_told_with_what_it_waits_for():
    current = condition("Current", "FetchingWeights", "1 of 2 GiB") | {"model": "a"}
    shown = words(render_plan(plan(conditions=[current]), 80))
    assert "a runs as it was before the last edit: its weights are being downloaded: 1 of 2 GiB" in shown
    assert "Nothing to do" not in shown


async def test_an_invalid_file_is_78_with_every_problem(shell, server, file):
    file.write_text("activ: x\n")
    ended = await shell("plan", "zoo.yaml")
    assert (78, "") == (ended.code, ended.out)
    assert ended.err.startswith("zoo.yaml:1:1: ")


async def test_without_a_supervisor_it_is_for_this_host_and_says_so(shell, file):
    ended = await shell("plan", "--detailed-exitcode")
    assert 2 == ended.code
    assert "no supervisor runs; this is for the host with none of its models running" in ended.err
    assert "+ start a with 1 MiB of ram" in ended.out
    assert json.loads((await shell("plan", "--json")).out)["offline"]


async def test_without_a_supervisor_an_invalid_file_is_78(shell, file):
    file.write_text("activ: x\n")
    assert 78 == (await shell("plan")).code


@pytest.mark.parametrize("width", [60, 80, 200, None])
def test_what_waits_is_told_with_both_sums(width):
    shown = words(render_plan(plan(pools=[pool()]), width))
    for fact in (
        "/srv/zoo.yaml as generation 4",
        "- drain a NotWanted: b takes its place",
        "= b: pending WaitingForEviction: a has to leave first",
        "b waits now stopped WaitingForEviction: ram is short of 3 GiB",
        "ram needs 10 GiB: short of 3.5 GiB",
        "budget 14 GiB - promised 2 GiB (a 2 GiB)",
        "free 9 GiB - reserve 2 GiB - still loading 512 MiB; others use 5.5 GiB",
    ):
        assert fact in shown


@pytest.mark.parametrize("width", [60, 80, 200])
def test_no_line_is_wider_than_the_terminal(width):
    need_all = plan(pools=[pool()])
    need_all["models"]["b"]["sums"] = [sums(), sums(need=99 << 30, short=90 << 30, credit=1 << 30)]
    assert all(length(each) <= width for each in render_plan(need_all, width))


def test_a_credit_is_told_as_what_comes_back():
    found = plan()
    found["models"]["b"]["sums"] = [sums(credit=3 << 30)]
    assert "+ comes back 3 GiB" in words(render_plan(found, 200))


def test_unknown_memory_is_told_and_not_drawn():
    found = plan()
    found["models"]["b"]["sums"] = [sums(available=None, short=0)]
    shown = words(render_plan(found, 80))
    assert "free unknown" in shown
    assert "█" not in shown


def test_nothing_to_do_is_said():
    assert "Nothing to do." in words(render_plan(plan(actions=[], models={}, wake_in=None), 80))


def test_every_action_has_words():
    actions = [
        {"action": "start", "model": "a", "need": {"ram": 1 << 30}, "message": "ram: needs 1 GiB"},
        {"action": "stop", "model": "b", "cause": "StoppedByHand", "message": "asked"},
        {"action": "inspect", "model": "c", "port": 9, "message": "look at its files and port"},
        {"action": "end-cooldown", "model": "d", "cause": "recovered", "message": "1 GiB came back"},
        {"action": "hold", "model": "e", "phase": "failed", "cause": "FileMissing", "message": "/w/x.gguf"},
    ]
    shown = words(render_plan(plan(actions=actions, models={}), 80))
    for fact in (
        "+ start a with 1 GiB of ram",
        "- stop b StoppedByHand: asked",
        "? inspect c look at its files and port",
        "~ end the cool-down after d recovered: 1 GiB came back",
        "= e: failed FileMissing: /w/x.gguf",
    ):
        assert fact in shown


COMMANDS = """\
active: []
vars: {w: /my models}
models:
  a: {llama: {weights: "${w}/m.gguf", args: [--alias, ""]}}
  b: {command: "serve --at http://x:${PORT}/ --literal '$${x}'"}
  c: {command: "serve --port ${PORT}", port: 9000}
  d: {vllm: {weights: o/r, sleep: true}}
  e: {llama: {weights: /models/m}, container: {image: i/llama.cpp:server, port: 8080}}
"""


async def test_commands_are_printed_as_they_would_be_executed(shell, file):
    file.write_text(COMMANDS)
    ended = await shell("plan", "--commands", "zoo.yaml")
    assert (0, "") == (ended.code, ended.err)
    assert [
        "a: llama-server -m '/my models/m.gguf' --host 127.0.0.1 --port ${PORT} --alias ''",
        "b: serve --at http://x:${PORT}/ --literal '${x}'",
        "c: serve --port 9000",
        "d: VLLM_SERVER_DEV_MODE=1 vllm serve o/r --enable-sleep-mode --host 127.0.0.1 --port ${PORT}",
        "e: container i/llama.cpp:server -m /models/m --host 0.0.0.0 --port 8080",
    ] == ended.out.splitlines()
    as_json = json.loads((await shell("plan", "--commands", "--json", "zoo.yaml")).out)
    assert ["serve", "--port", "9000"] == as_json["c"]


async def test_commands_of_a_bad_file_are_its_mistakes(shell, file):
    file.write_text(COMMANDS.replace("command", "comand"))
    assert 78 == (await shell("plan", "--commands", "zoo.yaml")).code
