"""How far a load is: what is read, what the server says, what the last load took; never back, never done."""

from dataclasses import replace

import pytest
from hypothesis import given, strategies as st

from tests.core.zoo import GIB, NOW, a_model, ready, starting
from zoosup.core.lifecycle.load_progress import (
    MOST,
    LoadSample,
    advanced,
    in_words,
    last_load,
    said_in,
)
from zoosup.core.lifecycle.transitions import apply
from zoosup.core.state.facts import LoadSeen, ProbedReady
from zoosup.core.state.loads import LastLoad, LoadProgress, ProgressSource
from zoosup.core.state.runs import Preflight
from zoosup.core.state.weights import FileFacts, WeightFacts

SIZE = 8 * GIB


def progress(*samples, size=SIZE, last=None, time=None):
    """After samples of (seconds, GiB read or None, said)."""
    found = None
    for elapsed, read, *said in samples:
        seen = LoadSample(elapsed, None if read is None else int(read * GIB), *said)
        found = advanced(found, seen, size, last, time)
    return found


def told(found):
    """Share, source, seconds left: rounded."""
    return (
        None
        if found is None
        else (round(found.share, 2), found.source.value, None if found.left is None else round(found.left))
    )


LEARNED = LastLoad(SIZE, 10 * GIB)
"""With what its program and its libraries are."""

WARMS_UP = LastLoad(SIZE, 8 * GIB, 30.0)
"""It was ready 30 s after it had read all."""

TABLE = {
    "nothing is known": ([(1, None)], {}, None),
    "bytes": ([(1, 0), (2, 2), (3, 4)], {}, (0.5, "bytes", 2)),
    "no pace yet: the last load's time": ([(1, 0.01)], {"time": 20.0}, (0.0, "bytes", 19)),
    "the program is read first: that is no pace": ([(1, 0.1), (3, 4)], {}, (0.5, "bytes", None)),
    "its first fiftieth is": ([(1, None, 0.02), (3, None, 0.52)], {}, (0.52, "server", 2)),
    "all but a twentieth is all": (
        [(5, None, 0.95), (15, None, 0.95)], {"last": WARMS_UP, "time": 40.0}, (0.5, "server", 20),
    ),
    "half of the weights, last time": ([(5, 2)], {"last": LastLoad(SIZE, 4 * GIB)}, (0.5, "bytes", None)),
    "of weights that nobody has looked at": ([(2, 4)], {"size": None}, None),
    "the same, by the time": ([(2, 4)], {"size": None, "time": 8.0}, (0.25, "time", 6)),
    "the same, once it was seen what a load reads": (
        [(2, 4)], {"size": None, "last": LastLoad(None, 8 * GIB), "time": 8.0}, (0.5, "bytes", 6),
    ),
    "more is read than weights": ([(5, 5)], {"last": LEARNED}, (0.5, "bytes", None)),
    "other weights than last time": ([(5, 5)], {"last": replace(LEARNED, size=9 * GIB)}, (0.62, "bytes", None)),
    "reads that nobody sees, last time": (
        [(5, 0.1)], {"last": LastLoad(SIZE, GIB), "time": 10.0}, (0.5, "time", 5),
    ),
    "the time alone": ([(3, None)], {"time": 12.0}, (0.25, "time", 9)),
    "longer than last time": ([(30, None)], {"time": 12.0}, (0.99, "time", None)),
    "its own words": ([(1, None, 0.25), (2, None, 0.5)], {}, (0.5, "server", 2)),
    "words of whole files, bytes in between": ([(1, 1, 0.0), (3, 3, 0.25)], {}, (0.38, "bytes", 5)),
    "words where bytes lag": ([(1, 1, 0.5)], {}, (0.5, "server", None)),
    "all is read, and it is not ready": ([(1, 2), (4, 8), (9, 8)], {}, (0.99, "bytes", None)),
    "the reading is a quarter of it": ([(5, 4)], {"last": WARMS_UP, "time": 40.0}, (0.13, "bytes", 35)),
    "read, and a third of the rest is over": (
        [(5, 4), (10, 8), (20, 8)], {"last": WARMS_UP, "time": 40.0}, (0.5, "bytes", 20),
    ),
    "counts that fall, as of a part that ended": ([(1, 4), (2, 1)], {}, (0.5, "bytes", None)),
}  # fmt: skip


@pytest.mark.parametrize(("samples", "known", "expected"), TABLE.values(), ids=TABLE)
def test_how_far_it_is(samples, known, expected):
    assert expected == told(progress(*samples, **known))


SAMPLES = st.lists(
    st.builds(
        LoadSample,
        st.floats(0, 1e4),
        st.none() | st.integers(0, 2**45),
        st.none() | st.floats(0, 1),
    ),
    min_size=1,
    max_size=20,
)
LASTS = st.none() | st.builds(
    LastLoad,
    st.none() | st.integers(0, 2**45),
    st.none() | st.integers(0, 2**45),
    st.none() | st.floats(0, 1e4),
)


@given(
    samples=SAMPLES, size=st.none() | st.integers(0, 2**45), last=LASTS, time=st.none() | st.floats(0, 1e4)
)
def test_it_never_goes_back_and_never_says_that_it_is_done(samples, size, last, time):
    found, share = None, 0.0
    for sample in samples:
        found = advanced(found, sample, size, last, time)
        if found is not None:
            assert share <= found.share <= MOST
            assert found.left is None or found.left > 0
            share = found.share
            in_words(found)


@given(samples=SAMPLES, size=st.integers(1, 2**45))
def test_without_an_earlier_load_it_is_what_was_read_of_the_weights(samples, size):
    known = [each.read for each in samples if each.read is not None]
    silent = [replace(each, said=None) for each in samples]
    found = None
    for sample in silent:
        found = advanced(found, sample, size, None, None)
    assert (None if not known else min(MOST, max(known) / size)) == (found.share if found else None)


SAID = {
    "Loading safetensors checkpoint shards:  20% Completed | 1/5 [00:00<00:00,  4.21it/s]": 0.2,
    "\rLoading pt checkpoint shards:   0% Completed | 0/1\rLoading pt checkpoint shards: 100% Completed | 1/1": 1.0,
    "(Worker pid=7) Multi-thread loading shards:  75% Completed | 3/4 [00:02<00:00,  1.2it/s]": 0.75,
    "Loading checkpoint shards:  50%|█████     | 1/2 [00:01<00:01]": 0.5,
    "  |==========>                       | 123/492 - 500.00it/s": 0.25,
    "  |=================================>| 500/492 - 500.00it/s": 1.0,
    "  |>                                 | 0/0 - 0.00it/s": None,
    "Capturing CUDA graphs (mixed prefill-decode, PIECEWISE):  30%|███       | 20/67": None,
    "Fetching 11 files: 100%|██████████| 11/11": None,
    "load_tensors: loading model tensors, this can take a while... (mmap = true)": None,
    "": None,
}


@pytest.mark.parametrize(("line", "share"), SAID.items())
def test_what_servers_say_of_their_load(line, share):
    assert share == said_in(["Loading safetensors checkpoint shards: 999%", line] if share else [line])


def test_the_newest_words_count():
    words = [f"Loading safetensors checkpoint shards: {n}% Completed" for n in (25, 50)]
    assert 0.5 == said_in([*words, "another line"])


WORDS = {
    "0 %, 0 B of 8 GiB read": progress((1, 0)),
    "50 %, 4 GiB of 8 GiB read, about 2s left": progress((1, 0), (2, 2), (3, 4)),
    "99 %, 8 GiB of 8 GiB read": progress((1, 9)),
    "50 %, as its server says": progress((1, 1, 0.5)),
    "90 %, about 1s left": progress((9, None), time=10.0),
    "95 %": progress((9.5, None), time=10.0),
    "25 %, about 1m30s left": progress((30, None), time=120.0),
}


@pytest.mark.parametrize(("words", "found"), list(WORDS.items()))
def test_it_is_said_in_a_few_words(words, found):
    assert words == in_words(found)


# what a load leaves behind


@pytest.mark.parametrize(
    ("found", "before", "after"),
    [
        (None, LEARNED, LEARNED),
        (LoadProgress(0.9, ProgressSource.BYTES, 9.5, 9 * GIB, SIZE), None, LastLoad(SIZE, 9 * GIB)),
        (
            LoadProgress(0.9, ProgressSource.BYTES, 9.5, 9 * GIB, SIZE, read_at=7.0),
            None,
            LastLoad(SIZE, 9 * GIB, 3.0),
        ),
        (LoadProgress(0.9, ProgressSource.BYTES, 9.0, 9 * GIB, SIZE), None, LastLoad(SIZE, 9 * GIB)),
        # it was hardly looked at: what is known is better
        (LoadProgress(0.1, ProgressSource.BYTES, 1.0, GIB, SIZE), WARMS_UP, WARMS_UP),
        (LoadProgress(0.1, ProgressSource.BYTES, 1.0, GIB, SIZE), replace(WARMS_UP, size=1), LastLoad(SIZE)),
        (LoadProgress(0.9, ProgressSource.TIME, 9.5), None, LastLoad(SIZE)),
    ],
)
def test_what_the_last_load_has_shown(found, before, after):
    assert after == last_load(found, SIZE, 10.0, before)


def loading(name="a"):
    facts = WeightFacts((("m.gguf", FileFacts("plain", SIZE)),))
    return replace(starting()(name, a_model()), preflight=Preflight(NOW, weights=facts))


def test_a_load_is_followed_until_it_is_ready_and_then_remembered():
    model = loading()
    for seconds, read in ((1, 2), (2, 4), (3, 7.9)):
        model = apply(model, LoadSeen("a-1", model.run.booked_at + seconds, int(read * GIB)))
    assert (0.99, 3) == (round(model.run.progress.share, 2), model.run.progress.elapsed)
    model = apply(model, ProbedReady("a-1", model.run.booked_at + 3.2))
    assert LastLoad(SIZE, int(7.9 * GIB), pytest.approx(0.2)) == model.last_load
    late = apply(model, LoadSeen("a-1", NOW + 9, 8 * GIB))
    assert late == model


def test_one_of_another_run_says_nothing():
    model = loading()
    assert model == apply(model, LoadSeen("a-0", NOW, GIB))


def test_one_that_serves_loads_no_longer():
    served = ready()("a", a_model())
    assert served == apply(served, LoadSeen("a-1", NOW, GIB))
