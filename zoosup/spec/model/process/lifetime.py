"""The parts of a model that say how its process lives: when it is ready, when dead, how it ends, sleeps and comes back.

Frozen data. Knows neither the model they belong to nor what is done by them.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Any

from pydantic import (
    BeforeValidator,
    ValidationInfo,
    ValidatorFunctionWrapHandler,
    WithJsonSchema,
    field_validator,
    model_validator,
)

from zoosup.spec.model.base import SpecPart, at_once
from zoosup.spec.model.process.calls import Calls, HttpCall
from zoosup.spec.model.values import kinds
from zoosup.spec.model.values.readers import choice, clash

PROBE_KINDS = ("http", "tcp", "exec")
"""A probe is exactly one of these; a model's own choice replaces the one in `defaults`."""


class RestartPolicy(StrEnum):
    """After which exits a model is started again."""

    ALWAYS = "always"
    ON_FAILURE = "on-failure"
    NEVER = "never"


class ProbeSpec(SpecPart):
    """How a model is asked; `/health` over HTTP unless another way is chosen."""

    http: Annotated[
        kinds.HttpPath | None,
        at_once(
            "GET this path on the model's port; only a 200 counts. /health unless tcp or exec is chosen."
        ),
    ] = None
    tcp: Annotated[kinds.Flag, at_once("true: a connection to the model's port is enough.")] = False
    exec: Annotated[
        kinds.Words | None,
        at_once(
            "A program, as a list or a string split into words; exit code 0 counts. Never a shell.",
            validate_default=True,
        ),
    ] = None

    @model_validator(mode="before")
    @classmethod
    def _by_default_http(cls, data: Any) -> Any:
        if isinstance(data, Mapping) and not any(data.get(kind) for kind in PROBE_KINDS):
            return {**data, "http": "/health"}
        return data

    @field_validator("exec", mode="after")
    @classmethod
    def _one_kind(cls, value: tuple[str, ...] | None, info: ValidationInfo) -> tuple[str, ...] | None:
        chosen = [kind for kind in PROBE_KINDS if (info.data | {"exec": value}).get(kind)]
        if len(chosen) > 1:
            raise clash(f"has {' and '.join(chosen)}", "one of http, tcp and exec")
        return value


class ReadySpec(ProbeSpec):
    """When a model that was started may be used; seconds."""

    interval: Annotated[
        kinds.Interval,
        at_once("The time between two attempts. adaptive: 10 ms at first, then a share of the time waited."),
    ] = "adaptive"
    timeout: Annotated[kinds.PositiveDuration, at_once("How long one attempt may take.")] = 2.0
    deadline: Annotated[
        kinds.PositiveDuration,
        at_once("How long a model may take to become ready; after that it is stopped and counts as crashed."),
    ] = 600.0


class LiveSpec(ProbeSpec):
    """When a model that was ready is taken for dead; seconds. Never asked while it answers requests."""

    period: Annotated[kinds.PositiveDuration, at_once("The time between two attempts.")] = 15.0
    timeout: Annotated[kinds.PositiveDuration, at_once("How long one attempt may take.")] = 10.0
    failures: Annotated[kinds.Count, at_once("So many failures in a row, and the model is restarted.")] = 6


class StopSpec(SpecPart):
    """How a model is asked to end; seconds."""

    drain: Annotated[
        kinds.Duration,
        at_once(
            "How long what is being answered may take to end before the model is told to. Where zoosup itself ends or "
            "memory is short, grace, if that is shorter."
        ),
    ] = 600.0
    signal: Annotated[
        kinds.SignalName, at_once("The signal that asks the model to end, with or without SIG.")
    ] = "TERM"
    grace: Annotated[
        kinds.Duration,
        at_once("How long the model may take to end once it has been told to; then SIGKILL."),
    ] = 30.0
    before: Annotated[
        HttpCall | None, at_once("A request sent before the signal, such as one that makes the model drain.")
    ] = None
    command: Annotated[
        kinds.Words | None,
        at_once(
            "A program run before the signal, such as docker stop for a model in a container. Never a shell."
        ),
    ] = None

    def drain_time(self, *, hurried: bool) -> float:
        """How long a drain may take in all; `hurried`: zoosup itself ends, or the host is short of memory."""
        return min(self.drain, self.grace) if hurried else self.drain


class RestartLimitSpec(SpecPart):
    """How many crashes, within which time, are enough; seconds."""

    count: Annotated[kinds.Count, at_once("So many crashes, and the model has failed.")]
    within: Annotated[kinds.PositiveDuration, at_once("The time in which they are counted.")]


class RestartSpec(SpecPart):
    """What happens after an exit that nobody asked for; seconds."""

    policy: Annotated[
        RestartPolicy,
        BeforeValidator(choice(RestartPolicy)),
        WithJsonSchema({"enum": [word.value for word in RestartPolicy]}),
        at_once("always: after any exit; on-failure: after a signal or a code other than 0; never."),
    ] = RestartPolicy.ALWAYS
    initial: Annotated[
        kinds.PositiveDuration,
        at_once("The delay after the second crash; the first one is answered at once."),
    ] = 2.0
    factor: Annotated[kinds.Factor, at_once("By what the delay grows with each crash.")] = 2.0
    max: Annotated[kinds.PositiveDuration, at_once("The longest delay.", validate_default=True)] = 300.0
    reset_after: Annotated[
        kinds.PositiveDuration,
        at_once("After being ready for this long without a break, earlier crashes are forgotten."),
    ] = 600.0
    limit: Annotated[
        RestartLimitSpec | None, at_once("Crashes after which the model is left failed. null: no limit.")
    ] = None

    @field_validator("max", mode="wrap")
    @classmethod
    def _ordered(cls, value: Any, read: ValidatorFunctionWrapHandler, info: ValidationInfo) -> float:
        return kinds.not_below(
            "initial", value if value is cls.model_fields["max"].default else read(value), info
        )


class AsleepSpec(SpecPart):
    """What a model that sleeps still holds; bytes."""

    ram: Annotated[kinds.Size, at_once("The RAM that the sleeping model holds.")]
    vram: Annotated[
        kinds.Size, at_once("The GPU memory that it holds, all its GPUs together and shared equally.")
    ] = 0


class ParkSpec(SpecPart):
    """How a model gives memory back without ending, as vLLM's sleep mode does."""

    sleep: Annotated[
        Calls,
        at_once(
            "The request that puts it to sleep, such as POST /sleep?level=1; with a body {http: POST /free, body: "
            "{free_memory: true}}; or a list of them."
        ),
    ]
    wake: Annotated[
        Calls, at_once("The request that wakes it, such as POST /wake_up; or several, as for sleep.")
    ]
    holds: Annotated[
        AsleepSpec | None, at_once("What it holds while it sleeps. null: what it was last seen to hold then.")
    ] = None


class SessionsSpec(SpecPart):
    """What a llama-server keeps of conversations over its end; bytes. Its next run begins with it."""

    keep: Annotated[
        kinds.Flag,
        at_once(
            "true: of a llama-server, what its slots hold is saved before it ends and restored in its next run, unless "
            "that was seen to take longer than computing it again. It takes hold with the next start."
        ),
    ] = False
    limit: Annotated[
        kinds.Size, at_once("The most that the model's saved sessions may take on disk; the oldest go.")
    ] = 20 * 2**30
