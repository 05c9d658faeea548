"""Eternal Zoo's folder of models: a JSON file for each, weights beside it, and a metadata.json in those of adapters.

Refuses to read a disk: it is handed the listing and the texts.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from zoosup.importing.draft import Draft, LeftOut, Model
from zoosup.importing.eternal_zoo.catalogue import CATALOGUE
from zoosup.importing.eternal_zoo.launch import Entry, launch
from zoosup.importing.names import Names
from zoosup.importing.report import Origin, Report
from zoosup.spec.model.values.weight_names import gguf_at_hub

_SUFFIX, _PROJECTOR = ".gguf", "-projector"


@dataclass(frozen=True, slots=True)
class Folder:
    """The directory, the relative paths of what is in it (files, and directories too), and the JSON texts."""

    path: str
    there: frozenset[str] = frozenset()
    texts: Mapping[str, str] = field(default_factory=dict)

    def weights(self, repo: str, file: str, pattern: str, backend: str) -> str | None:
        """A path in the folder where it has them, else their name at the hub; None where nothing names them."""
        flat = repo.replace("/", "_")
        for name in [file] if file else self._of_repository(flat, pattern):
            if name in self.there:
                return f"{self.path}/{name}"
        if not repo:
            return None
        if backend != "gguf":
            return repo
        return gguf_at_hub(f"{repo}:{pattern}" if pattern else repo, file)

    def _of_repository(self, flat: str, pattern: str) -> Iterable[str]:
        """Its first part, or the directory itself."""
        base = f"{flat}_{pattern}" if pattern else flat
        inside = sorted(name for name in self.there if name.startswith(f"{base}/") and name.endswith(_SUFFIX))
        return [*inside[:1], base] if pattern or inside else [base]

    def projector(self, repo: str, file: str, mmproj: str) -> str | None:
        """Its path; "" where it has none, None where it is not in the folder."""
        for name in (f"{file}{_PROJECTOR}", mmproj, f"{repo.replace('/', '_')}{_PROJECTOR}"):
            if name and name in self.there:
                return f"{self.path}/{name}"
        return None if mmproj else ""


def import_folder(folder: Folder, name: str, report: Report) -> Draft:
    """A model for each JSON file, in the order of their names; `name` is the folder's, for remarks."""
    draft = Draft(head=[f"From {name}, by zoosup import eternal-zoo."], defaults={"on_demand": True})
    names = Names(report)
    for file in sorted(each for each in folder.texts if "/" not in each):
        at = Origin(f"{name}/{file}", 1)
        found = _read(folder.texts[file])
        if found is None:
            report.add(at, "is no JSON object and left out")
            draft.models.append(LeftOut(file, at, "it is no JSON object"))
        else:
            ident = file.removesuffix(".json")
            model = names.of_model(_text(found, "model_name", "folder_name") or ident, at)
            draft.models.append(_model(ident, found, (model, at), folder, report))
    first = next((each.name for each in draft.models if isinstance(each, Model)), None)
    draft.active = [first] if first is not None else []
    if first is not None:
        draft.head.append("Which one is the main model the folder does not say: the first is active.")
    return draft


def _read(text: str) -> dict[str, Any] | None:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _text(found: Mapping[str, Any], *keys: str) -> str:
    return next((found[key] for key in keys if isinstance(found.get(key), str) and found[key]), "")


def _model(
    ident: str, found: dict[str, Any], named: tuple[str, Origin], folder: Folder, report: Report
) -> Model | LeftOut:
    name, at = named
    data = found["hf_data"] if isinstance(found.get("hf_data"), dict) else {}
    repo, file, pattern = _text(data, "repo"), _text(data, "model"), _text(data, "pattern")
    backend, task = _text(data, "backend") or "gguf", _text(found, "task") or "chat"
    own = f"{ident}{_SUFFIX}"
    weights = f"{folder.path}/{own}" if own in folder.there else folder.weights(repo, file, pattern, backend)
    entry = Entry(name, at, backend, task, weights or "", architecture=_text(found, "architecture"))
    if found.get("lora") is True:
        why = _with_loras(entry, own if own in folder.there else repo.replace("/", "_"), folder)
        if why:
            return _left_out(entry, why, report)
    if not entry.weights:
        return _left_out(entry, "its weights are not in the folder, and it names no repository", report)
    if found.get("multimodal") is True:
        beside = next(
            (each for each in (f"{ident}{_PROJECTOR}", f"{own}{_PROJECTOR}") if each in folder.there), None
        )
        entry.mmproj = (
            f"{folder.path}/{beside}"
            if beside
            else folder.projector(repo, file, _text(data, "projector")) or ""
        )
        if not entry.mmproj:
            report.add(at, f"{name}: its projector is not in the folder, so that it does not see")
    return launch(entry, report)


def _with_loras(entry: Entry, directory: str, folder: Folder) -> str:
    """Take the adapters and the base model from its metadata.json; why not, where that can't be."""
    found = _read(folder.texts.get(f"{directory}/metadata.json", ""))
    if found is None:
        return "it is a LoRA model without a metadata.json"
    paths, scales = found.get("lora_paths"), found.get("lora_scales")
    if not isinstance(paths, list) or not isinstance(scales, list) or len(paths) != len(scales):
        return "its metadata.json has not as many scales as adapters"
    base = _text(found, "base_model")
    entry.loras = [
        {"path": f"{folder.path}/{directory}/{path}", "scale": scale}
        for path, scale in zip(paths, scales, strict=True)
    ]
    if f"{base}{_SUFFIX}" in folder.there:
        entry.weights = f"{folder.path}/{base}{_SUFFIX}"
        return ""
    known = CATALOGUE.get(entry.architecture)
    if known is None:
        return f"its base model {base or 'has no name and'} is not in the folder"
    entry.weights = folder.weights(known.repo, known.file, known.pattern, known.backend) or ""
    return ""


def _left_out(entry: Entry, why: str, report: Report) -> LeftOut:
    report.add(entry.at, f"{entry.name} is left out: {why}")
    return LeftOut(entry.name, entry.at, why)
