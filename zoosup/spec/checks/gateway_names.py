"""That the gateway's part of the file speaks of names that clients may use, and calls no two keys by one name.

Knows models, aliases and variants as they are once all is read. Never shows a key.
"""

from collections.abc import Set as AbstractSet

from zoosup.spec.model.served import ACTIVE, default_name, served_names
from zoosup.spec.model.zoo import ZooSpec
from zoosup.spec.syntax.problems import Problems
from zoosup.spec.wording import Location, did_you_mean


def check_gateway(spec: ZooSpec, at: Location, written: AbstractSet[str], problems: Problems) -> None:
    """Say of each name that means nothing, or too much; `at` is where the gateway's part stands.

    `written` are the names of all models, also of those whose own mistakes are told already.
    """
    known = frozenset(served_names(spec)) | written
    _check_default_model(spec, at, known, problems)
    _check_key_names(spec, at.step("api_keys"), problems)
    _check_key_models(spec, at.step("api_keys"), known, problems)


def _check_default_model(spec: ZooSpec, at: Location, known: frozenset[str], problems: Problems) -> None:
    name = default_name(spec)
    if name is not None and name not in known:
        place = at.step("default_model").node.place
        problems.add(
            place, "gateway.default_model", _unknown(name, known), f"a name that clients may use, or {ACTIVE}"
        )


def _check_key_names(spec: ZooSpec, at: Location, problems: Problems) -> None:
    """A key that stands twice would be whose it is by the order of the list, once it has a name."""
    names, texts = dict[str, int](), dict[str, int]()
    keys = spec.gateway.api_keys if spec.gateway else ()
    for number, each in enumerate(keys):
        here = at.step(number)
        if each.name and names.setdefault(each.name, number) != number:
            what = f"{each.name} is the name of gateway.api_keys.{names[each.name]} already"
            problems.add(
                here.step("name").node.place, f"gateway.api_keys.{number}.name", what, "each name once"
            )
        first = texts.setdefault(each.key.get_secret_value(), number)
        if first != number and (each.name or keys[first].name):
            what = f"is the same key as gateway.api_keys.{first}"
            problems.add(here.step("key").node.place, f"gateway.api_keys.{number}", what, "each key once")


def _check_key_models(spec: ZooSpec, at: Location, known: frozenset[str], problems: Problems) -> None:
    for number, each in enumerate(spec.gateway.api_keys if spec.gateway else ()):
        for index, name in enumerate(each.models or ()):
            if name not in known:
                place = at.step(number).step("models").step(index).node.place
                path = f"gateway.api_keys.{number}.models.{index}"
                problems.add(place, path, _unknown(name, known), "a name that clients may use")


def _unknown(name: str, known: frozenset[str]) -> str:
    return f"{name} is no model of this file{did_you_mean(name, sorted(known))}"
