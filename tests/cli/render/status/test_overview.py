"""The overview and what it is made of: the facts are there, in full, at any width."""

import pytest

from tests.cli.fakes import GIB, NOW, condition, memory, model, pool, snapshot
from zoosup.cli.render import pool_bar
from zoosup.cli.render.layout import length, plain
from zoosup.cli.render.status.detail import detail
from zoosup.cli.render.status.overview import listing, page

WIDTHS = [60, 80, 100, 110, 200]
LONG = "ram is short of 3.1 GiB: needs 18 GiB, free 14.9 GiB, held by a 0 B, others 9.1 GiB, reserve 2 GiB"


def exit_(**more):
    return {
        "reason": "Error",
        "code": 3,
        "signal": None,
        "at": NOW - 125,
        "message": "exited with code 3",
        "log": ["cannot open model.gguf"],
    } | more


def words(lines) -> str:
    return " ".join(plain(lines).split())


def crowd(count: int, phase: str = "stopped"):
    return {f"m{n}": model(phase, active=phase != "stopped") for n in range(count)}


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("models", [crowd(1), crowd(60), crowd(60, "ready"), {}])
def test_no_line_is_wider_than_the_terminal(width, models):
    error = (
        "zoo.yaml:12:5: models.b.port: got 99999, expected 1 to 65535 or auto\nzoo.yaml:13:1: " + "x " * 90
    )
    waiting = {"org/" + "name-" * 24: model("pending", reason="WaitingForMemory", message=LONG)}
    shown = snapshot(
        models | waiting,
        conditions=[condition("Switched", "RolledBack", LONG)],
        config={"error": error, "path": "/srv/" + "deep/" * 20 + "zoo.yaml"},
    )
    too_wide = [each for each in page(shown, width) if length(each) > width]
    # A path or a name that is wider than the terminal by itself is not cut, and no line else is too wide.
    assert all("deep/deep/" in plain([each]) or "name-name-" in plain([each]) for each in too_wide)


@pytest.mark.parametrize("width", WIDTHS)
def test_why_a_model_waits_is_told_in_full(width):
    shown = snapshot({"b": model("pending", reason="WaitingForMemory", message=LONG)})
    assert f"waits for memory: {LONG}" in words(page(shown, width))
    assert f"waits for memory: {LONG}" in plain(listing(shown))


@pytest.mark.parametrize("width", WIDTHS)
def test_a_refused_file_is_told_first_with_every_problem(width):
    error = "zoo.yaml:3:1: activ: unknown key\nzoo.yaml:12:5: models.b.port: got 99999"
    shown = words(page(snapshot(config={"error": error}), width))
    assert "zoo.yaml is refused; generation 3 stays in force:" in shown
    assert "zoo.yaml:3:1: activ: unknown key zoo.yaml:12:5: models.b.port: got 99999" in shown
    assert shown.index("refused") < shown.index("RAM") < shown.index("MODEL")


@pytest.mark.parametrize("width", WIDTHS)
def test_a_row_has_phase_memory_pid_port_and_times(width):
    shown = words(page(snapshot({"a": model("ready", restarts=7)}), width))
    assert "● a ready 1.5 of 2 GiB 4711 8001 1h00m 7" in shown


def test_a_name_that_is_too_long_stands_in_full_above_its_row():
    name = "unsloth/Qwen3-Coder-30B-A3B-Instruct-GGUF:Q4_K_M"
    lines = plain(page(snapshot({name: model("ready")}), 80)).splitlines()
    at = lines.index(f"● {name}")
    assert "ready" in lines[at + 1]
    assert any(
        each.startswith(f"● {name}  ready")
        for each in plain(page(snapshot({name: model("ready")}), 200)).splitlines()
    )


def test_a_stopped_model_tells_what_it_would_need():
    assert "○ b stopped needs 2 GiB" in words(page(snapshot({"b": model("stopped")}), 80))


def test_in_a_crowd_those_that_are_off_become_a_list_of_names():
    shown = page(snapshot(crowd(59) | {"a": model("ready")}), 80)
    assert len(shown) < 24
    assert "59 stopped m0, m1, m2," in words(shown)
    assert "m58" in words(shown)


def test_in_a_crowd_what_needs_a_look_stands_above():
    models = crowd(20, "ready") | {"bad": model("failed", reason="CrashLoop", message="x")}
    shown = words(page(snapshot(models), 80))
    assert shown.index("bad failed") < shown.index("m0 ready")


def test_one_stopped_by_hand_is_told_also_in_a_crowd():
    models = crowd(20) | {
        "a": model("stopped", active=True, reason="StoppedByHand", message="stopped by hand")
    }
    assert "a stopped needs 2 GiB - - - - stopped by hand" in words(page(snapshot(models), 80))


def test_a_back_off_tells_how_the_last_run_ended_and_when_it_is_tried_again():
    crashed = model(
        "backoff",
        reason="BackOff",
        message="crashed 2 times",
        restarts=2,
        backoff_until=NOW + 30,
        last_exit=exit_(),
    )
    shown = words(page(snapshot({"a": crashed}), 80))
    assert "crashed, and waits before the next try: crashed 2 times" in shown
    assert "tried again in 30s" in shown
    assert "last exit 2m05s ago: ended with code 3 (exited with code 3)" in shown


def test_a_crash_of_long_ago_is_not_told_of_a_model_that_runs():
    assert "last exit" not in words(page(snapshot({"a": model("ready", last_exit=exit_(at=NOW - 6000))}), 80))


def test_conditions_are_marked_by_whether_they_are_bad():
    stuck = model(
        "stopping", conditions=[condition("TerminationStuck", "Survivors", "pid 9 lives", status=True)]
    )
    shown = words(
        page(
            snapshot({"a": stuck}, conditions=[condition("Switched", "RolledBack", "b could not start")]), 80
        )
    )
    assert (
        "✗ switch: could not become ready, so those before it came back, 12s ago: b could not start" in shown
    )
    assert "does not end, even by SIGKILL, 12s ago: pid 9 lives" in shown
    good = snapshot(conditions=[condition("Switched", "Completed", "b took over", status=True)])
    assert "✓ switch, 12s ago: b took over" in words(page(good, 80))


def test_a_switch_that_went_well_is_forgotten_after_a_while():
    old = condition("Switched", "Completed", "b took over", status=True) | {"since": NOW - 3600}
    assert "switch" not in words(page(snapshot(conditions=[old]), 80))


def test_escape_sequences_in_messages_do_not_reach_the_terminal():
    evil = model(
        "failed",
        reason="Exited",
        message="\x1b[2Jgone",
        last_exit=exit_(log=["\x1b]0;title\x07"], message="\x1b[A"),
    )
    shown = snapshot(
        {"a": evil}, conditions=[condition("Switched", "X", "\x1b[31m")], config={"error": "\x1b[2J"}
    )
    assert "\x1b" not in plain([*page(shown, 80), *listing(shown), *detail("a", evil, NOW, 80)])


class TestThePool:
    def test_nothing_is_counted_twice_and_all_is_counted(self):
        found = pool_bar.shares(pool())
        assert {"a": GIB * 3 // 2} == found.held
        assert {"a": GIB // 2} == found.promised
        assert 13 * GIB // 2 == found.room  # 9 free, less 0.5 still promised, less 2 reserve
        bar = [part.amount for part in pool_bar._parts(pool(), found, {})]
        assert 16 * GIB == sum(bar)

    def test_the_room_is_bounded_by_the_budget(self):
        assert 3 * GIB == pool_bar.shares(pool(budget=5 * GIB)).room

    def test_an_overbooked_pool_has_no_room_rather_than_less_than_none(self):
        models = {"a": {"reserved": 20 * GIB, "held": GIB}}
        found = pool_bar.shares(pool(models=models, reserved=20 * GIB))
        assert 0 == found.room
        assert 0 == found.reserve

    def test_an_unknown_reading_is_told_and_not_drawn_as_free(self):
        unread = pool(free=None, foreign=None, source="unreadable: /proc/meminfo")
        shown = plain(pool_bar.as_bar(unread, 80, {}))
        assert "can't be read (unreadable: /proc/meminfo); nothing is started" in shown
        assert "?" * 20 in shown
        assert "·" not in shown
        assert "free unknown" in pool_bar.as_text(unread)

    @pytest.mark.parametrize("width", [70, 80, 200])
    def test_its_bar_is_as_wide_as_the_terminal_with_a_legend(self, width):
        title, bar, *legend = pool_bar.as_bar(pool(), width, {"a": "cyan"})
        assert width == length(bar)
        assert "RAM  16 GiB   budget 14 GiB, 2 GiB promised   room for 6.5 GiB more\n" == plain([title])
        assert "█▒ a 1.5 of 2 GiB ▓ others 5.5 GiB ╱ reserve 2 GiB · free 6.5 GiB" == words(legend)  # noqa: RUF001 - hatching, not a slash

    def test_a_budget_that_binds_has_a_bar_of_its_own(self):
        lines = plain(pool_bar.as_bar(pool(budget=4 * GIB), 80, {})).splitlines()
        assert lines[2].startswith("budget 4 GiB ███")
        assert 80 == len(lines[2])
        assert not [
            each for each in plain(pool_bar.as_bar(pool(), 80, {})).splitlines() if each.startswith("budget")
        ]

    def test_a_crowd_is_summed_up_in_the_legend(self):
        models = {f"m{n}": {"reserved": (n + 1) * GIB // 8, "held": (n + 1) * GIB // 8} for n in range(20)}
        shown = words(pool_bar.as_bar(pool(models=models, reserved=26 * GIB), 80, {}))
        assert "m19 2.5 GiB" in shown
        assert "m11" not in shown
        assert "12 more models 9.8 GiB" in shown


def test_a_refused_file_is_told_once_and_the_revision_in_force_beside_its_generation():
    config = {"revision": "a1b2c3", "error": "zoo.yaml:1:9: no such model"}
    drift = condition("FileInForce", "Refused", config["error"])
    shown = snapshot(config=config, conditions=[drift])
    for text in (plain(page(shown, 200)), plain(listing(shown))):
        assert 1 == text.count(config["error"])
        assert "generation 3 (a1b2c3)" in text


def test_the_listing_has_a_model_on_each_line_and_is_never_wrapped():
    long = model("pending", reason="WaitingForMemory", message=LONG)
    busy = model("ready", inflight=3, waiting=2)
    lines = plain(listing(snapshot({"a": busy, "org/b:8b": long}))).splitlines()
    assert "zoosup 0.1.0 default on box, pid 4242: all is well, generation 3 of /srv/zoo.yaml" == lines[0]
    assert lines[1].startswith(
        "pool ram: total 16 GiB, free 9 GiB, budget 14 GiB, reserve 2 GiB, reserved 2 GiB"
    )
    assert [
        "MODEL",
        "PHASE",
        "ACTIVE",
        "PID",
        "PORT",
        "HELD",
        "NEED",
        "UP",
        "RESTARTS",
        "LAST_EXIT",
        "REQUESTS",
        "WHY",
    ] == (lines[2].split())
    assert [
        "a",
        "ready",
        "yes",
        "4711",
        "8001",
        "1.5",
        "GiB",
        "2",
        "GiB",
        "1h00m",
        "-",
        "-",
        "3+2",
        "-",
    ] == lines[3].split()
    assert lines[4].endswith(f"waits for memory: {LONG}")


def test_a_model_that_clients_ask_for_tells_how_many_they_are():
    asked = model("ready", on_demand=True, active=False, inflight=3, waiting=2, aliases=["gpt-4o-mini"])
    shown = words(page(snapshot({"a": asked}) | {"gateway": "127.0.0.1:8080"}, 100))
    assert "requests: 3 being answered, 2 waiting for it" in shown
    assert "gateway 127.0.0.1:8080" in shown
    assert "◌ a" in shown
    told = words(detail("a", asked, NOW, None))
    assert "on demand" in told
    assert "gpt-4o-mini" in told


@pytest.mark.parametrize(
    ("warm", "told"),
    [
        (None, ""),
        ({"there": GIB, "size": 4 * GIB, "reading": True}, "weights 1 of 4 GiB in memory, being read ahead"),
        ({"there": 4 * GIB, "size": None, "reading": False}, "weights 4 GiB in memory, read ahead"),
    ],
)
def test_the_detail_tells_what_of_the_weights_is_in_memory(warm, told):
    rests = words(detail("a", model("stopped") | {"warm": warm}, NOW, None))
    assert told in rests
    assert bool(told) == ("in memory" in rests)


def test_the_detail_tells_how_far_a_load_is():
    known = {"share": 0.5, "source": "bytes", "words": "50 %, 4 GiB of 8 GiB read"}
    loading = model("starting") | {"started_at": NOW - 12.0, "progress": known}
    assert "load loading for 12s: 50 %, 4 GiB of 8 GiB read" in words(detail("a", loading, NOW, None))


def test_the_detail_has_everything_the_log_of_the_last_run_included():
    shown = model(
        "backoff",
        description="Chat, 32k",
        reason="BackOff",
        message="crashed 3 times",
        restarts=3,
        backoff_until=NOW + 65,
        override="start",
        last_exit=exit_(signal="SIGSEGV", code=None, reason="Signaled"),
        memory={"ram": memory(2 * GIB)},
        conditions=[condition("Admitted", "WaitingForMemory", LONG)],
    )
    for width in (60, 200, None):
        text = words(detail("a", shown, NOW, width))
        for fact in (
            "a backoff active",
            "description Chat, 32k",
            "why crashed, and waits before the next try: crashed 3 times",
            "code BackOff",
            "next try in 1m05s",
            "by hand start, until `active` says something new about it",
            "memory ram needs 2 GiB (declared)",
            "restarts 3",
            "last exit killed by SEGV, 2m05s ago: exited with code 3",
            f"Admitted no does not start: waits for memory, 12s ago: {LONG}",
            "its last 1 lines cannot open model.gguf",
        ):
            assert fact in text


def test_the_detail_of_a_running_model_tells_its_run():
    text = words(detail("a", model("ready"), NOW, 80))
    assert "process pid 4711, http://127.0.0.1:8001" in text
    assert "started 1h01m ago, ready after 1m40s (run r1)" in text
    assert "needs 2 GiB (declared), promised 2 GiB, holds 1.5 GiB, at most 1.5 GiB" in text


def test_the_detail_tells_what_it_holds_of_a_gpu_that_it_was_not_given():
    elsewhere = {**memory(0), "reserved": 0, "held": 5 * GIB, "peak": 6 * GIB}
    lines = detail(
        "a", model("ready", memory={"ram": memory(GIB), "vram:GPU-8f6f0001": elsewhere}), NOW, None
    )
    told = next(line for line in map(str, [words([each]) for each in lines]) if "GPU-8f6f0001" in line)
    assert told.endswith("memory vram:GPU-8f6f0001 holds 5 GiB, at most 6 GiB, and was given none of it")


def test_the_detail_says_why_a_need_is_not_by_llama_cpps_own_word():
    told = {**memory(2 * GIB), "source": "derived", "note": "llama-fit-params: no answer within 30 s"}
    text = words(detail("a", model("stopped", memory={"ram": told}), NOW, None))
    assert "memory ram needs 2 GiB (derived; llama-fit-params: no answer within 30 s)" in text


def test_a_server_elsewhere_is_shown_with_what_was_last_heard_of_it():
    theirs = {"external": True, "models": {"big": "org/big", "same": "same"}, "variants": ["fast"]}
    gone = {"pid": None, "port": None, "url": "https://box2/v1", "started_at": None, "memory": {}}
    away = model("unready", active=False, message="connection refused") | theirs | gone
    away["why"] = away["message"]
    shown = snapshot({"box": away})
    assert "◇ box" in words(page(shown, 100))
    assert "connection refused" in words(page(shown, 100))
    assert "box unready elsewhere" in words(listing(shown))
    told = words(detail("box", shown["models"]["box"], NOW, None))
    assert told.startswith("box unready elsewhere")
    assert "server https://box2/v1" in told
    assert "models big (org/big there), same" in told
    assert "variants fast" in told
    assert "process" not in told


def test_one_that_was_unloaded_is_told_how_it_comes_back():
    away = model("stopped", reason="Unloaded", override="unload", on_demand=True)
    assert "by hand unload, until a request asks for it" in words(detail("a", away, NOW, None))
