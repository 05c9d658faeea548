"""llama.cpp's models.ini: the presets of its router, a section a model, as short forms.

By tools/server/README.md of llama.cpp: a key is an option without its dashes or a LLAMA_ARG_ variable; `[*]` holds for
all sections, a section's own key goes before it. Refuses to know what weights there are.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from zoosup.errors import InvalidFileError
from zoosup.importing.draft import Draft, LeftOut, Model, grace_of
from zoosup.importing.names import Names
from zoosup.importing.report import Origin, Report
from zoosup.importing.words import template
from zoosup.spec.model.process.short_forms.kinds import CACHE_TYPES
from zoosup.spec.model.values.weight_names import HUB, gguf_at_hub

_SECTION = re.compile(r"\[(?P<name>.*)\]\s*(?:[#;].*)?\Z")
_COMMENT = re.compile(r"(?:^|\s)[#;].*\Z")
_HUB = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*(?::[\w.-]+)?")
_ALL = "*"
_MOST_LAYERS = 999
_SAME = {
    "m": "model", "hf": "hf-repo", "hfr": "hf-repo", "hff": "hf-file", "mm": "mmproj", "c": "ctx-size",
    "np": "parallel",
    "ngl": "gpu-layers", "n-gpu-layers": "gpu-layers", "ctk": "cache-type-k", "ctv": "cache-type-v", "fa": "flash-attn",
    "b": "batch-size", "md": "model-draft", "spec-draft-model": "model-draft", "cmoe": "cpu-moe", "ncmoe": "n-cpu-moe",
    "cram": "cache-ram", "embeddings": "embedding", "rerank": "reranking", "a": "alias",
}  # fmt: skip
"""Other spellings of an option."""

_SHORT = frozenset(
    {
        "t", "tb", "n", "ub", "kvu", "sm", "ts", "mg", "ot", "dev", "ctkd", "ctvd", "ngld", "s", "l", "to", "sps", "cb",
        "ctxcp", "cms", "fit", "fitt", "fitc", "lm", "nkvo", "kvo", "nr", "rea", "e", "v", "lv",
    }
)  # fmt: skip
_ROUTERS = frozenset({"host", "port", "api-key", "api-key-file", "models-dir", "models-max", "models-preset"})
_FIELDS = {
    "model": "weights", "hf-repo": "weights", "hf-file": "weights", "mmproj": "mmproj", "ctx-size": "context",
    "parallel": "parallel", "gpu-layers": "gpu_layers", "cache-type-k": "kv", "cache-type-v": "kv",
    "flash-attn": "flash", "batch-size": "batch", "model-draft": "draft", "cpu-moe": "cpu_moe",
    "n-cpu-moe": "cpu_moe", "cache-ram": "cache_ram", "chat-template": "chat_template",
    "chat-template-file": "chat_template", "embedding": "task", "reranking": "task",
}  # fmt: skip
_YES, _NO = frozenset({"true", ""}), frozenset({"false"})


@dataclass(slots=True)
class _Section:
    name: str
    at: Origin
    values: dict[str, tuple[str, Origin]] = field(default_factory=dict)


def import_presets(text: str, file: str, directory: str, report: Report) -> Draft:
    """Read the file; relative paths begin at `directory`. InvalidFileError where it is none."""
    sections = list(_sections(text, file, report))
    shared = next((each.values for each in sections if each.name == _ALL), {})
    draft = Draft(
        head=[f"From {file}, by zoosup import llama.cpp."], defaults={"on_demand": True, "idle_timeout": "0s"}
    )
    form, _ = _form(shared, shared, directory)
    if form:
        draft.defaults["llama"] = form
    names = Names(report)
    models = [each for each in sections if each.name != _ALL]
    named = [(names.of_model(each.name, each.at), each) for each in models]
    reading = _Reading(shared, directory, report, draft.active)
    draft.models += [reading.model(name, section) for name, section in named]
    for each in draft.models:
        if isinstance(each, Model):
            _aliases(each, dict(named)[each.name], names)
    return draft


def _sections(text: str, file: str, report: Report) -> Iterator[_Section]:
    found: dict[str, _Section] = {}
    current: _Section | None = None
    for number, line in enumerate(text.removeprefix("\ufeff").splitlines(), 1):
        at, bare = Origin(file, number), line.strip()
        if not bare or bare[0] in "#;":
            continue
        if (header := _SECTION.match(bare)) is not None:
            name = header["name"].strip()
            if name in found:
                report.add(
                    at, f"the section {name} stands in line {found[name].at.line} already; both count as one"
                )
            current = found.setdefault(name, _Section(name, at))
            continue
        key, equals, value = bare.partition("=")
        if not equals:
            raise InvalidFileError(f"{file}:{number}:1: neither [section] nor key = value")
        if current is None and key.strip() == "version":
            continue
        if current is None:
            report.add(at, f"{key.strip()} stands before any section and is passed over")
            continue
        _keep(current, key.strip(), _COMMENT.sub("", value).strip(), at, report)
    yield from found.values()


def _keep(section: _Section, key: str, value: str, at: Origin, report: Report) -> None:
    key = (
        key
        if key.startswith("LLAMA_")
        else _SAME.get(key.lstrip("-").replace("_", "-"), key.lstrip("-").replace("_", "-"))
    )
    if key in section.values:
        report.add(at, f"{key} stands in line {section.values[key][1].line} already; this one counts")
    section.values[key] = (value, at)


Values = Mapping[str, tuple[str, Origin]]


@dataclass(slots=True)
class _Reading:
    """What all sections are read with; `active` grows."""

    shared: Values
    directory: str
    report: Report
    active: list[str]

    def model(self, name: str, section: _Section) -> Model | LeftOut:
        own, together = dict(section.values), {**self.shared, **section.values}
        if "model" not in together and "hf-repo" not in together:
            if not _HUB.fullmatch(section.name):
                self.report.add(section.at, f"{section.name} is left out: it names no weights")
                return LeftOut(section.name, section.at, "it names no weights")
            own["hf-repo"] = together["hf-repo"] = (section.name, section.at)
        form, odd = _form(own, together, self.directory)
        model = Model(name, section.at, {"llama": form})
        if str(form.get("weights")).startswith(HUB):
            model.fields["fetch"] = True  # as llama.cpp's router does
        args = list(_args(together, odd, self.report))
        if args:
            form["args"] = args
        env = {key: template(value) for key, (value, _) in together.items() if key.startswith("LLAMA_")}
        if env:
            model.fields["env"] = env
        _own_keys(model, together, self.report, self.active)
        return model


def _form(own: Values, all_of_it: Values, directory: str) -> tuple[dict[str, Any], set[str]]:
    """The fields that the keys of `own` touch, and the keys that no field can hold as they are."""
    form: dict[str, Any] = {}
    odd: set[str] = set()
    for key in sorted(own, key=lambda each: _FIELDS.get(each) != "weights"):
        name = _FIELDS.get(key)
        if name is None or name in form:
            continue
        value = _value(name, all_of_it, directory)
        if value is not None:
            form[name] = value
    for key in all_of_it:
        name = _FIELDS.get(key)
        said = all_of_it[key][0]
        if name is not None and said and said not in _NO and _value(name, all_of_it, directory) is None:
            odd.add(key)
    return form, odd


def _value(name: str, values: Values, directory: str) -> Any:
    """A field by the keys that say it; None where they say what it can't hold."""
    said = {key: value for key, (value, _) in values.items()}
    return _READERS[name](said, directory)


Said = Mapping[str, str]


def _layers(said: Said, _: str) -> int | str | None:
    layers = said["gpu-layers"]
    number = _whole(layers, 0)
    return layers if layers in {"auto", "all"} else None if number is None else min(number, _MOST_LAYERS)


def _cache_types(said: Said, _: str) -> str | list[str] | None:
    pair = [said.get("cache-type-k", "f16"), said.get("cache-type-v", "f16")]
    return None if not set(CACHE_TYPES).issuperset(pair) else pair[0] if pair[0] == pair[1] else pair


def _flash(said: Said, _: str) -> str | None:
    found = {"true": "on", "1": "on", "false": "off", "0": "off"}.get(said["flash-attn"], said["flash-attn"])
    return found if found in {"on", "off", "auto"} else None


def _experts(said: Said, _: str) -> bool | int | None:
    return True if said.get("cpu-moe") in _YES else _whole(said.get("n-cpu-moe", ""), 1)


def _cache_ram(said: Said, _: str) -> str | None:
    size = _whole(said["cache-ram"], 0)
    return None if size is None else f"{size}MiB"


def _task(said: Said, _: str) -> str | None:
    return "rerank" if said.get("reranking") in _YES else "embed" if said.get("embedding") in _YES else None


def _weights(said: Mapping[str, str], directory: str) -> str | None:
    if said.get("model"):
        return _absolute(said["model"], directory)
    repo, file = said.get("hf-repo", ""), said.get("hf-file", "")
    if not repo:
        return None
    return gguf_at_hub(repo, file)


def _absolute(path: str, directory: str) -> str | None:
    if not path:
        return None
    return template(
        path if path.startswith(("/", "~")) else f"{directory.rstrip('/')}/{path.removeprefix('./')}"
    )


def _whole(text: str, least: int) -> int | None:
    number = int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else -1  # noqa: PLR2004
    return number if number >= least else None


_READERS: Mapping[str, Callable[[Said, str], Any]] = {
    "weights": _weights,
    "mmproj": lambda said, directory: _absolute(said["mmproj"], directory),
    "draft": lambda said, directory: _absolute(said["model-draft"], directory),
    "context": lambda said, _: _whole(said["ctx-size"], 1),
    "parallel": lambda said, _: _whole(said["parallel"], 1),
    "batch": lambda said, _: _whole(said["batch-size"], 1),
    "gpu_layers": _layers,
    "kv": _cache_types,
    "flash": _flash,
    "cpu_moe": _experts,
    "cache_ram": _cache_ram,
    "chat_template": lambda said, _: template(said.get("chat-template-file") or said["chat-template"]),
    "task": _task,
}


def _args(values: Values, odd: set[str], report: Report) -> Iterator[str]:
    """What no field holds, as words: true and false are options without a value."""
    for key, (value, at) in values.items():
        if (key in _FIELDS and key not in odd) or key in _PRESETS_OWN or key.startswith("LLAMA_"):
            continue
        if key in _ROUTERS:
            report.add(
                at,
                f"{key} is the router's: zoosup chooses where a model listens, and its gateway asks for keys",
            )
            continue
        dashed = f"-{key}" if key in _SHORT else f"--{key}"
        if value.lower() in _YES:
            yield dashed
        elif value.lower() in _NO:
            yield f"--{key.removeprefix('no-')}" if key.startswith("no-") else f"--no-{key}"
        else:
            yield from (dashed, template(value))


_PRESETS_OWN = frozenset({"load-on-startup", "stop-timeout", "dedup-cache-models", "alias", "tags"})


def _own_keys(model: Model, values: Values, report: Report, active: list[str]) -> None:
    said = {key: value for key, (value, _) in values.items()}
    if said.get("load-on-startup", "").lower() in {"true", "1", "on", "yes"}:
        active.append(model.name)
    if (grace := grace_of(_whole(said.get("stop-timeout", ""), 0))) is not None:
        model.fields["stop"] = {"grace": grace}
    if "tags" in values:
        report.add(values["tags"][1], f"{model.name}: tags are shown nowhere")


def _aliases(model: Model, section: _Section, names: Names) -> None:
    text, at = section.values.get("alias", ("", section.at))
    found = [names.of_alias(each.strip(), model.name, at) for each in text.split(",") if each.strip()]
    if aliases := [each for each in found if each is not None]:
        model.fields["aliases"] = aliases
