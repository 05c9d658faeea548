import pytest
from hypothesis import given, strategies as st

from zoosup.spec.syntax.units import describe_size, format_duration, format_size, parse_duration, parse_size

SIZES = {
    "0B": 0,
    "1B": 1,
    "512MiB": 512 * 2**20,
    "7GiB": 7 * 2**30,
    "7GB": 7_000_000_000,
    "1.5GiB": 3 * 2**29,
    "1kB": 1000,
    "1KB": 1000,
    "1KiB": 1024,
    "2TiB": 2**41,
    "2TB": 2 * 10**12,
}
NO_SIZES = [
    "",
    "7",
    "0",
    "7 GiB",
    "-1GiB",
    "+1GiB",
    "GiB",
    "7G",
    "7Gi",
    "7gib",
    "7GiBs",
    "1e3MiB",
    ".5GiB",
    "5.GiB",
    "٣GiB",
]

DURATIONS = {
    "0s": 0.0,
    "250ms": 0.25,
    "30s": 30.0,
    "1.5s": 1.5,
    "10m": 600.0,
    "1h30m": 5400.0,
    "1h2m3s4ms": 3723.004,
}
NO_DURATIONS = [
    "",
    "30",
    "0",
    "30 s",
    "-1s",
    "s",
    "30sec",
    "1m1h",
    "1s1s",
    "1d",
    "1e3s",
    "30S",
    "inf",
    "nan",
    "1h30",
    "٣s",
]


@pytest.mark.parametrize(("text", "size"), SIZES.items())
def test_a_size_is_read_in_bytes(text, size):
    assert size == parse_size(text)


@pytest.mark.parametrize("text", NO_SIZES)
def test_a_size_without_its_exact_unit_is_refused(text):
    with pytest.raises(ValueError, match="512MiB"):
        parse_size(text)


@pytest.mark.parametrize(("text", "seconds"), DURATIONS.items())
def test_a_duration_is_read_in_seconds(text, seconds):
    assert seconds == parse_duration(text)


@pytest.mark.parametrize("text", NO_DURATIONS)
def test_a_duration_without_its_exact_unit_is_refused(text):
    with pytest.raises(ValueError, match="1h30m"):
        parse_duration(text)


@given(st.integers(0, 2**63 - 1))
def test_a_size_survives_being_written_and_read(size):
    if size < 10**18:
        assert size == parse_size(format_size(size))


@given(st.floats(0, 1e9))
def test_a_duration_survives_being_written_and_read(seconds):
    rounded = round(seconds, 6)
    assert rounded == parse_duration(format_duration(rounded))


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0B"),
        (7 * 10**9, "7GB"),
        (512 * 2**20, "512MiB"),
        (3 * 2**29, "1.5GiB"),
        (1500 * 2**20, "1500MiB"),
        (3, "3B"),
    ],
)
def test_a_size_is_written_as_people_would(size, text):
    assert text == format_size(size)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.0, "0s"), (0.25, "250ms"), (90.0, "1m30s"), (300.0, "5m"), (5400.0, "1h30m"), (1.5, "1.5s")],
)
def test_a_duration_is_written_as_people_would(seconds, text):
    assert text == format_duration(seconds)


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0 B"), (1023, "1023 B"), (3328599654, "3.1 GiB"), (-512 * 2**20, "-512 MiB"), (8 * 2**30, "8 GiB")],
)
def test_a_size_is_described_with_one_decimal(size, text):
    assert text == describe_size(size)
