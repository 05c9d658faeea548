"""What becomes of cmdStop.

Refuses to know the rest of a model.
"""

from zoosup.importing.containers import stop_words
from zoosup.importing.draft import Model
from zoosup.importing.report import Origin, Report
from zoosup.importing.words import UnsplittableError, is_compose, is_windows, split


def stop_of(model: Model, text: str, at: Origin, report: Report) -> None:
    """Carry the command over where it is needed."""
    try:
        words = split(text)
    except UnsplittableError as error:
        report.add(at, f"cmdStop of {model.name} can't be read: {error}")
        return
    if is_windows(text) or is_compose(words):
        report.add(
            at,
            f"cmdStop of {model.name} is left out: it is for {'compose' if is_compose(words) else 'Windows'}",
        )
        return
    kept, said = stop_words(words)
    if said:
        report.add(at, f"cmdStop of {model.name}: {said}")
    if kept is not None:
        model.fields.setdefault("stop", {})["command"] = kept
