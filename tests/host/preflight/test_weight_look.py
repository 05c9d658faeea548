"""A short form's names are looked up before anything is stopped for the start; a command of one's own is left alone."""

from tests.host.preflight.inspectors import host_inspector
from tests.host.weight_files import gguf
from zoosup.core.state.phases import Reason
from zoosup.spec.model.model import ModelSpec

NAME = "hf://o/r:Q4_0"


def a_model(tmp_path, **form):
    program = tmp_path / "llama-server"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    return ModelSpec.model_validate({"llama": {"weights": NAME, "program": [str(program)], **form}})


def studio(tmp_path, name="m-Q4_0.gguf"):
    path = tmp_path / ".lmstudio/models/o/r" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gguf())
    return path


async def inspected(spec, tmp_path):
    return await host_inspector().inspect(spec, {"HOME": str(tmp_path), "PATH": "/bin"}, None, 0.0)


async def test_what_is_nowhere_is_missing_with_the_command_that_fetches_it(tmp_path):
    found = await inspected(a_model(tmp_path), tmp_path)
    assert Reason.FILE_MISSING == found.reason
    assert found.message.startswith(f"{NAME} is in no cache of this host (")
    assert found.message.endswith(f"): zoosup fetch {NAME} downloads it")


async def test_what_is_there_is_located_and_its_headers_are_read(tmp_path):
    path, projector = studio(tmp_path), studio(tmp_path, "mmproj-F16.gguf")
    found = await inspected(a_model(tmp_path), tmp_path)
    assert (None, "") == (found.reason, found.message)
    [(name, there)] = found.weights.located
    assert (NAME, str(path), str(projector)) == (name, there.path, there.mmproj)
    assert {str(path), str(projector)} == {name for name, _ in found.weights.files}


async def test_a_draft_that_is_nowhere_is_missing_too(tmp_path):
    studio(tmp_path)
    found = await inspected(a_model(tmp_path, draft="hf://o/draft"), tmp_path)
    assert (Reason.FILE_MISSING, True) == (
        found.reason,
        found.message.startswith("hf://o/draft is in no cache"),
    )


async def test_a_command_that_downloads_for_itself_is_let_do_so_and_reckoned_by_what_is_there(tmp_path):
    spec = ModelSpec(command=(*a_model(tmp_path).command[:1], "-hf", "o/r:Q4_0"))
    assert (await inspected(spec, tmp_path)).reason is None
    path = studio(tmp_path)
    found = await inspected(spec, tmp_path)
    assert [(NAME, str(path))] == [(name, there.path) for name, there in found.weights.located]
    assert [str(path)] == [name for name, _ in found.weights.files]
