"""`fetch: true`: the look before a start has weights fetched by a process of its own, and says how far that is."""

import asyncio
import os
import sys
from contextlib import suppress

import psutil
import pytest

from tests.host.fetching.stand_in_hub import StandIn
from tests.host.weight_files import gguf
from zoosup.core.state.phases import Reason
from zoosup.host.fetching.background import Fetches, fetched
from zoosup.host.fetching.errands import ErrandError
from zoosup.host.preflight.inspector import HostInspector
from zoosup.host.preflight.llama_fit_params import FitParams
from zoosup.host.preflight.weight_look import WeightLook
from zoosup.host.probes import port_owner
from zoosup.host.weights import caches
from zoosup.host.weights.reader import WeightReader
from zoosup.spec.model.model import ModelSpec

NAME = "hf://o/r:Q8_0"
MODEL = gguf(pad=300_000)
GUARD = 60


@pytest.fixture
async def hub():
    made = await StandIn({"m-Q8_0.gguf": MODEL}).start()
    yield made
    await made.stop()


class Looking:
    """The inspector as the composition root puts it together, at a model that says `fetch: true`."""

    def __init__(self, hub, home, fetches):
        self.env = dict(os.environ) | {"HOME": str(home), "HF_ENDPOINT": hub.url, "XDG_CACHE_HOME": ""}
        self.fetches = fetches
        look = WeightLook(WeightReader(), caches.locate)
        self.inspector = HostInspector(look, port_owner.holder, FitParams(), None, fetches)
        self.spec = ModelSpec.model_validate(
            {"llama": {"weights": NAME, "program": ["sleep"]}, "fetch": True}
        )

    async def look(self, *, bring=True):
        return await self.inspector.inspect(self.spec, self.env, None, 0.0, bring=bring)

    async def until(self, so):
        async with asyncio.timeout(GUARD):
            while not so(found := await self.look()):
                await asyncio.sleep(0.05)
        return found


@pytest.fixture
async def looking(hub, tmp_path):
    fetches = Fetches(unasked=1.0)
    yield Looking(hub, tmp_path, fetches)
    await fetches.close()


def children():
    """Those that fetch it; what another test has left to be collected has no words."""
    found = []
    for each in psutil.Process().children():
        with suppress(psutil.ZombieProcess, psutil.NoSuchProcess):
            found += [each] if NAME in " ".join(each.cmdline()) else []
    return found


async def none_left():
    async with asyncio.timeout(GUARD):
        while children():
            await asyncio.sleep(0.05)


async def test_a_plan_begins_nothing(looking, hub):
    found = await looking.look(bring=False)
    assert (Reason.FETCHING_WEIGHTS, f"{NAME} is fetched before a start") == (found.reason, found.message)
    assert [] == children()


async def test_a_start_waits_with_the_bytes_that_have_come_until_they_are_all_there(looking, hub):
    hub.pause, hub.piece = 0.3, 1 << 16
    seen = []

    def so(found):
        seen.append(found.message)
        return found.reason is None

    found = await looking.until(so)
    assert seen[0] == f"fetching {NAME}: beginning"
    assert any(text.startswith(f"fetching {NAME}: ") and " KiB of " in text for text in seen)
    [(_, there)] = found.weights.located
    assert there.path.endswith("m-Q8_0.gguf")
    await none_left()


@pytest.mark.parametrize("whole", [True, False])
async def test_only_who_needs_all_files_of_a_repository_has_them_fetched(looking, hub, whole):
    hub.pause = 60.0
    looking.fetches.ask(NAME, looking.env, whole=whole)
    async with asyncio.timeout(GUARD):
        while not (found := children()):
            await asyncio.sleep(0.05)
    assert [whole] == ["--whole" in each.cmdline() for each in found]


async def test_what_a_models_interpreter_is_to_import_is_none_of_the_fetching_ones(looking, hub, tmp_path):
    (tmp_path / "json.py").write_text("raise SystemExit('a module of the model')")
    looking.env["PYTHONPATH"] = str(tmp_path)
    found = await looking.until(lambda found: found.reason is None or "failed" in found.message)
    assert found.reason is None, found.message


async def test_one_that_is_no_longer_wanted_ends_and_goes_on_where_it_was(looking, hub):
    hub.pause, hub.piece = 0.3, 1 << 15
    await looking.until(lambda found: " KiB of " in found.message)
    await none_left()
    hub.pause = 0.0
    await looking.until(lambda found: found.reason is None)
    assert int(hub.asked[-1][1][6:-1]) > 0


async def test_what_can_not_be_had_is_told_and_tried_again_later(looking, hub):
    hub.gated = "GatedRepo"
    found = await looking.until(lambda found: "failed" in found.message)
    assert Reason.FETCHING_WEIGHTS == found.reason
    assert "o/r is gated: accept its terms at" in found.message


async def test_without_it_weights_are_missing(looking, hub):
    looking.spec = looking.spec.model_copy(update={"fetch": False})
    assert Reason.FILE_MISSING == (await looking.look()).reason


async def test_one_that_says_much_is_heard_to_its_last_words():
    far = '{"done": 1, "total": 2}'
    code = f"import sys; sys.stderr.write('a warning\\n' * 20_000); print('{far}'); sys.exit('zoosup: no')"
    told = []
    with pytest.raises(ErrandError, match=r"\Ano\Z"):
        async with asyncio.timeout(GUARD):
            await fetched([sys.executable, "-c", code], os.environ, told.append)
    assert ["1 B of 2 B"] == told


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("import sys; print('zoosup: no'); sys.exit(3)", "no"),
        ("import sys; sys.exit(3)", "it ended with 3"),
        ("import sys; print('{}'); print(' [1] '); sys.exit(3)", "[1]"),
    ],
)
async def test_how_it_has_failed_is_told_by_its_last_words_or_its_code(code, said):
    with pytest.raises(ErrandError) as told:
        await fetched([sys.executable, "-c", code], os.environ, print)
    assert said == str(told.value)


async def test_one_that_can_not_be_started_is_told():
    with pytest.raises(ErrandError, match=r"it can't be started: .*No such file"):
        await fetched(["/no/such/program"], {}, print)


async def test_one_runs_in_no_folder_of_ours_and_in_a_session_of_its_own_and_hears_nothing():
    code = "import os, sys; print(os.getcwd(), os.getsid(0) == os.getpid(), sys.stdin.read(), os.environ['A'], sep='|')"
    with pytest.raises(ErrandError) as told:
        await fetched([sys.executable, "-c", f"{code}; sys.exit(1)"], {"A": "b"}, print)
    assert "/|True||b" == str(told.value)
