"""Why a container's client can't be supervised, however its words are meant.

Three things take a container out of zoosup's hands: a client that ends at once, an engine that starts the container
again by itself, and an id that nobody can read.
"""

from collections.abc import Sequence

from zoosup.spec.engine.run import parse_run


def refusal(words: Sequence[str]) -> tuple[str, str] | None:
    """What is wrong with a `run`, and what to write instead; None where nothing is, or where it is no `run`."""
    run = parse_run(words)
    if run is None:
        return None
    if run.detach:
        what = "starts its container detached (-d): the client ends at once, and so the model would"
        return what, f"{run.engine} run without -d; zoosup keeps it in the background and keeps its output"
    if run.restart != "no":
        what = f"has --restart {run.restart}: {run.engine} would start it again behind zoosup's back"
        return what, "no --restart; the model's restart.policy says what follows a crash"
    if run.last("cidfile") == "":
        what = f"has an empty --cidfile: {run.engine} would write no file by which to know the container"
        return what, "no --cidfile, for zoosup adds its own, or one with a path"
    return None
