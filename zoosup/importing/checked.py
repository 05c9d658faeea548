"""A draft written down so that zoosup takes it: what it refuses after all is left out, with its reason.

Refuses to mend: a mistake here is a model's that is gone, said in words.
"""

from zoosup.importing.draft import Draft, LeftOut, Model
from zoosup.importing.report import Report
from zoosup.importing.writer import write
from zoosup.spec.lint.lint import lint
from zoosup.spec.parse import parse
from zoosup.spec.syntax.problems import Problem, SpecError
from zoosup.spec.syntax.templates import LenientEnvironment

_ROUNDS = 200


def written(draft: Draft, report: Report) -> str:
    """The text; models that it can't hold are comments by then, and the report has why."""
    for _ in range(_ROUNDS):
        draft.active = [name for name in draft.active if draft.named(name) is not None]
        text = write(draft)
        problems = _problems(text)
        if not problems:
            return text
        found = _of_models(problems, draft)
        if not found:
            raise AssertionError(f"internal error: the import wrote a file with {problems[0]}")
        for name, problem in found.items():
            _leave_out(name, problem, draft, report)
    raise AssertionError("internal error: the import could not write a file")


def _leave_out(name: str, problem: Problem, draft: Draft, report: Report) -> None:
    model = draft.named(name)
    assert model is not None  # noqa: S101 - it was found by its name
    why = f"{problem.path.removeprefix(f'models.{name}').lstrip('.') or 'it'}: {problem.what}"
    report.add(model.at, f"{name} is left out: {why}")
    draft.models[draft.models.index(model)] = LeftOut(name, model.at, why, [" ".join(model.words or ())])


def _problems(text: str) -> list[Problem]:
    try:
        spec = parse(text, path="zoo.yaml", environ=LenientEnvironment())  # whether they are set says `check`
    except SpecError as error:
        return list(error.problems)
    return lint(text, spec, path="zoo.yaml").errors


def _of_models(problems: list[Problem], draft: Draft) -> dict[str, Problem]:
    """The first problem of each model that has one."""
    found: dict[str, Problem] = {}
    for problem in problems:
        rest = problem.path.removeprefix("models.")
        names = [each.name for each in draft.models if isinstance(each, Model)]
        owners = [name for name in names if rest == name or rest.startswith(f"{name}.")]
        if owners:
            found.setdefault(max(owners, key=len), problem)
    return found
