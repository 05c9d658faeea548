"""The status server as the file has it: what other hosts reach asks for a token."""

import pytest

from zoosup.spec.parse import parse
from zoosup.spec.syntax.problems import SpecError


def read(written):
    return parse(f"active: []\nmodels: {{}}\nstatus: {written}\n", path="z", environ={}).status


@pytest.mark.parametrize(
    ("written", "path", "says"),
    [
        ("{listen: '0.0.0.0:8081'}", "status", "which other hosts reach, and asks for no token"),
        ("{listen: '[::]:8081', open: false}", "status.open", "which other hosts reach"),
        ("{hosts: 'box'}", "status.hosts", "a list of host names"),
        ("{hosts: ['box:80']}", "status.hosts", "a list of host names"),
        ("{hosts: [7]}", "status.hosts", "a list of host names"),
    ],
)
def test_what_is_not_guarded_is_refused(written, path, says):
    with pytest.raises(SpecError) as refused:
        read(written)
    assert f": {path}: " in str(refused.value)
    assert says in str(refused.value)


@pytest.mark.parametrize(
    "written",
    [
        "{listen: '0.0.0.0:8081', open: true}",
        "{listen: '0.0.0.0:8081', token: t}",
        "{listen: '[::1]:8081'}",
        "{listen: null}",
    ],
)
def test_what_is_guarded_or_local_is_accepted(written):
    assert read(written)


def test_names_of_hosts_are_compared_in_lower_case():
    assert ("box.example.org",) == read("{hosts: [Box.Example.org]}").hosts
