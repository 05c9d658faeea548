"""How far a load is: by the bytes of weights that were read, or by the server's own words, else by the time.

Of bytes and words the greater counts, for a server that tells of whole files says nothing in the middle of one. Bytes
are compared with what the last load had read when it was ready, as more than weights is read (a program, its
libraries); the first load with the size of the weights. What comes after the reading (graphs are captured, a context is
warmed up) has its share as well once it was seen how long that takes. Never goes back, never says that it is done.

Knows no file and no process. Durations are seconds, sizes bytes.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace

from zoosup.core.state.loads import LastLoad, LoadProgress, ProgressSource
from zoosup.spec.syntax.units import describe_size, format_duration

MOST = 0.99
"""The share that is told until the model is ready."""

ALL = 0.95
"""The share of the bytes at which they count as read: a server may leave some, and loads differ by a little."""

BEGUN = 0.02
"""The share at which the reading of weights has begun: before that it is the program that is read."""

COUNTED = 0.5
"""Where the last load was seen to read less than this share of its weights, their bytes can't be counted."""

LATE = 0.9
"""The share of a load's time after which what it has read is nearly all that it will have."""

_WORDS = (
    re.compile(
        r"(?i)loading (?:\w+ )?(?:checkpoint )?shards:\s*(?P<percent>\d{1,3})%"
    ),  # vLLM, SGLang, transformers
    re.compile(r"\|[=> ]+\| *(?P<done>\d+)/(?P<all>\d+) - "),  # stable-diffusion.cpp
)


@dataclass(frozen=True, slots=True)
class LoadSample:
    """One look at a load: `read` bytes by now, None where nobody can tell; `said` by the server, of 1."""

    elapsed: float
    read: int | None = None
    said: float | None = None


def advanced(
    before: LoadProgress | None, seen: LoadSample, size: int | None, last: LastLoad | None, time: float | None
) -> LoadProgress | None:
    """What is known after one more look; None as long as nothing is.

    `size` is of all weights; `last` what the last load has shown, and `time` how long it took.
    """
    total = _total(size, last)
    known = [
        amount for amount in (seen.read, before.read if before is not None else None) if amount is not None
    ]
    read = max(known, default=None)
    by_bytes = read / total if read is not None and total else None
    reading = max((each for each in (by_bytes, seen.said) if each is not None), default=None)
    if reading is None:
        return _never_back(before, _by_time(seen, time))
    source = ProgressSource.BYTES if reading == by_bytes else ProgressSource.SERVER
    pace = _Pace(
        reading,
        seen.elapsed,
        before.first if before is not None else None,
        before.read_at if before is not None else None,
        last.rest if last is not None else None,
        time,
    ).begun()
    found = LoadProgress(pace.share, source, seen.elapsed, read, total, pace.left, pace.first, pace.read_at)
    return _never_back(before, found)


@dataclass(frozen=True, slots=True)
class _Pace:
    """How the reading goes, `elapsed` seconds after the load began; `first`, `read_at` as in `LoadProgress`.

    `rest` and `time` are the last load's: seconds after its reading, and in all.
    """

    reading: float
    elapsed: float
    first: tuple[float, float] | None
    read_at: float | None
    rest: float | None
    time: float | None

    def begun(self) -> "_Pace":
        """With what is seen now for the first time."""
        first = (self.elapsed, self.reading) if self.first is None and self.reading >= BEGUN else self.first
        read_at = self.elapsed if self.read_at is None and self.reading >= ALL else self.read_at
        return replace(self, first=first, read_at=read_at)

    @property
    def share(self) -> float:
        """The reading's part of the whole time, as far as it is; then that of what comes after it."""
        if self.rest is None or not self.time:
            return _bounded(self.reading)
        after = _bounded(self.rest / self.time)
        done = 0.0 if self.read_at is None or not self.rest else (self.elapsed - self.read_at) / self.rest
        return _bounded((1 - after) * min(1.0, self.reading / ALL) + after * _bounded(done))

    @property
    def left(self) -> float | None:
        """Seconds at the pace so far and after the reading; by the last load's time before there is a pace."""
        if self.read_at is not None:
            return _if_any((self.rest or 0.0) - (self.elapsed - self.read_at))
        if self.first is not None and self.reading > self.first[1] and self.elapsed > self.first[0]:
            pace = (self.reading - self.first[1]) / (self.elapsed - self.first[0])
            return _if_any((1 - self.reading) / pace + (self.rest or 0.0))
        return _if_any((self.time or 0.0) - self.elapsed)


def last_load(
    progress: LoadProgress | None, size: int | None, took: float, before: LastLoad | None
) -> LastLoad | None:
    """What a load has shown that has just become ready, after so many seconds; what it hasn't is as it was `before`.

    What it had read counts only where that was seen shortly before: a short load is hardly looked at.
    """
    known = before if before is not None and before.size == size else LastLoad(size)
    if progress is None:
        return before
    return LastLoad(
        size,
        progress.read if progress.read is not None and progress.elapsed >= LATE * took else known.read,
        max(0.0, took - progress.read_at) if progress.read_at is not None else known.rest,
    )


def said_in(lines: Iterable[str]) -> float | None:
    """How far the server says that it is, of 1, by the last of its words that tell; None where it doesn't say."""
    for line in reversed(tuple(lines)):
        found = [(match.end(), match) for words in _WORDS for match in words.finditer(line)]
        if found:
            return _of_one(max(found, key=lambda each: each[0])[1])
    return None


def in_words(progress: LoadProgress) -> str:
    """For people: "42 %, 3.1 GiB of 7.4 GiB read, about 12s left"."""
    parts = [f"{int(100 * progress.share)} %"]
    read = shown(progress)
    if progress.source is ProgressSource.BYTES and read is not None and progress.total is not None:
        parts.append(f"{describe_size(read)} of {describe_size(progress.total)} read")
    elif progress.source is ProgressSource.SERVER:
        parts.append("as its server says")
    if progress.left is not None and progress.left >= 1:
        parts.append(f"about {format_duration(round(progress.left))} left")
    return ", ".join(parts)


def shown(progress: LoadProgress) -> int | None:
    """Bytes read, no more than there are: on a first load the program and its libraries are among them."""
    if progress.read is None or progress.total is None:
        return progress.read
    return min(progress.read, progress.total)


def _of_one(match: re.Match[str]) -> float | None:
    groups = match.groupdict()
    if groups.get("percent") is not None:
        return min(1.0, int(groups["percent"]) / 100)
    whole = int(groups["all"])
    return min(1.0, int(groups["done"]) / whole) if whole else None


def _total(size: int | None, last: LastLoad | None) -> int | None:
    """What the reading comes to; None where it can't be told, or can't be counted."""
    if last is None or last.read is None or last.size != size:
        return size
    if size is not None and last.read < COUNTED * size:
        return None
    return last.read


def _by_time(seen: LoadSample, time: float | None) -> LoadProgress | None:
    if not time:
        return None
    left = _if_any(time - seen.elapsed)
    return LoadProgress(_bounded(seen.elapsed / time), ProgressSource.TIME, seen.elapsed, left=left)


def _never_back(before: LoadProgress | None, found: LoadProgress | None) -> LoadProgress | None:
    if before is None or found is None or found.share >= before.share:
        return found or before
    return replace(found, share=before.share)


def _if_any(seconds: float) -> float | None:
    return seconds if seconds > 0 else None


def _bounded(share: float) -> float:
    return min(max(share, 0.0), MOST)
