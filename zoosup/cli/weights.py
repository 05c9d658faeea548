"""Where a model's weights are that it names by their origin, where no supervisor is asked.

Knows no command.
"""

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from zoosup.core.state.weights import Found
    from zoosup.spec.model.model import ModelSpec


def environment(spec: "ModelSpec") -> dict[str, str]:
    """The variables by which its caches are found."""
    return {**os.environ, **spec.env}


def located(spec: "ModelSpec") -> tuple["Found", Mapping[str, str]]:
    """By name where they are; and of the others, why they are nowhere."""
    from zoosup.core.estimation.servers.located import names_of  # noqa: PLC0415 - only where a file was read

    if not names_of(spec):
        return (), {}
    from zoosup.host.preflight.weight_look import WeightLook  # noqa: PLC0415
    from zoosup.host.weights import caches  # noqa: PLC0415
    from zoosup.host.weights.reader import WeightReader  # noqa: PLC0415

    return WeightLook(WeightReader(), caches.locate).placed(spec, environment(spec))
