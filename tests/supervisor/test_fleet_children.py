"""The two processes that zoosup keeps for a fleet: begun, begun again, ended when the file says something else."""

import asyncio
import itertools
import tomllib
from pathlib import Path
from types import SimpleNamespace

import pytest

from zoosup.errors import ZoosupError
from zoosup.fleet import ray_settings
from zoosup.spec.model.fleet import FleetSpec
from zoosup.supervisor import fleet_children
from zoosup.supervisor.fleet_children import (
    FIRST,
    SHORT_LIFE,
    SLOWEST,
    Child,
    FleetChildren,
    Wanted,
    address_towards,
    ray_trouble,
)

pytestmark = pytest.mark.looptime

SPEC = FleetSpec(head="127.0.0.2:6379", node="a")


class Process:
    """Stands in for `Helper`."""

    def __init__(self):
        self.lives = []
        self.alive = False
        self.known = ""

    def is_running(self):
        return self.alive

    def adopt(self, what):
        self.alive = bool(what) and what == self.known
        return self.alive

    def end(self, grace):
        self.alive = False

    def begin(self, wanted):
        self.alive = True
        self.lives.append((asyncio.get_running_loop().time(), wanted.spec.ports.node))


@pytest.fixture
def child(monkeypatch):
    async def at_once(work, *args):
        return work(*args)

    monkeypatch.setattr(asyncio, "to_thread", at_once)
    process = Process()
    return Child(process, process.begin, 1.0, lambda: asyncio.get_running_loop().time())


def wanted(**changes):
    return Wanted(SPEC.model_copy(update=changes), "127.0.0.2")


async def look_for(child, seconds, kept_by=wanted):
    for _ in range(int(seconds * 2)):
        await child.follow(kept_by())
        await asyncio.sleep(0.5)


async def test_one_that_lives_is_begun_once(child):
    await look_for(child, 60)
    assert 1 == len(child.helper.lives)


async def test_one_that_ends_soon_is_begun_again_later_each_time(child):
    for _ in range(400):
        await child.follow(wanted())
        child.helper.alive = False
        await asyncio.sleep(0.5)
    times = [at for at, _ in child.helper.lives]
    gaps = [later - earlier for earlier, later in itertools.pairwise(times)]
    assert gaps == sorted(gaps)
    assert (2 * FIRST + 0.5, True) == (gaps[0], SLOWEST <= gaps[-1] <= SLOWEST + 1)


async def test_one_that_has_lived_long_is_begun_again_at_once(child):
    await look_for(child, SHORT_LIFE + 5)
    child.helper.alive = False
    ended = asyncio.get_running_loop().time()
    await look_for(child, 5)
    assert child.helper.lives[1][0] - ended <= FIRST + 0.5


async def test_an_edit_of_what_it_was_begun_with_begins_it_anew(child):
    await look_for(child, 2)
    await look_for(child, 2, lambda: wanted(labels={"gpu": "a100"}, lost_after=3.0))
    assert 1 == len(child.helper.lives)  # those are no business of it
    await look_for(child, 2, lambda: wanted(head="127.0.0.3:6379"))
    assert 2 == len(child.helper.lives)


async def test_one_of_the_zoosup_before_is_taken_over_where_it_is_as_wanted(child):
    child.helper.known = wanted().what
    await child.take_over(wanted().what)
    await look_for(child, 5)
    assert [] == child.helper.lives
    child.helper.known = "another"
    await child.end()
    await child.take_over(wanted().what)
    await look_for(child, 5)
    assert 1 == len(child.helper.lives)


@pytest.mark.parametrize(
    ("version", "reason", "words"),
    [
        (None, "RayMissing", "-m pip install 'ray==2.60.0'"),
        ("2.59.0", "RayOtherVersion", "-m pip install 'ray==2.60.0'"),
    ],
)
def test_where_ray_is_not_as_it_has_to_be_the_command_is_told(monkeypatch, version, reason, words):
    def found(name):
        if version is None:
            raise fleet_children.importlib.metadata.PackageNotFoundError(name)
        return version

    monkeypatch.setattr(fleet_children.importlib.metadata, "version", found)
    said = ray_trouble()
    assert reason == said[0]
    assert words in said[1]


def test_the_right_ray_is_no_trouble(monkeypatch):
    monkeypatch.setattr(fleet_children.importlib.metadata, "version", lambda _: "2.60.0")
    assert ray_trouble() is None


def test_a_hosts_address_is_that_by_which_it_reaches_the_head():
    assert "127.0.0.1" == address_towards("127.0.0.1:6379")


def test_the_extra_of_pyproject_is_the_version_that_is_asked_for():
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    assert [ray_settings.EXTRA] == project["optional-dependencies"]["fleet"]


def ray_of(state, begun=None, spec=SPEC):
    """What begins Ray, with a helper that begins nothing."""
    children = object.__new__(FleetChildren)
    children._state, children._environ = state, {"XDG_STATE_HOME": str(state)}
    children._ray = SimpleNamespace(
        helper=SimpleNamespace(begin=lambda *how: begun is None or begun.append(how))
    )
    return lambda: children._begin_ray(Wanted(spec, "127.0.0.2"))


@pytest.mark.parametrize("given", [True, False])
def test_ray_is_never_begun_without_a_token(tmp_path, monkeypatch, given):
    monkeypatch.setattr(ray_settings, "NEAR", tmp_path / "near")
    token = tmp_path / "token"
    begun = []
    spec = SPEC.model_copy(update={"token_file": str(token)}) if given else SPEC
    for host in ("a", "b"):
        (tmp_path / host).mkdir()
        ray_of(tmp_path / host, begun, spec)()
    found = [environ["RAY_AUTH_TOKEN_PATH"] for _, _, environ in begun]
    assert {"token"} == {environ["RAY_AUTH_MODE"] for _, _, environ in begun}
    assert [str(token)] * 2 == found if given else all(Path(each).read_text() for each in found)


def test_nobody_else_gets_at_what_ray_keeps_for_ray_opens_it_to_all(tmp_path, monkeypatch):
    state, near = tmp_path / "state", tmp_path / "near"
    state.mkdir(0o700)
    monkeypatch.setattr(ray_settings, "NEAR", near)
    ray_of(state)()
    (place,) = near.iterdir()
    assert 0o700 == place.stat().st_mode & 0o777
    assert [ray_settings.temp_dir(state)] == list(place.iterdir())


def test_a_place_for_ray_that_somebody_else_has_made_is_not_used(tmp_path, monkeypatch):
    state, near = tmp_path / "state", tmp_path / "near"
    state.mkdir(0o700)
    monkeypatch.setattr(ray_settings, "NEAR", near)
    theirs = ray_settings.temp_dir(state).parent
    theirs.mkdir(0o777, parents=True)
    theirs.chmod(0o777)
    (theirs / "t").mkdir()
    with pytest.raises(ZoosupError, match="open to others"):
        ray_of(state)()


def test_another_ray_in_the_place_of_one_that_runs_is_begun_with_nothing_of_what_that_one_knew(
    tmp_path, monkeypatch
):
    ray_of(tmp_path)()
    known = tmp_path / "fleet" / "head"
    before, store = wanted().what, ray_settings.head_store(tmp_path)
    for each in (known, store):
        each.mkdir()
    ray_of(tmp_path)()
    assert (False, True) == (known.exists(), store.exists())
    monkeypatch.setattr(ray_settings, "VERSION", "2.61.0")
    ray_of(tmp_path)()
    assert not store.exists()
    assert before != wanted().what
