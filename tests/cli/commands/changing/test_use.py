"""`zoosup use`: one value of the file changes and nothing else, not its mode, not a link to it."""

import os
import stat

import pytest

from tests.cli.fakes import model, snapshot
from zoosup.cli.commands.changing.use import replace
from zoosup.errors import ZoosupError

TEXT = """\
# my zoo
active: [a]  # what runs

models:
  a: {command: sleep 1}   # first
  b: {command: sleep 2}
  org/model:8b: {command: sleep 3}
"""


@pytest.fixture
def file(shell):
    path = shell.home / "zoo.yaml"
    path.write_text(TEXT)
    return path


def follow(runtime, path, **models):
    known = {"a": model("ready"), "b": model("stopped"), "org/model:8b": model("stopped")}
    runtime.publisher.publish(snapshot(known | models, config={"path": str(path)}))


async def test_only_the_value_changes(shell, file):
    ended = await shell("use", "b", "org/model:8b")
    assert (0, "zoo.yaml: active: b, org/model:8b\n", "") == (ended.code, ended.out, ended.err)
    lines, before = file.read_text().splitlines(), TEXT.splitlines()
    assert before[0] == lines[0]
    assert before[2:] == lines[2:]
    assert lines[1].startswith("active: [b, ")
    assert lines[1].endswith("  # what runs")


async def test_the_same_models_again_touch_nothing(shell, file):
    before = file.stat()
    assert "(as before)" in (await shell("use", "a")).out
    after = file.stat()
    assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)


async def test_mode_and_link_stay(shell, file):
    file.chmod(0o640)
    target = shell.home / "etc" / "real.yaml"
    target.parent.mkdir()
    file.rename(target)
    file.symlink_to("etc/real.yaml")
    assert 0 == (await shell("use", "b")).code
    assert file.is_symlink()
    assert "active: [b]" in target.read_text()
    assert 0o640 == stat.S_IMODE(target.stat().st_mode)
    assert ["real.yaml"] == [each.name for each in target.parent.iterdir()]


async def test_an_unknown_model_is_4_with_a_guess_and_nothing_is_written(shell, file):
    ended = await shell("use", "a", "org/model:8")
    assert 4 == ended.code
    assert "no model 'org/model:8' in zoo.yaml; did you mean org/model:8b?" in ended.err
    assert TEXT == file.read_text()


async def test_a_file_that_is_invalid_is_78_and_left_alone(shell, file):
    file.write_text(TEXT + "extra: 1\n")
    ended = await shell("use", "b")
    assert 78 == ended.code
    assert "zoo.yaml:8:1" in ended.err
    assert TEXT + "extra: 1\n" == file.read_text()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
async def test_a_directory_that_cannot_be_written_is_one_clear_line(shell, file):
    shell.home.chmod(0o500)
    ended = await shell("use", "b")
    shell.home.chmod(0o700)
    assert 1 == ended.code
    assert f"zoosup: {file} can't be rewritten: Permission denied\n" == ended.err


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_the_owner_stays(file):
    os.chown(file, 1234, 5678)
    replace(file, b"new")
    assert (1234, 5678, b"new") == (file.stat().st_uid, file.stat().st_gid, file.read_bytes())


@pytest.mark.parametrize("step", ["os.fsync", "pathlib.Path.replace"])
def test_a_step_that_fails_leaves_the_file_as_it_was_and_nothing_beside_it(file, monkeypatch, step):
    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(step, fail)
    with pytest.raises(ZoosupError, match=r"zoo\.yaml can't be rewritten: No space left on device"):
        replace(file, b"new")
    assert TEXT == file.read_text()
    assert [file] == list(file.parent.iterdir())


async def test_a_running_supervisor_is_told_at_once(shell, runtime, server, file):
    follow(runtime, file)
    assert 0 == (await shell("use", "b")).code
    assert [("reload",)] == runtime.commands.wishes


async def test_without_a_file_it_is_the_one_that_is_followed(shell, runtime, server, file):
    elsewhere = shell.home / "elsewhere.yaml"
    elsewhere.write_text(TEXT)
    follow(runtime, elsewhere)
    assert f"{elsewhere}: active: b\n" == (await shell("use", "b")).out
    assert TEXT == file.read_text()
    shell.env = {"ZOOSUP_FILE": "zoo.yaml"}
    assert "zoo.yaml: active: b\n" == (await shell("use", "b")).out


async def test_models_that_were_stopped_by_hand_run_again(shell, runtime, server, file):
    follow(runtime, file, b=model("stopped", override="stop"), a=model("stopped", override="stop"))
    ended = await shell("use", "b")
    assert [("reload",), ("start", "b")] == runtime.commands.wishes
    assert "b was stopped by hand and is started" in ended.out


async def test_a_supervisor_of_another_file_is_left_alone_and_it_is_said(shell, runtime, server, file):
    follow(runtime, "/srv/zoo.yaml")
    ended = await shell("use", "b", "-f", "zoo.yaml")
    assert 0 == ended.code
    assert "the supervisor follows /srv/zoo.yaml, not zoo.yaml" in ended.err
    assert [] == runtime.commands.wishes
