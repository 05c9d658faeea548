"""YAML as the programs that people come from read it."""

import pytest

from zoosup.importing.report import Report
from zoosup.importing.source import read_yaml


def remarks(text):
    report = Report()
    assert [] == list(read_yaml(text, "c.yaml", report).get("models").entries())
    return [str(each) for each in report.remarks]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("root:x:0:0:root", "c.yaml:1: the file is no mapping: nothing of it is carried over"),
        ("- a", "c.yaml:1: the file is no mapping: nothing of it is carried over"),
        ("x: 1\nmodels:\n- cmd: serve", "c.yaml:3: models is no mapping: nothing of it is carried over"),
    ],
)
def test_of_another_file_nothing_is_carried_over_and_it_is_said(text, said):
    assert [said] == remarks(text)


@pytest.mark.parametrize("text", ["", "# nothing\n", "models:\n", "models: {}", "models: []"])
def test_where_nothing_is_nothing_is_said(text):
    assert [] == remarks(text)
