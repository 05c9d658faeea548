"""A record is read back as the run it tells of, by whichever version of zoosup."""

import json
from dataclasses import replace

import pytest
from hypothesis import given, strategies as st

from zoosup.core.state.phases import Cause
from zoosup.core.state.runs import Leaving, Run, Sleep, SleepStage
from zoosup.core.state.weights import Located
from zoosup.runtime.clock import Clock
from zoosup.runtime.persistence.run_records import FORMAT, UnreadableRecordError, read, write
from zoosup.spec.changes import restart_fields
from zoosup.spec.model.model import ModelSpec
from zoosup.spec.parse import parse

CLOCK = Clock(now=lambda: 1000.0, wall=lambda: 1_700_000_000.0)
LATER = Clock(now=lambda: 50.0, wall=lambda: 1_700_000_300.0)  # another boot, five minutes on

TEXT = """
active: a
models:
  a:
    command: [serve, --port, "${PORT}", "--weights=/srv/m.gguf"]
    env: {CUDA_VISIBLE_DEVICES: "0", SECRET: hush}
    cwd: /srv
    memory: {ram: 3GiB}
    ready: {http: /health, deadline: 90s}
    live: {http: /health, period: 9s}
    stop: {signal: INT, grace: 7s, before: {http: POST /drain}, command: [docker, stop, a]}
    restart: {policy: on-failure, limit: {count: 3, within: 10m}}
  b: {command: "serve --port ${PORT}"}
"""

SPECS = parse(TEXT, path="zoo.yaml", environ={}).models


def run(**changes):
    fields = {
        "id": "r1",
        "node": "box",
        "spec": SPECS["a"],
        "port": 1234,
        "reserved": {"ram": 3 << 30},
        "booked_at": 900.0,
        "started_at": 1_699_999_900.0,
    }
    return Run(**(fields | changes))


def reread(data, clock=CLOCK):
    """Through JSON, as by a disk."""
    return read(json.loads(json.dumps(data)), clock)


sizes = st.dictionaries(st.sampled_from(["ram", "vram:GPU-8f6f"]), st.integers(-(2**50), 2**50))
runs = st.builds(
    run,
    id=st.text(min_size=1, max_size=40),
    node=st.text(max_size=20),
    spec=st.sampled_from(list(SPECS.values())),
    port=st.integers(1, 65535),
    reserved=sizes,
    booked_at=st.floats(0, 1000),
    started_at=st.floats(0, 2e9),
    pid=st.none() | st.integers(2, 2**22),
    ready_at=st.none() | st.floats(0, 1000),
    peak=sizes,
    located=st.lists(
        st.tuples(st.text(), st.builds(Located, st.text(), st.text())), unique_by=lambda i: i[0]
    ).map(tuple),
    leaving=st.none() | st.builds(Leaving, st.sampled_from(Cause), st.text(), st.floats(0, 1000)),
)


@given(model=st.text(min_size=1), original=runs, identity=st.none() | st.text())
def test_a_record_is_read_back_as_it_was_written(model, original, identity):
    record = reread(write(model, original, CLOCK, identity))
    again = record.run
    assert (model, identity) == (record.model, record.identity)
    expected = (original.id, original.node, original.spec, original.port, original.pid)
    assert expected == (again.id, again.node, again.spec, again.port, again.pid)
    assert original.located == again.located
    assert (original.reserved, original.peak) == (again.reserved, again.peak)
    assert original.started_at == again.started_at
    assert (original.ready_at is None) == (again.ready_at is None)
    causes = [each.leaving and each.leaving.cause for each in (original, again)]
    assert causes[0] == causes[1]


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
        max_leaves=5,
    ),
    st.sampled_from(sorted(write("a", run(), CLOCK))),
)
def test_a_record_with_any_field_spoilt_is_read_or_refused_but_never_a_crash(value, key):
    data = write("a", run(), CLOCK) | {key: value}
    try:
        read(data, CLOCK)
    except UnreadableRecordError:
        assert value != write("a", run(), CLOCK)[key]


def test_the_gpus_of_a_run_are_read_back():
    given = replace(run(), gpus=("GPU-a", "GPU-b"), gpu_env={"ROCR_VISIBLE_DEVICES": "GPU-a,GPU-b"})
    again = read(write("a", given, CLOCK), CLOCK).run
    assert (given.gpus, given.gpu_env) == (again.gpus, again.gpu_env)


@pytest.mark.parametrize("gpus", ["auto", "none", 2, ("0", "GPU-a", "amd1")])
def test_the_gpus_that_its_model_may_have_are_written_without_a_warning_and_read_back(gpus):
    spec = ModelSpec.model_validate({"command": ["serve"], "gpus": gpus})
    data = json.loads(json.dumps(write("a", replace(run(), spec=spec), CLOCK)))
    assert gpus == read(data, CLOCK).run.spec.gpus


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("stage", SleepStage)
def test_the_sleep_of_a_run_is_read_back(stage, known):
    sleep = Sleep(stage, {"ram": 4, "vram:x": 8}, {"ram": 12, "vram:x": 1}, known, since=CLOCK.now())
    data = write("a", replace(run(), sleep=sleep), CLOCK)
    assert sleep == read(data, CLOCK).run.sleep
    assert known is data["nap"]["certain"], "the words by which earlier versions know it"


ADDED = {
    "source": "",
    "gpus": None,
    "gpu_env": {},
    "fingerprint": "",
    "mapped": None,
    "outgrown": {},
    "nap": None,
    "located": (),
}
"""Fields that records of this format did not have at first, and what they count as where they are missing."""

TIMES = {"last_used", "clock", "stay"}
"""Others that came later, with tests of their own."""

KNOWN_AS = {"nap": "sleep"}
"""Fields whose name on the disk is older than the one here."""


@pytest.mark.parametrize(("key", "default"), ADDED.items())
def test_a_record_from_before_a_field_was_added_has_its_default(key, default):
    data = write("a", run(), CLOCK)
    del data[key]
    assert default == getattr(read(data, CLOCK).run, KNOWN_AS.get(key, key))


@pytest.mark.parametrize("key", sorted(set(write("a", run(), CLOCK)) - set(ADDED) - TIMES))
def test_a_record_that_lacks_a_field_of_its_format_is_refused(key):
    data = write("a", run(), CLOCK)
    del data[key]
    with pytest.raises(UnreadableRecordError, match=key):
        read(data, CLOCK)


@pytest.mark.parametrize("version", [None, 0, FORMAT + 1, "1", [1], {}])
def test_a_record_of_another_version_is_not_guessed_at(version):
    with pytest.raises(UnreadableRecordError, match="format"):
        read(write("a", run(), CLOCK) | {"format": version}, CLOCK)


def test_a_field_that_is_new_since_the_record_has_the_default_of_today():
    """One by one, never by hash: an upgrade that adds a field must not restart every model."""
    data = write("b", run(spec=SPECS["b"]), CLOCK)
    for name in ModelSpec.model_fields:
        older = json.loads(json.dumps(data))
        older["spec"].pop(name, None)
        if name == "command":
            with pytest.raises(UnreadableRecordError, match="command"):
                read(older, CLOCK)
        else:
            assert restart_fields(SPECS["b"]) == restart_fields(read(older, CLOCK).run.spec)


def test_a_record_says_what_a_changed_file_is_compared_with():
    record = reread(write("a", run(), CLOCK))
    assert restart_fields(SPECS["a"]) == restart_fields(record.run.spec)
    assert restart_fields(SPECS["b"]) != restart_fields(record.run.spec)


def test_readiness_is_told_by_the_wall_and_read_by_the_clock():
    record = reread(write("a", run(ready_at=940.0), CLOCK), LATER)
    assert LATER.now() - (60 + 300) == record.run.ready_at


def test_a_wall_clock_that_went_back_makes_no_readiness_of_the_future():
    yesterday = Clock(now=lambda: 2000.0, wall=lambda: 1_700_000_000.0 - 86_400)
    assert 2000.0 == reread(write("a", run(ready_at=940.0), CLOCK), yesterday).run.ready_at


def test_a_run_counts_as_booked_when_it_is_read():
    assert LATER.now() == reread(write("a", run(), CLOCK), LATER).run.booked_at


def test_a_run_on_its_way_out_goes_on_from_the_first_rung():
    leaving = Leaving(Cause.MADE_ROOM, "b needs the room", 950.0, drained=True, ladder=True)
    expected = Leaving(Cause.MADE_ROOM, "was being stopped", LATER.now())
    assert expected == reread(write("a", run(leaving=leaving), CLOCK), LATER).run.leaving


def test_a_record_takes_the_pid_its_run_was_found_with():
    assert 77 == reread(write("a", run(), CLOCK)).with_pid(77).pid


def test_within_one_boot_a_jump_of_the_wall_clock_counts_for_nothing():
    before = Clock(now=lambda: 1000.0, wall=lambda: 1_700_000_000.0, boot="b1")
    data = json.loads(json.dumps(write("a", run(ready_at=940.0), before, last_used=990.0)))
    for jump in (-86_400.0, 86_400.0):
        after = Clock(now=lambda: 1010.0, wall=lambda jump=jump: 1_700_000_010.0 + jump, boot="b1")
        record = read(data, after)
        assert (940.0, 990.0) == pytest.approx((record.run.ready_at, record.last_used))


def test_a_record_from_before_uses_were_written_down_counts_as_used_just_now():
    data = write("a", run(), CLOCK)
    assert None is reread(data, LATER).last_used
    del data["last_used"], data["clock"]
    assert LATER.now() == reread(data, LATER).last_used


# by a later version


@pytest.mark.parametrize(
    "path", [(), ("spec",), ("spec", "stop"), ("spec", "ready"), ("spec", "restart", "limit")]
)
def test_what_a_later_version_has_added_is_passed_over(path, caplog):
    data = json.loads(json.dumps(write("a", run(), CLOCK)))
    part = data
    for key in path:
        part = part[key]
    part["new_here"] = {"a": [1, 2]}
    assert SPECS["a"] == read(data, CLOCK).run.spec
    assert bool(path) is ("new_here" in caplog.text)


@pytest.mark.parametrize(
    ("field", "value"), [("task", "dream"), ("live", {"period": "now and then"}), ("gpus", {"a": 1})]
)
def test_a_field_whose_value_only_a_later_version_knows_has_the_default_of_today(field, value):
    data = json.loads(json.dumps(write("a", run(), CLOCK)))
    data["spec"][field] = value
    again = read(data, CLOCK).run.spec
    assert SPECS["a"].command == again.command
    assert getattr(SPECS["b"], field) == getattr(again, field)


def test_a_cause_that_only_a_later_version_knows_is_a_way_out_all_the_same():
    data = write("a", run(leaving=Leaving(Cause.MADE_ROOM, "", 1.0)), CLOCK)
    assert Cause.NOT_WANTED is read(data | {"leaving": "FellInLove"}, CLOCK).run.leaving.cause


def test_a_record_says_nothing_that_is_as_usual_so_that_an_earlier_version_can_read_it():
    assert {"command"} == set(write("b", run(spec=SPECS["b"]), CLOCK)["spec"])
