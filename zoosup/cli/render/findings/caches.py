"""The caches of weights that zoosup sees, and whether it could fetch what a file names. Changes nothing."""

import os
from collections.abc import Iterator, Mapping
from importlib.metadata import PackageNotFoundError, version

from zoosup.cli import weights
from zoosup.cli.render.findings.finding import OK, WARN, Finding
from zoosup.spec.model.zoo import ZooSpec

_EXTRA = "pip install 'zoosup[fetch]'"


def caches(spec: ZooSpec | None) -> Iterator[Finding]:
    """Which are there, whether the extra is, and what the file names that is nowhere."""
    yield _there(os.environ)
    missing = {
        name: found
        for name, model in (spec.models if spec else {}).items()
        if (found := weights.located(model)[1])
    }
    yield _extra(needed=bool(missing))
    for name, found in missing.items():
        for why in found.values():
            what, _, remedy = why.rpartition(": ")
            yield Finding("weights", WARN, f"{name}: {what}", remedy)


def _there(env: Mapping[str, str]) -> Finding:
    from zoosup.host.weights import caches as found, ollama  # noqa: PLC0415 - only where somebody asks

    seen = [path for path in dict.fromkeys((*found.places(env), *ollama.roots(env))) if path.is_dir()]
    shut = [path for path in seen if not os.access(path, os.R_OK | os.X_OK)]
    text = ", ".join(map(str, seen)) or "no cache of weights is here"
    remedy = f"can't be read: {', '.join(map(str, shut))}" if shut else ""
    return Finding("weights", WARN if shut else OK, text, remedy)


def _extra(*, needed: bool) -> Finding:
    try:
        return Finding("fetch", OK, f"huggingface_hub {version('huggingface_hub')}")
    except PackageNotFoundError:
        return Finding("fetch", WARN if needed else OK, "huggingface_hub is not installed", _EXTRA)
