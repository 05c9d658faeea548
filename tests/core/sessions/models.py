"""Models that keep their sessions."""

from zoosup.spec.parse import parse


def a_model(*lines):
    """By the lines of its part of zoo.yaml."""
    body = "\n    ".join(("sessions: {keep: true}", *lines))
    return parse(f"active: []\nmodels:\n  m:\n    {body}\n", path="zoo.yaml", environ={}).models["m"]
