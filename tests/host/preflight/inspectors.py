"""The inspector as the composition root puts it together."""

from collections.abc import Callable

from zoosup.host.preflight.inspector import HostInspector
from zoosup.host.preflight.llama_fit_params import FitParams
from zoosup.host.preflight.weight_look import WeightLook
from zoosup.host.probes import port_owner
from zoosup.host.weights import caches
from zoosup.host.weights.reader import WeightReader


def host_inspector(
    fit_params: FitParams | None = None, holder: Callable[[str, int], str] = port_owner.holder
) -> HostInspector:
    return HostInspector(WeightLook(WeightReader(), caches.locate), holder, fit_params or FitParams())
