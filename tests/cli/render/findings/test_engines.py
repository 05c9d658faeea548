"""Which container engines `zoosup doctor` tells of."""

import pytest

from zoosup.cli.render.findings.engines import engines
from zoosup.spec.parse import parse

ZOO = "active: []\nmodels:\n  a: {container: {image: x, engine: %s}}\n"


@pytest.fixture(autouse=True)
def _nowhere(monkeypatch, tmp_path):
    for name in ("DOCKER_HOST", "CONTAINER_HOST"):
        monkeypatch.setenv(name, f"unix://{tmp_path}/none.sock")
    monkeypatch.setattr(
        "zoosup.host.container.discovery.sockets", lambda *_: (f"unix://{tmp_path}/none.sock",)
    )


def test_without_one_and_without_need_there_is_nothing_to_warn_of():
    (found,) = engines(None)
    assert "ok" == found.state
    assert "no model needs one" in found.message


def test_one_that_the_file_names_and_that_does_not_answer_is_a_warning(tmp_path):
    (found,) = engines(parse(ZOO % f"unix://{tmp_path}/none.sock", path="zoo.yaml", environ={}))
    assert "warn" == found.state
    assert f"{tmp_path}/none.sock" in found.message
