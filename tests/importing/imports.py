"""Importing texts as the command line does, without a disk."""

from zoosup.importing.checked import written
from zoosup.importing.draft import Host
from zoosup.importing.eternal_zoo.folder import Folder, import_folder
from zoosup.importing.eternal_zoo.yaml_file import import_yaml
from zoosup.importing.llama_swap.whole import Given, import_llama_swap
from zoosup.importing.presets.models_ini import import_presets
from zoosup.importing.report import Report
from zoosup.spec.parse import parse
from zoosup.spec.syntax.templates import LenientEnvironment


class Imported:
    """The text, the remarks as lines, and the text read again."""

    def __init__(self, draft, report):
        self.draft = draft
        self.text = written(draft, report)
        self.remarks = [str(each) for each in report.remarks]

    @property
    def spec(self):
        return parse(self.text, path="zoo.yaml", environ=LenientEnvironment())

    def said(self, text):
        return [each for each in self.remarks if text in each]


ROOMY, NO_FOLDER = Host(48 * 2**30, None), Folder("/ez")


def llama_swap(*texts, host=ROOMY):
    names = ["c.yaml", "d.yaml", "e.yaml"]
    files = [Given(name, text, "/etc/swap") for name, text in zip(names, texts, strict=False)]
    report = Report()
    return Imported(import_llama_swap(files, report, host), report)


def presets(text):
    report = Report()
    return Imported(import_presets(text, "m.ini", "/srv", report), report)


def eternal_zoo(text, folder=NO_FOLDER):
    report = Report()
    return Imported(import_yaml(text, "ez.yaml", folder, report), report)


def eternal_folder(there, texts):
    report = Report()
    return Imported(import_folder(Folder("/ez", frozenset(there), texts), "models", report), report)
