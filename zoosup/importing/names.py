"""Names that zoo.yaml takes, made of those that another program took.

Refuses to know which program.
"""

import re
from dataclasses import dataclass, field

from zoosup.importing.report import Origin, Report
from zoosup.spec.model.values.kinds import MODEL_NAME_PATTERN

_NAME = re.compile(MODEL_NAME_PATTERN.removesuffix("$"))
_ODD = re.compile(r"[^A-Za-z0-9._:/@+-]+")
_LONGEST = 120


@dataclass(slots=True)
class Names:
    """Names that are taken: of models in any case of letters, and exactly, with those of aliases."""

    report: Report
    models: set[str] = field(default_factory=set)
    exact: dict[str, str] = field(default_factory=dict)

    def of_model(self, wanted: str, at: Origin) -> str:
        """A name for a model: the one it had where that can be."""
        name = wanted if is_name(wanted) else _mended(wanted)
        base, count = name, 2
        while name.casefold() in self.models:
            name, count = f"{base}-{count}", count + 1
        if name != wanted:
            self.report.add(at, f"{wanted!r} can't be a name here: clients have to ask for {name}")
        self.models.add(name.casefold())
        self.exact[name] = name
        return name

    def of_alias(self, wanted: str, of: str, at: Origin) -> str | None:
        """An alias as it was, or None where it can't be; after all models have their names."""
        if wanted == of:
            return None
        if not is_name(wanted):
            self.report.add(at, f"the alias {wanted!r} can't be a name here and is left out")
            return None
        if wanted in self.exact:
            self.report.add(
                at, f"the alias {wanted} of {of} is a name of {self.exact[wanted]} already, and left out"
            )
            return None
        self.exact[wanted] = of
        return wanted


def is_name(text: str) -> bool:
    """Whether zoo.yaml takes it."""
    return _NAME.fullmatch(text) is not None


def _mended(text: str) -> str:
    name = _ODD.sub("-", text.replace("\\", "/"))[:_LONGEST].strip("-./:@+_")
    name = re.sub(r"/(?=/|\.{1,2}(?:/|$))", "-", name)
    return name if is_name(name) else "model"
