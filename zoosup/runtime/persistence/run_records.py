"""A run as a record on disk, and back: what a restarted zoosup needs in order to know its models again.

The record is written before the spawn, so that no process of ours can exist without one, and once more when the
process and its identity are known. Knows the shape of a record; where it lies is the store's business, and whether its
processes live is the host's.
"""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from pydantic import ValidationError

from zoosup.core.state.phases import Cause
from zoosup.core.state.runs import Leaving, Run, Sleep, SleepStage
from zoosup.core.state.weights import Located
from zoosup.runtime.clock import Clock
from zoosup.runtime.persistence.kept_spec import read_spec

FORMAT = 1
"""The version of a record; one of another version is not guessed at: its processes are ended by their mark."""


_FOR_EVER = -1.0  # JSON has no number for it


class UnreadableRecordError(ValueError):
    """A record that is corrupt, half written or from another version; the text says which part."""


@dataclass(frozen=True, slots=True)
class Record:
    """What a record says. `identity` is None when zoosup ended between the spawn and writing it down.

    `last_used` is when the last client had given its lease back; None: there never was one. `stay` is how many seconds
    the run stays unused, infinite too, as a client has said; None: as the file has it.
    """

    model: str
    run: Run
    identity: str | None
    last_used: float | None = None
    stay: float | None = None

    def with_pid(self, pid: int) -> Run:
        """The run with the leader it was found with: a record may be older than the process."""
        return replace(self.run, pid=pid)


def write(  # noqa: PLR0913, PLR0917 - what there is to know of a run
    model: str,
    run: Run,
    clock: Clock,
    identity: str | None = None,
    last_used: float | None = None,
    stay: float | None = None,
) -> dict[str, Any]:
    """The record of a run as JSON-ready data; `last_used` and `stay` as in `Record`.

    The model's environment is in it, hence its 0600.
    """
    return {
        "format": FORMAT,
        "model": model,
        "run_id": run.id,
        "node": run.node,
        "port": run.port,
        "pid": run.pid,
        "identity": identity,
        "reserved": dict(run.reserved),
        "gpus": None if run.gpus is None else list(run.gpus),
        "gpu_env": dict(run.gpu_env),
        "source": run.source,
        "peak": dict(run.peak),
        "fingerprint": run.fingerprint,
        "mapped": run.mapped,
        "outgrown": dict(run.outgrown),
        "started_at": run.started_at,
        "ready_at": _wall(run.ready_at, clock),
        "last_used": _wall(last_used, clock),
        "stay": _FOR_EVER if stay == math.inf else stay,
        "located": {name: asdict(there) for name, there in run.located},
        "clock": clock.stamp(),
        "nap": None if run.sleep is None else _sleep(run.sleep),
        "leaving": None if run.leaving is None else run.leaving.cause.value,
        # Not the defaults: a version that does not know a field then reads what does not use it.
        "spec": run.spec.model_dump(mode="json", exclude_defaults=True),
    }


def _wall(at: float | None, clock: Clock) -> float | None:
    return None if at is None else clock.wall_of(at)


def _past(data: Mapping[str, Any], key: str, clock: Clock) -> float | None:
    """A wall time of the record by our clock; none lies in the future, whatever the clocks did."""
    at = data[key]
    return None if at is None else min(clock.now(), clock.recall(float(at), data.get("clock")))


def _last_used(data: Mapping[str, Any], clock: Clock) -> float | None:
    """Of a record from before this was written down nobody knows: then it counts as used just now."""
    return _past(data, "last_used", clock) if "last_used" in data else clock.now()


def _stay(data: Mapping[str, Any]) -> float | None:
    said = data.get("stay")
    return None if said is None else math.inf if float(said) < 0 else float(said)


def _sleep(sleep: Sleep) -> dict[str, Any]:
    return {
        "stage": sleep.stage.value,
        "awake": dict(sleep.awake),
        "asleep": dict(sleep.asleep),
        "certain": sleep.known,  # as versions before this one read it
    }


def _read_sleep(data: Mapping[str, Any], clock: Clock) -> Sleep:
    return Sleep(
        stage=SleepStage(data["stage"]),
        awake={str(k): int(v) for k, v in data["awake"].items()},
        asleep={str(k): int(v) for k, v in data["asleep"].items()},
        known=data["certain"] is True,
        since=clock.now(),
    )


def read(data: Mapping[str, Any], clock: Clock) -> Record:
    """The run a record tells of, as if it had been booked just now; UnreadableRecordError when it can't be.

    A field that the record lacks has the default of today: one by one, never by hash, or an upgrade that adds a
    field would restart every model (it happened to the kubelet). What a later version has added is passed over, or
    going back to this one would end every model.
    """
    if data.get("format") != FORMAT:
        raise UnreadableRecordError(f"format {data.get('format')!r}, expected {FORMAT}")
    try:
        cause, gpus = data["leaving"], data.get("gpus")
        leaving = None if cause is None else Leaving(_cause(cause), "was being stopped", clock.now())
        run = Run(
            id=str(data["run_id"]),
            node=str(data["node"]),
            spec=read_spec(data["spec"]),
            port=int(data["port"]),
            reserved={str(k): int(v) for k, v in data["reserved"].items()},
            booked_at=clock.now(),
            started_at=float(data["started_at"]),
            pid=None if data["pid"] is None else int(data["pid"]),
            ready_at=_past(data, "ready_at", clock),
            peak={str(k): int(v) for k, v in data["peak"].items()},
            leaving=leaving,
            gpus=None if gpus is None else tuple(str(uuid) for uuid in gpus),
            gpu_env={str(name): str(value) for name, value in data.get("gpu_env", {}).items()},
            source=str(data.get("source", "")),
            fingerprint=str(data.get("fingerprint", "")),
            mapped=None if data.get("mapped") is None else int(data["mapped"]),
            outgrown={str(k): int(v) for k, v in data.get("outgrown", {}).items()},
            sleep=None if data.get("nap") is None else _read_sleep(data["nap"], clock),
            located=tuple((str(n), _located(each)) for n, each in data.get("located", {}).items()),
        )
        identity = data["identity"]
        identity = None if identity is None else str(identity)
        return Record(str(data["model"]), run, identity, _last_used(data, clock), _stay(data))
    except (KeyError, TypeError, ValueError, AttributeError, ValidationError) as error:
        raise UnreadableRecordError(f"{type(error).__name__}: {error}") from None


def _located(data: Mapping[str, Any]) -> Located:
    return Located(str(data["path"]), str(data["mmproj"]), tuple(map(str, data["folders"])))


def _cause(word: Any) -> Cause:
    """One that a later version has added is a way out all the same, and no crash."""
    if not isinstance(word, str):
        raise TypeError("leaving: expected a text")
    try:
        return Cause(word)
    except ValueError:
        return Cause.NOT_WANTED
