"""Runs whose container a client makes, by a program that does what docker's does, with one container."""

import asyncio
import os
import signal
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from tests.host.conftest import RUN, eventually
from zoosup.host.ports.host import Ladder, RecordedRun, SpawnError
from zoosup.host.ports.launch import Launch
from zoosup.host.process.processes import Processes
from zoosup.host.runs.engines import Engines
from zoosup.host.runs.runs import Runs
from zoosup.host.runs.tie import Kept, TieFiles

ID = "c" * 64

# Its state is where HOME is. Not there: what a client would hear of the container's own processes.
CLIENT = r"""#!/bin/sh
cd "$HOME"
echo "$*" >> calls
case $1 in
run)
  shift
  while :; do case $1 in
    --cidfile) cidfile=$2; shift 2;;
    --label) echo "$2" >> labels; shift 2;;
    --env) echo "$2" >> variables; shift 2;;
    *) break;;
  esac; done
  [ ! -e "$cidfile" ] || { echo "container ID file found" >&2; exit 125; }
  trap '' TERM
  touch there running
  while [ -e slow ]; do sleep 0.02; done
  printf %s ID > "$cidfile"
  echo hello
  while [ -e running ]; do sleep 0.02; done
  exit $(cat code);;
ps)
  [ -e there ] || exit 0
  for word; do case $word in label=*) grep -qxF "${word#label=}" labels || exit 0;; esac; done
  echo ID;;
container)
  [ -e there ] || { echo 'Error: No such container: ID' >&2; exit 1; }
  [ -e running ] && state='"Running":true' || state='"Running":false,"Status":"exited"'
  state=$state',"Pid":'$(cat pid || echo 0)',"ExitCode":'$(cat code || echo 0)
  labels=$(sed 's/\(.*\)=\(.*\)/"\1":"\2"/' labels | paste -sd ,)
  echo '[{"Id":"ID","Name":"/zoo","Config":{"Labels":{'$labels'}},"State":{'$state'}}]';;
kill)
  case $3 in KILL) echo 137 > code;; *) [ -e deaf ] && exit 0; echo 143 > code;; esac
  rm -f running;;
rm) rm -f there running labels;;
esac
"""


class Box:
    """One client, and the runs of one zoosup; `again` is the next one's, over the same directory."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.exits = []
        self.made = []
        self.pids = []
        (place / "bin").mkdir()
        (place / "docker").mkdir()
        client = place / "bin/docker"
        client.write_text(CLIENT.replace("ID", ID))
        client.chmod(0o755)
        self.begin()

    def begin(self):
        processes = partial(Processes, logs=self.place)
        ended = lambda *told: self.exits.append(told)  # noqa: E731
        self.runs = Runs(processes, Engines({}), self.place / "ties", ended)
        self.made.append(self.runs)

    @property
    def env(self):
        path = f"{self.place}/bin:/usr/bin:/bin"
        return {"PATH": path, "HOME": f"{self.place}/docker", "LANG": "C", "ZOOSUP_RUN_ID": RUN}

    def launch(self, *options, **given):
        words = ("docker", "run", *options, "image", "serve")
        return Launch(RUN, "m", words, self.env, str(self.place), self.place / "m.log", **given)

    async def started(self, *options, **given):
        pid = await self.runs.spawn(self.launch(*options, **given))
        self.pids.append(pid)
        await eventually(lambda: b"hello\n" in (self.place / "m.log").read_bytes())
        return pid

    async def again(self, launch=None):
        identity = self.runs.identity(RUN)
        await self.runs.close()
        self.begin()
        return dict(await self.runs.adopt({RUN: RecordedRun(launch or self.launch(), identity)}, "mark"))

    async def end(self, grace=20.0, **more):
        return await self.runs.terminate(RUN, Ladder("TERM", grace, **more))

    def file(self, name):
        return self.place / "docker" / name

    def calls(self, word):
        return [each for each in self.file("calls").read_text().splitlines() if each.startswith(word)]

    @property
    def ties(self):
        return sorted(each.name for each in (self.place / "ties").iterdir())


@pytest.fixture
async def box(tmp_path):
    box = Box(tmp_path)
    await box.runs.adopt({}, "mark")
    yield box
    box.file("slow").unlink(missing_ok=True)
    await box.end(0.0)
    for each in box.made:
        await each.close()
    for pid in box.pids:  # one that was adopted is no child's of the last zoosup, but of this process
        with suppress(ChildProcessError):
            os.waitpid(pid, os.WNOHANG)


async def test_its_client_is_told_where_to_write_the_id_and_whose_it_is(box):
    pid = await box.started(
        "--rm", gpus=("GPU-1",), gpu_env={"HIP_VISIBLE_DEVICES": "0", "CUDA_VISIBLE_DEVICES": "1"}
    )
    assert pid in box.runs.members(RUN)
    place = box.place.stat()
    labels = [
        f"zoosup.run={RUN}", "zoosup.instance=mark", "zoosup.model=m", f"zoosup.place={place.st_dev}.{place.st_ino}"
    ]  # fmt: skip
    assert sorted(labels) == sorted(box.file("labels").read_text().splitlines())
    [words] = box.calls("run")
    assert words.startswith(f"run --cidfile {box.place}/ties/{RUN}.cid --label ")
    assert words.endswith(" --rm image serve")
    leading = {name: box.env[name] for name in ("PATH", "HOME")}
    assert {RUN: Kept(client=("docker",), env=leading, container_id=ID)} == TieFiles(
        box.place / "ties"
    ).load()


async def test_its_container_is_asked_to_end_and_removed_and_its_client_ends_by_itself(box):
    await box.started()
    ended = await box.end()
    assert ("", "SIGTERM") == (ended.survivors, ended.exit.signal)
    assert [f"kill --signal TERM {ID}"] == box.calls("kill")[:1]
    assert [f"rm --force --volumes {ID}"] == box.calls("rm")
    assert [] == box.ties
    await eventually(lambda: [(RUN, ended.exit)] == box.exits)


async def test_one_that_hears_nothing_is_killed_by_its_engine(box):
    box.file("deaf").touch()
    await box.started()
    ended = await box.end(0.2)
    assert ("", "SIGKILL") == (ended.survivors, ended.exit.signal)


async def test_the_files_own_command_ends_it_first(box):
    await box.started()
    ended = await box.end(command=("sh", "-c", "cd docker; echo 3 > code; rm running; echo told >> calls"))
    assert ("", 3) == (ended.survivors, ended.exit.code)
    assert ["told"] == box.calls("told")
    assert f"kill --signal TERM {ID}" not in box.calls("kill")


@pytest.mark.parametrize(("code", "told"), [(0, (0, None)), (3, (3, None)), (139, (None, "SIGSEGV"))])
async def test_its_end_is_told_by_its_clients_code(box, code, told):
    await box.started()
    box.file("code").write_text(str(code))
    box.file("running").unlink()
    await eventually(lambda: box.exits)
    [(run, ended)] = box.exits
    assert (RUN, *told) == (run, ended.code, ended.signal)
    assert ended == (await box.end()).exit
    assert (False, []) == (box.file("there").exists(), box.ties)


async def test_a_client_that_is_killed_is_told_and_its_container_ended(box):
    pid = await box.started()
    await eventually(lambda: box.calls("container"))  # its id has been learned
    os.kill(pid, signal.SIGKILL)
    await eventually(lambda: box.exits)
    assert box.exits[0][1].message.endswith("its container lived on")
    assert "" == (await box.end()).survivors
    assert not box.file("there").exists()


async def test_one_that_is_killed_before_it_has_told_of_a_container_is_looked_for_by_the_next_zoosup_too(box):
    box.file("slow").touch()
    pid = await box.runs.spawn(box.launch())
    await eventually(box.file("running").exists)
    os.kill(pid, signal.SIGKILL)
    await eventually(lambda: box.exits)
    box.file("there").unlink()
    assert "" == (await box.end()).survivors
    assert [f"{RUN}.json"] == box.ties


async def test_a_client_that_is_not_there_leaves_nothing(box):
    with pytest.raises(SpawnError):
        await box.runs.spawn(replace(box.launch(), env=box.env | {"PATH": str(box.place)}))
    assert [] == box.ties
    await box.started()


@pytest.mark.parametrize(("left", "starts"), [("d" * 64, True), ("", False), ("my notes", False)])
async def test_an_id_that_an_earlier_start_has_left_in_the_files_own_cidfile_is_taken_away(box, left, starts):
    (box.place / "own.cid").write_text(left)
    words = "--cidfile", str(box.place / "own.cid")
    if starts:
        await box.started(*words)
        await eventually(lambda: ID == (box.place / "own.cid").read_text())
        assert "" == (await box.end()).survivors
        assert [f"rm --force --volumes {ID}"] == box.calls("rm")
    else:
        await box.runs.spawn(box.launch(*words))
        await eventually(lambda: box.exits)
        assert 125 == box.exits[0][1].code
        assert left == (box.place / "own.cid").read_text()


@pytest.mark.parametrize("told", [True, False])
async def test_the_next_zoosup_goes_on_with_it_once_it_knows_who_is_in_it_or_is_told_too_late(
    box, monkeypatch, told
):
    monkeypatch.setattr("zoosup.host.runs.runs._ADOPTION_WORD", 600.0 if told else 0.3)
    pid = await box.started()
    if told:
        box.file("pid").write_text(str(pid))
    looks = len(box.calls("container"))
    assert {RUN: pid} == await asyncio.wait_for(box.again(), 20)
    assert len(box.calls("container")) > looks
    assert "" == (await box.end()).survivors
    assert f"kill --signal TERM {ID}" in box.calls("kill")
    assert (False, []) == (box.file("there").exists(), box.ties)


async def test_the_next_zoosup_clears_away_what_has_ended_meanwhile(box):
    await box.started()
    box.file("code").write_text("0")
    box.file("running").unlink()
    await eventually(lambda: box.exits)
    assert {} == await box.again()
    await eventually(lambda: not box.file("there").exists() and not box.ties)


async def test_a_start_that_nobody_waits_for_goes_on(box):
    starting = asyncio.create_task(box.runs.spawn(box.launch()))
    await asyncio.sleep(0)
    starting.cancel()
    await asyncio.gather(starting, return_exceptions=True)
    await eventually(box.file("running").exists)
    assert "" == (await box.end()).survivors
    assert not box.file("there").exists()
