"""`zoosup import`: another program's file becomes a zoo.yaml that `zoosup check` passes."""

import pytest

SWAP = "models:\n  m:\n    cmd: llama-server -m /m.gguf --port ${PORT}\n"
ODD = SWAP + "listen: x\n"


@pytest.fixture
def swap(shell):
    path = shell.home / "config.yaml"
    path.write_text(SWAP)
    return path


async def test_what_is_written_passes_check(shell, swap):
    ended = await shell("import", "llama-swap", "config.yaml", "-o", "zoo.yaml")
    assert (0, "", "") == (ended.code, ended.out, ended.err)
    checked = await shell("check", "zoo.yaml")
    assert (0, "ok: 1 model, active: none\n") == (checked.code, checked.out)


async def test_without_a_file_it_goes_to_standard_output(shell, swap):
    ended = await shell("import", "llama-swap", "config.yaml")
    assert 0 == ended.code
    assert "  # config.yaml:2\n  m:\n" in ended.out


async def test_what_is_lost_is_said_and_strict_fails(shell, swap):
    swap.write_text(ODD)
    ended = await shell("import", "llama-swap", "config.yaml")
    assert (
        0,
        [
            "config.yaml:4: listen is no key of llama-swap's, which passes over it as well",
            "1 thing to look at",
        ],
    ) == (
        ended.code,
        ended.err.splitlines(),
    )
    strict = await shell("import", "llama-swap", "config.yaml", "--strict")
    assert (1, ended.out) == (strict.code, strict.out)


async def test_what_can_not_be_read_is_78_and_nothing_is_written(shell, swap):
    swap.write_text("a: [")
    for source in ("llama-swap", "eternal-zoo"):
        ended = await shell("import", source, "config.yaml", "-o", "zoo.yaml")
        assert (78, "") == (ended.code, ended.out)
        assert ended.err.startswith("config.yaml:2:1: not YAML")
    missing = await shell("import", "llama.cpp", "nobody.ini", "-o", "zoo.yaml")
    assert (78, "nobody.ini: No such file or directory\n") == (missing.code, missing.err)
    swap.write_bytes(b"\xff")
    assert 78 == (await shell("import", "llama-swap", "config.yaml")).code
    assert not (shell.home / "zoo.yaml").exists()


async def test_a_file_that_exists_is_replaced_by_force_alone(shell, swap):
    (shell.home / "zoo.yaml").write_text("mine")
    refused = await shell("import", "llama-swap", "config.yaml", "-o", "zoo.yaml")
    assert (1, "zoosup: zoo.yaml exists; --force replaces it\n") == (refused.code, refused.err)
    assert "mine" == (shell.home / "zoo.yaml").read_text()
    assert 0 == (await shell("import", "llama-swap", "config.yaml", "-o", "zoo.yaml", "--force")).code
    assert "models:" in (shell.home / "zoo.yaml").read_text()


async def test_a_server_of_which_nothing_is_known_counts_for_most_of_this_host(shell, swap):
    swap.write_text("models: {m: {cmd: 'bash /serve.sh ${PORT}'}}")
    ended = await shell("import", "llama-swap", "config.yaml")
    assert "    memory: {ram: " in ended.out
    assert "GiB" in ended.out


async def test_presets_and_a_folder_of_eternal_zoo(shell):
    (shell.home / "m.ini").write_text("[a]\nm = a.gguf\n")
    ended = await shell("import", "llama.cpp", "m.ini")
    assert f"weights: {shell.home}/a.gguf" in ended.out
    models = shell.home / "models"
    (models / "h.gguf").mkdir(parents=True)
    (models / "h.json").write_text('{"model_name": "lab", "lora": true, "architecture": "flux-dev", "hf_data": '
                                   '{"repo": "o/r", "backend": "mlx-flux"}}')  # fmt: skip
    (models / "h.gguf" / "metadata.json").write_text(
        '{"lora_paths": ["a"], "lora_scales": [1], "base_model": "x"}'
    )
    ended = await shell("import", "eternal-zoo", "models")
    assert f"{{path: {models}/h.gguf/a, scale: 1}}" in ended.out


async def test_another_program_is_refused(shell):
    ended = await shell("import", "ollama", "x")
    assert 64 == ended.code


@pytest.mark.parametrize(
    ("source", "text"), [("llama-swap", ""), ("eternal-zoo", "a: 1\n"), ("llama.cpp", "")]
)
async def test_a_file_without_a_model_is_said(shell, source, text):
    (shell.home / "f").write_text(text)
    ended = await shell("import", source, "f")
    assert 0 == ended.code
    assert f"f: no model stands there: is it of {source}?" in ended.err
