"""`${…}` in the strings of zoo.yaml: what it stands for, and when.

Two steps. `Scope.expand` runs while the file is read and leaves only `${PORT}`; `render` runs before each
spawn and fills that in. Of a model over several hosts `${HOSTS}` and the like are left as well, for `fill`, once
somebody has said which hosts. Until `render` a string is still a template: `$${` stands for a literal `${`, and
`${$}` for a literal `$`.
Refuses to know which strings are templates. `$VAR` without braces is text: zoosup runs no shell.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import Any

LATE = frozenset({"PORT"})
"""Names known only at the spawn, because `port` may be auto."""

OF_SPANS = frozenset({"HOSTS", "LEADER", "ADDRESS", "RANK"})
"""Names known only once a model over several hosts has been given some."""

BUILT_IN = frozenset({"PORT", "HOST", "MODEL_ID"})
MAX_TEXT = 128 * 1024
"""Linux takes no longer argument or variable than this (MAX_ARG_STRLEN); bytes there, characters here."""

MAX_EXPANDED = 16 * 1024 * 1024
"""Characters that substitution may add to one file; beyond it a few bytes of file could fill the memory."""

_TOKEN = re.compile(r"\$\$\{|\$\{(?P<name>[^{}]*)\}|\$\{")
_TRAILING_DOLLARS = re.compile(r"\$+\Z")


class TemplateError(ValueError):
    """A template that can't be filled in; the text says what is wrong and never holds a value."""


class Scope:
    """The values that templates of one place in the file may use.

    `MODEL_ID` and `HOST` exist only inside a model (`built_in`), where the `late` ones may be named too.
    """

    def __init__(
        self,
        variables: Mapping[str, str],
        environ: Mapping[str, str],
        built_in: Mapping[str, str] | None = None,
        late: frozenset[str] = frozenset(),
    ) -> None:
        self._variables = variables
        self._environ = environ
        self._built_in = built_in or {}
        self._late = late or (LATE if built_in else frozenset())
        self._left = [MAX_EXPANDED]

    def inside(self, built_in: Mapping[str, str], *, spans: bool = False) -> "Scope":
        """Give the scope of one model of the same file, over several hosts or not; both draw on one allowance."""
        scope = Scope(self._variables, self._environ, built_in, LATE | OF_SPANS if spans else LATE)
        scope._left = self._left
        return scope

    def expand(self, text: str) -> str:
        """Substitute all names but the late ones; the answer is a template for `render`.

        Raises TemplateError for a name that is unset or not known here, and for an unterminated `${`.
        """
        if "$" not in text:
            return text
        parts = list(_parts(text))
        early = dict.fromkeys(name for _, name in parts if name is not None and name not in self._late)
        unset = [problem for problem in map(self._missing, early) if problem]
        if unset:
            raise TemplateError("; ".join(unset))
        return _written(
            [
                (part if name is None else self._value(name) if name in early else None, name)
                for part, name in parts
            ]
        )

    def words(self, text: str, split: Callable[[str], Sequence[str]]) -> Sequence[str] | None:
        """What `split` makes of the text of `vars` that a whole word `${name}` stands for; None for any other word.

        The words are templates, as `expand` takes them.
        """
        match = _TOKEN.fullmatch(text)
        name = match["name"] if match is not None else None
        if name is None or name not in self._variables or name in self._built_in:
            return None
        return [_as_template(word) for word in split(self._variables[name])]

    def _value(self, name: str) -> str:
        value = self._look_up(name) or ""
        self._left[0] -= len(value)
        if self._left[0] < 0:
            raise TemplateError(f"substitution adds more than {MAX_EXPANDED} characters to the file")
        return value

    def _look_up(self, name: str) -> str | None:
        if name == "$":
            return "$"
        if name in self._built_in:
            return self._built_in[name]
        if name.startswith("env."):
            return self._environ.get(name.removeprefix("env."))
        return self._variables.get(name)

    def _missing(self, name: str) -> str | None:
        """Say why a name has no value; None where it has one."""
        if self._look_up(name) is not None:
            return None
        if name.startswith("env."):
            return f"${{{name}}} is not set in the environment"
        if name in BUILT_IN:
            return f"${{{name}}} is known only inside a model"
        if name in OF_SPANS:
            return f"${{{name}}} is known only inside a model with spans"
        known = [*self._variables, *self._built_in, *sorted(self._late)]
        near = [each for each in known if each.lower() == name.lower()] or get_close_matches(name, known, 1)
        hint = f"; did you mean ${{{near[0]}}}?" if near else ""
        return f"${{{name}}} is not in vars{hint}"


class LenientEnvironment(dict[str, str]):
    """An environment in which every variable is set: what is not has a word of its own name for a value."""

    def get(self, name: str, default: Any = None) -> Any:
        """As a mapping has it, but never nothing."""
        return super().get(name, f"unset-{name}" if default is None else default)


def environment_names(text: str) -> frozenset[str]:
    """The variables of the environment that a template names."""
    names = (match["name"] or "" for match in _TOKEN.finditer(text))
    return frozenset(name.removeprefix("env.") for name in names if name.startswith("env."))


def fill(text: str, values: Mapping[str, str]) -> str:
    """Fill in some of what `Scope.expand` left; the answer is a template still, of the other names."""
    if "$" not in text:
        return text
    found = [(part, name) if name is None else (values.get(name), name) for part, name in _parts(text)]
    return _written([("$", None) if name == "$" else (value, name) for value, name in found])


def render(text: str, values: Mapping[str, str]) -> str:
    """Fill in what `Scope.expand` left and take the escapes away; the answer is text.

    A model that is looked at before it has been given its hosts keeps their names as they are written. Raises
    TemplateError where another name is left that `values` doesn't have.
    """
    if "$" not in text:
        return text
    return "".join(part if name is None else _late_value(name, values) for part, name in _parts(text))


def _late_value(name: str, values: Mapping[str, str]) -> str:
    if name == "$":
        return "$"
    if name in OF_SPANS and name not in values:
        return f"${{{name}}}"
    if name not in values:
        raise TemplateError(f"${{{name}}} has no value")
    return values[name]


def _parts(text: str) -> Iterator[tuple[str, str | None]]:
    """Cut a template into text (name None) and names (text empty)."""
    end = 0
    for match in _TOKEN.finditer(text):
        if match.start() > end:
            yield text[end : match.start()], None
        end = match.end()
        if match[0] == "$${":
            yield "${", None
        elif match["name"] is None:
            raise TemplateError("a `${` is not closed by `}`; a literal one is written `$${`")
        else:
            yield "", match["name"]
    if end < len(text):
        yield text[end:], None


def _written(parts: list[tuple[str | None, str | None]]) -> str:
    """Join values (None: a late name) into a template that renders to exactly them.

    A value may end in `$` where the next one begins with `{`, so text is escaped once it is joined.
    """
    out: list[str] = []
    run: list[str] = []
    for value, name in parts:
        if value is not None:
            run.append(value)
            continue
        out += [_TRAILING_DOLLARS.sub(lambda m: "${$}" * len(m[0]), _escaped(run)), f"${{{name}}}"]
        run = []
    text = "".join([*out, _escaped(run)])
    if len(text) > MAX_TEXT:
        raise TemplateError(f"the text is longer than {MAX_TEXT} characters once filled in")
    return text


def _as_template(text: str) -> str:
    """A template that stands for exactly this text."""
    return _TRAILING_DOLLARS.sub(lambda m: "${$}" * len(m[0]), text.replace("${", "$${"))


def _escaped(run: list[str]) -> str:
    return "".join(run).replace("${", "$${")
