"""Commands take a file together with those that it includes."""

import json


async def test_files_that_are_included_are_checked_with_it(shell):
    (shell.home / "models.d").mkdir()
    (shell.home / "zoo.yaml").write_text("active: [b]\ninclude: [models.d/*.yaml]\nmodels: {}\n")
    more = shell.home / "models.d" / "b.yaml"
    more.write_text("models:\n  b: {command: serve}\n")
    good = await shell("check", "zoo.yaml")
    assert (0, "ok: 1 model, active: b\n") == (good.code, good.out)
    more.write_text("models:\n  b: {comand: serve}\n")
    bad = await shell("check", "zoo.yaml")
    assert 78 == bad.code
    assert "models.d/b.yaml:2:7: models.b.comand: unknown key; did you mean command?" in bad.err


async def test_a_file_that_is_not_there_is_named(shell):
    (shell.home / "zoo.yaml").write_text("active: []\ninclude: [gone.yaml]\nmodels: {}\n")
    gone = await shell("check", "zoo.yaml")
    assert (78, "gone.yaml is missing\n") == (gone.code, gone.err)


async def test_use_and_plan_take_models_of_included_files(shell):
    (shell.home / "zoo.yaml").write_text("active: []\ninclude: [more.yaml]\nmodels: {}\n")
    (shell.home / "more.yaml").write_text("models: {b: {command: serve}}\n")
    assert 0 == (await shell("use", "-f", "zoo.yaml", "b")).code
    assert "active: [b]\ninclude: [more.yaml]\nmodels: {}\n" == (shell.home / "zoo.yaml").read_text()
    assert "b: serve\n" == (await shell("plan", "--commands", "zoo.yaml")).out
    assert ["b"] == list(json.loads((await shell("plan", "--json", "zoo.yaml")).out)["models"])
