"""`zoosup check` and `zoosup schema`."""

import asyncio
import json

import jsonschema
import pytest

from tests.host.weight_files import gguf

GOOD = "active: a\nmodels:\n  a: {command: sleep 1, port: 9001}\n  b: {command: sleep 2}\n"
BAD = "activ: a\nmodels:\n  a: {command: sleep 1, port: 99999}\n"


@pytest.fixture
def file(shell):
    path = shell.home / "zoo.yaml"
    path.write_text(GOOD)
    return path


async def test_a_good_file_is_ok(shell, file):
    ended = await shell("check", "zoo.yaml")
    assert (0, "ok: 2 models, active: a\n", "") == (ended.code, ended.out, ended.err)


async def test_an_empty_zoo_is_ok(shell, file):
    file.write_text("active: []\nmodels: {}\n")
    assert "ok: 0 models, active: none\n" == (await shell("check")).out


async def test_a_bad_file_is_78_with_every_problem_and_its_place(shell, file):
    file.write_text(BAD)
    ended = await shell("check", "zoo.yaml")
    assert (78, "") == (ended.code, ended.out)
    lines = ended.err.splitlines()
    assert any(each.startswith("zoo.yaml:1:1: ") for each in lines)
    assert any(each.startswith("zoo.yaml:3:31: models.a.port: ") for each in lines)


async def test_for_programs_problems_are_a_list(shell, file):
    file.write_text(BAD)
    ended = await shell("check", "zoo.yaml", "--json")
    answer = json.loads(ended.out)
    assert (78, "", False) == (ended.code, ended.err, answer["ok"])
    port = next(each for each in answer["problems"] if each["path"] == "models.a.port")
    assert ("zoo.yaml", 3, 31) == (port["file"], port["line"], port["column"])
    assert port["what"]
    assert port["expected"]


async def test_for_programs_a_good_file_names_its_models(shell, file):
    answer = json.loads((await shell("check", "zoo.yaml", "--json")).out)
    expected = {"ok": True, "file": "zoo.yaml", "models": ["a", "b"], "active": ["a"], "problems": []}
    assert expected == answer


async def test_several_files_are_told_one_by_one(shell, file):
    (shell.home / "bad.yaml").write_text(BAD)
    ended = await shell("check", "zoo.yaml", "bad.yaml")
    assert (78, "zoo.yaml: ok: 2 models, active: a\n") == (ended.code, ended.out)
    assert ended.err.startswith("bad.yaml:1:1: ")
    assert [True, False] == [
        each["ok"] for each in json.loads((await shell("check", "zoo.yaml", "bad.yaml", "--json")).out)
    ]


async def test_standard_input_is_a_file_too(shell):
    process = await shell.start("check", "-", stdin=asyncio.subprocess.PIPE)
    out, err = await process.communicate(BAD.encode())
    assert (78, b"") == (process.returncode, out)
    assert err.startswith(b"stdin:1:1: ")


async def test_what_is_not_set_may_be_let_pass(shell, file):
    file.write_text("active: []\nmodels: {}\ngateway: {api_keys: ['${env.NO_SUCH_KEY}']}\n")
    assert 78 == (await shell("check")).code
    assert 0 == (await shell("check", "--allow-unset")).code


async def test_a_missing_key_file_is_an_error(shell, file):
    file.write_text("active: []\nmodels: {}\ngateway: {api_key_file: /no/such/keys}\n")
    ended = await shell("check")
    assert 78 == ended.code
    assert "gateway.api_key_file: /no/such/keys is missing" in ended.err
    assert 0 == (await shell("check", "--allow-unset")).code, "another machine has it"


async def test_what_probably_does_not_work_is_a_warning(shell, file):
    file.write_text(GOOD.replace("sleep 1", "serve --port 1 ~/x"))
    ended = await shell("check")
    assert (0, "ok: 2 models, active: a\n") == (ended.code, ended.out)
    assert "zoo.yaml:3:" in ended.err
    assert "(warning)" in ended.err
    assert 2 == len(json.loads((await shell("check", "--json")).out)["warnings"])


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda path: path.unlink(), "zoo.yaml: No such file or directory"),
        (lambda path: (path.unlink(), path.mkdir()), "zoo.yaml: Is a directory"),
        (lambda path: path.write_bytes(b"active: \xff\n"), "zoo.yaml:1:9: the byte 0xFF is not UTF-8"),
        (lambda path: path.write_text(""), "zoo.yaml:1:1: the file is empty"),
    ],
)
async def test_a_file_that_cannot_be_read_is_78_and_says_why(shell, file, make, says):
    make(file)
    ended = await shell("check", "zoo.yaml")
    assert 78 == ended.code
    assert ended.err.startswith(says)
    as_json = await shell("check", "zoo.yaml", "--json")
    assert 78 == as_json.code
    assert 1 == len(json.loads(as_json.out)["problems"])


async def test_the_file_is_looked_for_in_the_documented_order(shell):
    def put(name: str) -> None:
        path = shell.home / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"active: []\nmodels: {{{name.replace('/', '-').strip('.-')}: {{command: x}}}}\n")

    async def found() -> list[str]:
        return json.loads((await shell("check", "--json")).out)["models"]

    put(".config/zoosup/zoo.yaml")
    assert ["config-zoosup-zoo.yaml"] == await found()
    shell.env = {"XDG_CONFIG_HOME": str(shell.home / "xdg")}
    put("xdg/zoosup/zoo.yaml")
    assert ["xdg-zoosup-zoo.yaml"] == await found()
    put("zoo.yaml")
    assert ["zoo.yaml"] == await found()
    put("other.yaml")
    shell.env |= {"ZOOSUP_FILE": "other.yaml"}
    assert ["other.yaml"] == await found()
    put("third.yaml")
    assert ["third.yaml"] == json.loads((await shell("check", "third.yaml", "--json")).out)["models"]


async def test_the_environment_reaches_the_file(shell, file):
    file.write_text("active: []\nmodels: {a: {command: 'x ${env.WEIGHTS}'}}\n")
    assert "WEIGHTS" in (await shell("check")).err
    shell.env = {"WEIGHTS": "/w"}
    assert 0 == (await shell("check")).code


async def test_the_schema_is_one_that_accepts_a_good_file(shell):
    ended = await shell("schema")
    document = {"active": "a", "models": {"a": {"command": "sleep 1"}}}
    jsonschema.validate(document, json.loads(ended.out))
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"activ": "a"}, json.loads(ended.out))


NAMED = "active: []\nmodels:\n  a: {llama: {weights: 'hf://o/r/m.gguf'}}\n  b: {llama: {weights: 'hf://o/gone:Q4'}}\n"


def in_lm_studio(home):
    """The cache that is made in two lines."""
    path = home / ".lmstudio/models/o/r/m.gguf"
    path.parent.mkdir(parents=True)
    path.write_bytes(gguf())
    return path


async def test_a_check_says_where_named_weights_are_and_which_are_nowhere(shell, file):
    path = in_lm_studio(shell.home)
    file.write_text(NAMED)
    ended = await shell("check", "zoo.yaml")
    assert (0, f"ok: 2 models, active: none\na: hf://o/r/m.gguf is {path}\n") == (ended.code, ended.out)
    assert "b: hf://o/gone:Q4 is in no cache of this host" in ended.err
    file.write_text(NAMED.replace("b: {", "b: {fetch: true, "))  # a start brings them
    assert "" == (await shell("check", "zoo.yaml")).err
    answer = json.loads((await shell("check", "zoo.yaml", "--json")).out)
    assert {"a": {"hf://o/r/m.gguf": str(path)}, "b": {"hf://o/gone:Q4": None}} == answer["weights"]


async def test_a_plan_of_commands_and_an_estimate_have_the_paths(shell, file):
    path = in_lm_studio(shell.home)
    file.write_text(NAMED)
    ended = await shell("plan", "--commands", "zoo.yaml")
    assert f"a: llama-server -m {path} --host" in ended.out
    assert "b: llama-server -m hf://o/gone:Q4 --host" in ended.out
    assert "zoosup fetch hf://o/gone:Q4 downloads it" in ended.err
    found = await shell("estimate", "a", "--file", "zoo.yaml")
    assert f"hf://o/r/m.gguf is {path}" in found.out
    assert "derived" in found.out
    guessed = await shell("estimate", "b", "--file", "zoo.yaml")
    assert "weights hf://o/gone:Q4 are in no cache of this host" in " ".join(guessed.out.split())
