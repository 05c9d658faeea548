"""`zoosup estimate`: the terms and their sum, without a supervisor."""

import json

import pytest

from tests.host import weight_files
from zoosup.cli.main import main


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ZOOSUP_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))  # whatever of llama.cpp's this host has is not asked
    (tmp_path / "m.gguf").write_bytes(weight_files.gguf())
    (tmp_path / "zoo.yaml").write_text(
        """\
active: []
models:
  derived: {command: llama-server -m m.gguf -c 4096 --cache-ram 0, cwd: CWD}
  declared: {command: llama-server -m m.gguf, memory: {ram: 3GiB}}
  unknown: {command: sleep 5}
""".replace("CWD", str(tmp_path))
    )
    return tmp_path


def told(capsys, *arguments):
    assert 0 == main(["estimate", *arguments, "--json"])
    return json.loads(capsys.readouterr().out)


def test_the_terms_add_up_to_the_need(here, capsys):
    found = told(capsys, "derived")
    assert ("derived", True) == (found["source"], found["certain"])
    assert found["amounts"]["ram"] == sum(term["amount"] for term in found["terms"])
    assert 2 * 4096 * 2 * 16 * 2 * 2 == next(t["amount"] for t in found["terms"] if t["name"] == "kv cache")


def test_the_source_is_told(here, capsys):
    assert {"ram": 3 * 2**30} == told(capsys, "declared")["amounts"]
    assert ("default", False) == ((found := told(capsys, "unknown"))["source"], found["certain"])


def test_a_file_of_weights_is_reckoned_for_a_llama_server(here, capsys):
    without = told(capsys, "m.gguf")["terms"]
    assert 8 * 2**30 == next(t["amount"] for t in without if t["name"] == "prompt cache")
    assert 0 == main(["estimate", "--json", "m.gguf", "--", "-c", "512", "--cache-ram", "0"])
    found = json.loads(capsys.readouterr().out)
    assert "prompt cache" not in {t["name"] for t in found["terms"]}


async def test_a_supervisor_is_asked_for_it_knows_what_runs_have_shown(shell, server, runtime):
    ended = await shell("estimate", "a")
    assert ("a  learned", "the most of 3 runs, 2 B, + 5 %") == (
        ended.out.splitlines()[0], ended.out.splitlines()[1][27:]
    )  # fmt: skip
    assert [("estimate", "a")] == runtime.commands.wishes


async def test_what_stands_in_another_file_is_no_supervisors_to_say(shell, server, runtime):
    (shell.home / "zoo.yaml").write_text("active: []\nmodels: {new: {command: sleep 5}}\n")
    (shell.home / "other.yaml").write_text("active: []\nmodels: {a: {command: sleep 5}}\n")
    assert "new  default" in (await shell("estimate", "new")).out
    assert "a  default" in (await shell("estimate", "a", "--file", "other.yaml")).out
    assert [] == runtime.commands.wishes


def test_people_read_one_term_a_line(here, capsys):
    assert 0 == main(["estimate", "derived"])
    whole, on_gpus = capsys.readouterr().out.split("\non a host with GPUs: derived\n")
    *lines, note = whole.rstrip().splitlines()
    assert "derived  derived" == lines[0]
    assert "  llama-fit-params is neither beside llama-server nor on PATH" == note
    assert ["weights", "kv cache", "compute", "program", "margin"] == [
        line[13:27].strip() for line in lines[1:-1]
    ]
    assert lines[-1].endswith("of ram")
    assert ["of ram", "of vram"] == [
        line[13:] for line in on_gpus.splitlines() if line[13:].startswith("of ")
    ]


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["none"], 4, "no model 'none' in"),
        (["./gone.gguf"], 4, "./gone.gguf is missing"),
        (["org/none"], 4, "no model 'org/none' in"),
        (["org/none.gguf", "--file", "zoo.yaml"], 4, "no model 'org/none.gguf' in"),
        (["derived", "--", "-c", "1"], 64, "options go with a file of weights"),
        (["derived", "--file", "none.yaml"], 78, "none.yaml"),
    ],
)
def test_what_cannot_be_estimated_is_said(here, capsys, arguments, code, said):
    assert code == main(["estimate", *arguments])
    assert said in capsys.readouterr().err


@pytest.fixture
def fit_params(here):
    """Makes a llama-fit-params that does this, in sh."""

    def install(script):
        program = here / "bin" / "llama-fit-params"
        program.parent.mkdir(exist_ok=True)
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)

    return install


def test_where_llama_cpp_can_be_asked_its_figures_are_shown_and_named(here, capsys, fit_params):
    fit_params("echo 'Host 100 40 60 '")
    found = told(capsys, "derived")
    assert ("llama-fit-params", "", True) == (found["source"], found["note"], found["certain"])
    assert found["amounts"]["ram"] == sum(term["amount"] for term in found["terms"])
    assert 40 * 2**20 == next(t["amount"] for t in found["terms"] if t["name"] == "kv cache")
    assert 0 == main(["estimate", "derived"])
    lines = capsys.readouterr().out.splitlines()
    assert "derived  llama-fit-params" == lines[0]
    assert "     40 MiB  kv cache      by llama-fit-params" == lines[2]


def test_a_bad_answer_of_llama_cpps_is_told_with_the_estimate_that_stands_in_for_it(here, capsys, fit_params):
    fit_params("echo 'error: invalid argument: --fit-print' >&2; exit 1")
    found = told(capsys, "derived")
    why = "llama-fit-params exited with 1: error: invalid argument: --fit-print"
    assert ("derived", why) == (found["source"], found["note"])
    assert 0 == main(["estimate", "derived"])
    assert f"  {why}" in capsys.readouterr().out.splitlines()
