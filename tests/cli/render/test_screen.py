"""The watched screen at fixed sizes: models are never pushed out, the urgent ones stand first, room is used."""

import pytest

from tests.cli.fakes import GIB, NOW, condition, healthy, model, plan, pool, snapshot
from zoosup.cli.render.layout import length, plain
from zoosup.cli.render.screen import Seen, screen

ERROR = "\n".join(
    f"zoo.yaml:{n}:1: models.m{n}.port: got 99999, expected 1 to 65535 or auto" for n in range(40)
)
LONG = "ram is short of 3.1 GiB: needs 18 GiB, free 14.9 GiB, held by a 0 B, others 9.1 GiB, reserve 2 GiB"
GPUS = [pool(), *(pool(id=f"vram:{n}", kind="vram", name=f"GPU {n} NVIDIA H200") for n in range(8))]


def event(seq: int, text: str, type_: str = "Phase", reason: str = "ready"):
    data = {"from": "starting"} if type_ == "Phase" else {}
    return {
        "seq": seq, "at": NOW - 10 + seq, "type": type_, "model": "a", "reason": reason, "message": text, "data": data,
    }  # fmt: skip


def seen(models=None, **more) -> Seen:
    parts = {key: more.pop(key) for key in ("events", "plan", "trouble") if key in more}
    return Seen(healthy(snapshot(models, **more)), **parts)


def drawn(what: Seen, width: int, height: int) -> list[str]:
    lines = screen(what, width, height)
    assert len(lines) <= height
    assert {width} == {length(each) for each in lines}
    return plain(lines).splitlines()


def rows_of(lines: list[str], names) -> list[str]:
    return [name for each in lines for name in names if f" {name} " in each[:30] and each[0] in "●◌○◇"]


def test_at_80_by_24_neither_an_error_nor_pools_nor_conditions_push_models_out():
    models = {f"m{n}": model("ready") for n in range(40)}
    models["bad"] = model("failed", reason="CrashLoop", message=LONG)
    told = [condition("StateWritable", "Refused", LONG), condition("GpusReadable", "Unreadable", LONG)]
    lines = drawn(seen(models, config={"error": ERROR}, conditions=told, pools=GPUS), 80, 24)
    shown = rows_of(lines, models)
    assert "bad" == shown[0]
    assert len(shown) >= 6
    text = "\n".join(lines)
    assert "zoo.yaml is refused; generation 3 stays in force" in text
    assert "`zoosup check` shows them" in text
    assert f"{41 - len(shown)} more models; `zoosup status` shows them" in text
    assert "● active" in lines[-1]


@pytest.mark.parametrize("size", [(20, 5), (40, 10), (60, 24), (80, 24), (150, 30), (200, 50), (300, 9)])
@pytest.mark.parametrize("count", [0, 1, 9, 300])
def test_it_fits_any_size(size, count):
    models = {f"m{n}": model("pending", reason="WaitingForMemory", message=LONG) for n in range(count)}
    events = [event(n, LONG) for n in range(100)]
    drawn(
        seen(models, events=events, plan=plan(), config={"error": ERROR}, trouble="away", pools=GPUS), *size
    )


def test_failed_first_then_who_crashes_then_who_moves_then_who_is_well():
    models = {
        "well": model("ready"),
        "coming": model("starting"),
        "loops": model("ready", crashes=3),
        "waits": model("pending", reason="WaitingForMemory"),
        "huge": model("pending", reason="ExceedsBudget", refused=True),
    }
    assert ["loops", "huge", "waits", "coming", "well"] == rows_of(drawn(seen(models), 100, 50), models)


def test_at_200_by_50_events_and_what_comes_next_stand_beside_the_models():
    what = seen(events=[event(1, "is ready"), event(2, "asked", "Asked", "Restart")], plan=plan())
    lines = drawn(what, 200, 50)
    heading = next(each for each in lines if "MODEL" in each)
    assert "│" in heading
    beside = [each.partition("│")[2].strip() for each in lines]
    at = beside.index("what comes next")
    assert "- drain a NotWanted: b takes its place" == beside[at + 1]
    at = beside.index("what happened")
    assert beside[at + 1].endswith("a Asked: asked")
    assert beside[at + 2].endswith("a starting → ready: is ready")


def test_at_100_by_50_they_stand_below():
    lines = drawn(seen(events=[event(1, "is ready")]), 100, 50)
    assert "│" not in "".join(lines)
    assert lines.index("what happened") > next(n for n, each in enumerate(lines) if "MODEL" in each)


@pytest.mark.parametrize(
    ("load_time", "said"),
    [
        (30.0, "██████████··············  loading for 12s of about 30s"),
        (None, "loading for 12s; no earlier load"),
    ],
)
def test_a_load_is_shown_on_the_scale_of_the_last_one(load_time, said):
    loading = model("starting", load_time=load_time) | {"started_at": NOW - 12.0}
    assert said in "\n".join(drawn(seen({"a": loading}), 100, 30))


def test_a_load_is_shown_as_far_as_it_is():
    words = "50 %, 4 GiB of 8 GiB read, about 11s left"
    loading = model("starting", load_time=30.0) | {"started_at": NOW - 12.0}
    loading |= {"progress": {"share": 0.5, "source": "bytes", "words": words}}
    assert f"████████████············  loading for 12s: {words}" in "\n".join(
        drawn(seen({"a": loading}), 100, 30)
    )


def test_with_room_memory_is_drawn_in_full_and_without_it_in_a_line():
    models = {f"m{n}": model("ready") for n in range(8)}
    assert "▓ others 5.5 GiB" in "\n".join(drawn(seen(models), 80, 40))
    short = drawn(seen(models, pools=[pool(), pool(name="GPU 0", total=80 * GIB)]), 80, 16)
    assert any(each.startswith("RAM ███") and each.endswith("room for 6.5 GiB of 16 GiB") for each in short)
    assert 8 == len(rows_of(short, models))
