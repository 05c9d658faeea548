"""Stalls as Linux counts them, from files that a test writes."""

from pathlib import Path

import pytest

from zoosup.host.memory.psi import Stalls, average


class Kernel:
    """A clock, and the total of full stalls at any time of it; the total of `some` is always larger."""

    def __init__(self, folder: Path) -> None:
        self.now = 100.0
        self.file = folder / "memory"
        self.stalls = Stalls(lambda: self.now)

    def share(self, at: float, total: float) -> float | None:
        """What is told at a time at which everything has been stalled for `total` seconds."""
        self.now = 100.0 + at
        self.file.write_text(f"some avg10=9.00 total=999999999\nfull avg10=1.00 total={round(total * 1e6)}\n")
        return self.stalls.share([str(self.file)])


@pytest.fixture
def kernel(tmp_path: Path) -> Kernel:
    return Kernel(tmp_path)


def test_one_look_says_nothing_and_neither_does_one_that_follows_at_once(kernel: Kernel) -> None:
    assert kernel.share(0, 5.0) is None
    assert kernel.share(0.05, 5.05) is None


def test_the_share_is_of_the_last_second_however_often_it_is_asked(kernel: Kernel) -> None:
    for eighth in range(24):
        kernel.share(eighth / 8, 0.0)
    assert 0.25 == kernel.share(3.0, 0.25)
    for eighth in range(25, 33):
        kernel.share(eighth / 8, 0.25)
    assert 0.0 == kernel.share(4.125, 0.25)


def test_after_a_longer_pause_it_is_of_that_pause(kernel: Kernel) -> None:
    kernel.share(0, 0.0)
    assert pytest.approx(0.25) == kernel.share(4, 1.0)


def test_looks_that_follow_each_other_closely_do_not_shorten_the_second(kernel: Kernel) -> None:
    kernel.share(0, 0.0)
    for _ in range(20):
        kernel.share(0.5, 0.0)
    assert pytest.approx(0.1) == kernel.share(1.0, 0.1)


@pytest.mark.parametrize("text", ["", "some avg10=0 total=1\n", "full avg10=0\n", "full total=much\n"])
def test_a_file_that_tells_nothing_tells_nothing(kernel: Kernel, text: str) -> None:
    kernel.share(0, 0.0)
    kernel.file.write_text(text)
    kernel.now += 1
    assert kernel.stalls.share([str(kernel.file)]) is None


def test_a_file_that_is_not_there_is_no_fault(tmp_path: Path) -> None:
    assert Stalls().share([str(tmp_path / "memory")]) is None


def test_of_several_files_the_worst_counts(kernel: Kernel, tmp_path: Path) -> None:
    other = tmp_path / "other"
    files = [str(kernel.file), str(other)]
    kernel.share(0, 0.0)
    other.write_text("full total=0\n")
    kernel.stalls.share(files)
    kernel.now += 1
    other.write_text("full total=400000\n")
    assert pytest.approx(0.4) == kernel.stalls.share(files)


def test_whoever_looks_only_once_is_told_the_kernels_own_average(kernel: Kernel, tmp_path: Path) -> None:
    kernel.file.write_text("some avg10=9.00 avg60=0 total=9\nfull avg10=1.50 avg60=0 total=9\n")
    (tmp_path / "other").write_text("full avg10=?\n")
    files = [str(kernel.file), str(tmp_path / "other"), str(tmp_path / "missing")]
    assert (0.015, None) == (average(files), average(files[1:]))


def test_little_more_than_a_tenth_of_a_second_is_enough_and_a_share_is_between_nothing_and_all(
    kernel: Kernel,
) -> None:
    kernel.share(0, 0.0)
    assert 0.5 == kernel.share(0.125, 0.0625)
    assert 1.0 == kernel.share(0.5, 9.0)
    assert 0.0 == kernel.share(0.625, 0.0)


def test_a_file_that_was_away_begins_anew(kernel: Kernel) -> None:
    kernel.share(0, 0.0)
    kernel.now += 0.5
    kernel.file.unlink()
    assert kernel.stalls.share([str(kernel.file)]) is None
    assert kernel.share(1.0, 5.0) is None
