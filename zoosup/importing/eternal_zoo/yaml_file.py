"""Eternal Zoo's YAML: port, host, and models by name, of which the first that is not on demand is the main one.

Where no entry is, the first is. Refuses to look for weights: `folder` says what the models' directory has.
"""

from dataclasses import dataclass

from zoosup.importing.draft import Draft, LeftOut, Model
from zoosup.importing.eternal_zoo.catalogue import CATALOGUE
from zoosup.importing.eternal_zoo.folder import Folder
from zoosup.importing.eternal_zoo.launch import Entry, launch
from zoosup.importing.names import Names
from zoosup.importing.report import Report
from zoosup.importing.source import Entry as Key, Node, read_yaml

_TOP = frozenset({"port", "host", "models"})
_KEYS = frozenset({"model", "hf_repo", "mmproj", "task", "backend", "on_demand", "pattern", "context_length"})
_LOCAL = frozenset({"127.0.0.1", "localhost", ""})
_PORT = 8080


def import_yaml(text: str, file: str, folder: Folder, report: Report) -> Draft:
    """Read the file; InvalidFileError where it is none."""
    root = read_yaml(text, file, report)
    draft = Draft(head=[f"From {file}, by zoosup import eternal-zoo."], defaults={"on_demand": True})
    for entry in root.entries():
        if entry.key not in _TOP:
            report.add(entry.at, f"{entry.key} is no key of Eternal Zoo's")
    _gateway(root, draft, report)
    names = Names(report)
    keys = list(root.get("models").entries())
    for key in keys:
        name = names.of_model(key.key, key.at)
        draft.models.append(_Reading(key, name, folder, report).model())
    main = next((at for at, key in enumerate(keys) if not key.value.get("on_demand").truth), 0)
    chosen = draft.models[main] if keys else None
    if isinstance(chosen, Model):
        draft.active = [chosen.name]
    return draft


def _gateway(root: Node, draft: Draft, report: Report) -> None:
    host, port = root.get("host"), root.get("port").whole
    if host.given and host.text not in _LOCAL:
        what = f"it listened on {host.text}; here only this host may connect. For others: gateway.listen, api_keys"
        report.add(host.at, what)
    if port is not None and port != _PORT and 0 < port < 65536:  # noqa: PLR2004 - ports
        draft.top["gateway"] = {"listen": f"127.0.0.1:{port}"}


@dataclass(slots=True)
class _Reading:
    key: Key
    name: str
    folder: Folder
    report: Report

    def model(self) -> Model | LeftOut:
        node = self.key.value
        for each in node.entries():
            if each.key not in _KEYS:
                self.report.add(each.at, f"{self.name}: {each.key} is no key of Eternal Zoo's")
        known = CATALOGUE.get(node.get("model").text)
        if known is not None and not node.get("hf_repo").given:
            backend, task = known.backend, known.task
            if node.get("backend").given and node.get("backend").text != backend:
                what = f"{self.name}: {node.get('model').text} is a model for {backend}, not {node.get('backend').text}"
                self.report.add(node.get("backend").at, what)
            weights = self.folder.weights(known.repo, known.file, known.pattern, backend)
            mmproj = self.folder.projector(known.repo, known.file, known.mmproj)
            architecture = known.architecture
        else:
            backend, task = node.get("backend").text or "gguf", node.get("task").text or "chat"
            repo, file = node.get("hf_repo").text, node.get("model").text
            weights = self.folder.weights(repo, file, node.get("pattern").text, backend)
            mmproj = self.folder.projector(repo, file, node.get("mmproj").text)
            architecture = ""
        if weights is None:
            return self._left_out("it names neither a repository nor a model of the catalogue")
        if mmproj is None:
            what = f"its projector {node.get('mmproj').text} is not on this host; llama-server finds one at the hub"
            self.report.add(self.key.at, f"{self.name}: {what}")
        context = node.get("context_length").whole
        entry = Entry(
            self.name,
            self.key.at,
            backend,
            task,
            weights,
            mmproj or "",
            context if context and context > 0 else None,
            architecture,
        )
        return launch(entry, self.report)

    def _left_out(self, why: str) -> LeftOut:
        self.report.add(self.key.at, f"{self.name} is left out: {why}")
        was = [f"{entry.key}: {entry.value.text}" for entry in self.key.value.entries()]
        return LeftOut(self.name, self.key.at, why, was)
