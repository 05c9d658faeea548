"""`zoosup fetch` with the real huggingface_hub, against a hub of ours that is slow, breaks off, lies, wants a token."""

import asyncio
import hashlib
import json
import os
import pty
import signal
import subprocess
import time

import pytest

from tests.cli.conftest import BIN, GUARD
from tests.host.fetching.stand_in_hub import COMMIT, StandIn
from tests.host.weight_files import gguf

MODEL, EYES = gguf(pad=300_000), gguf(pad=1000)
FILES = {
    "README.md": b"read me\n",
    "m-Q4_K_M.gguf": MODEL,
    "m-Q8_0.gguf": gguf(pad=5),
    "mmproj-F16.gguf": EYES,
}


@pytest.fixture
async def hub(shell):
    made = await StandIn(dict(FILES)).start()
    shell.env |= {"HF_ENDPOINT": made.url, "HF_HUB_DOWNLOAD_TIMEOUT": "5", "HF_HUB_ETAG_TIMEOUT": "5"}
    yield made
    await made.stop()


def cache(shell):
    return shell.home / ".cache/huggingface/hub/models--o--r"


def snapshot(shell, commit=COMMIT):
    return cache(shell) / "snapshots" / commit


def there(shell, commit=COMMIT):
    """Names and contents, as a server would read them."""
    return {path.name: path.read_bytes() for path in snapshot(shell, commit).rglob("*") if path.is_file()}


async def test_a_name_is_fetched_with_its_projector_into_the_hubs_cache(shell, hub):
    ended = await shell("fetch", "hf://o/r:Q4_K_M")
    assert (0, "") == (ended.code, ended.err)
    assert {"m-Q4_K_M.gguf": MODEL, "mmproj-F16.gguf": EYES} == there(shell)
    assert f"hf://o/r:Q4_K_M is {snapshot(shell)}/m-Q4_K_M.gguf" == ended.out.splitlines()[-1]
    link = snapshot(shell) / "m-Q4_K_M.gguf"
    assert f"../../blobs/{hashlib.sha256(MODEL).hexdigest()}" == str(link.readlink())
    assert COMMIT == (cache(shell) / "refs/main").read_text()


async def test_what_one_that_was_killed_has_left_of_a_branchs_name_goes(shell, hub):
    refs = cache(shell) / "refs"
    refs.mkdir(parents=True)
    for name, age in ((".main.4711", 3600), (".main.4712", 0), (".v1.4713", 3600)):
        (refs / name).write_text("")
        os.utime(refs / name, times=(time.time() - age,) * 2)
    assert 0 == (await shell("fetch", "hf://o/r:Q4_K_M")).code
    assert {"main", ".main.4712", ".v1.4713"} == {each.name for each in refs.iterdir()}


async def test_what_is_there_is_not_asked_for_again(shell, hub):
    await shell("fetch", "hf://o/r:Q4_K_M")
    hub.asked.clear()
    shell.env["HF_HUB_OFFLINE"] = "1"
    assert 0 == (await shell("fetch", "hf://o/r:Q4_K_M")).code
    assert [] == hub.asked


async def test_its_result_is_what_huggingface_hub_itself_finds(shell, hub):
    await shell("fetch", "hf://o/r/m-Q8_0.gguf")
    ask = "import huggingface_hub as h; print(h.hf_hub_download('o/r', 'm-Q8_0.gguf', local_files_only=True))"
    python = BIN.parent / "python"
    found = subprocess.run(
        [python, "-c", ask], env=shell.environment(), capture_output=True, text=True, check=True
    )
    assert f"{snapshot(shell)}/m-Q8_0.gguf\n" == found.stdout


async def test_models_of_the_file_or_all_of_them_are_fetched(shell, hub):
    (shell.home / "zoo.yaml").write_text(
        "active: []\nmodels:\n"
        "  a: {llama: {weights: 'hf://o/r/m-Q8_0.gguf@v1'}}\n"
        "  b: {command: 'sleep 1'}\n"
        "  c: {llama: {weights: 'hf://o/r:Q4_K_M'}, env: {HF_HUB_CACHE: '${env.HOME}/other'}}\n"
    )
    ended = await shell("fetch", "a", "b")
    assert (0, "b: names no weights by hf://, there is nothing to fetch\n") == (ended.code, ended.err)
    assert {"m-Q8_0.gguf"} == set(there(shell))
    assert COMMIT == (cache(shell) / "refs/v1").read_text()
    assert 0 == (await shell("fetch", "--all")).code
    assert (shell.home / "other/models--o--r/snapshots" / COMMIT / "m-Q4_K_M.gguf").is_file()
    assert 4 == (await shell("fetch", "nobody")).code
    assert 64 == (await shell("fetch")).code


async def test_one_that_breaks_off_is_taken_up_where_it_broke(shell, hub):
    hub.breaks, hub.break_after = 2, 131_072
    ended = await shell("fetch", "hf://o/r/m-Q4_K_M.gguf")
    assert (0, MODEL) == (ended.code, there(shell)["m-Q4_K_M.gguf"])
    begins = [int(said[6:-1] or 0) for _, said in hub.asked]
    assert begins == sorted(set(begins))
    assert 3 == len(begins)


async def test_one_that_hangs_is_given_up_and_taken_up_again(shell, hub):
    hub.breaks, hub.break_after, hub.hangs = 1, 131_072, 30.0
    shell.env["HF_HUB_DOWNLOAD_TIMEOUT"] = "1"
    assert 0 == (await shell("fetch", "hf://o/r/m-Q4_K_M.gguf")).code
    assert MODEL == there(shell)["m-Q4_K_M.gguf"]
    assert "bytes=131072-" == hub.asked[-1][1]


async def test_a_hub_in_trouble_is_asked_again_and_one_that_refuses_is_not(shell, hub):
    hub.fails = [503, 429]
    assert 0 == (await shell("fetch", "hf://o/r/m-Q8_0.gguf")).code
    hub.fails = [410]
    ended = await shell("fetch", "hf://o/r/m-Q4_K_M.gguf")
    assert (1, True) == (ended.code, "is refused: HTTP 410" in ended.err)
    assert 4 == len(hub.asked)


async def test_a_process_that_is_killed_leaves_its_part_to_the_next(shell, hub):
    hub.pause, hub.piece = 0.1, 1 << 14
    killed = await shell.start("fetch", "hf://o/r/m-Q4_K_M.gguf", "--json")
    async with asyncio.timeout(GUARD):
        # Python 3.14 keeps up to 128 KiB in its buffer, older ones 8.
        while not any(each.stat().st_size for each in cache(shell).glob("blobs/*.incomplete")):
            await asyncio.sleep(0.01)
    killed.send_signal(signal.SIGKILL)
    await killed.wait()
    assert not snapshot(shell).exists()
    hub.pause = 0.0
    ended = await shell("fetch", "hf://o/r/m-Q4_K_M.gguf")
    assert (0, MODEL) == (ended.code, there(shell)["m-Q4_K_M.gguf"])
    assert int(hub.asked[-1][1][6:-1]) > 0
    assert [] == [*cache(shell).glob("blobs/*.incomplete")]


async def test_a_hub_that_knows_no_ranges_begins_anew(shell, hub):
    hub.ranges, hub.breaks, hub.break_after = False, 1, 131_072
    assert 0 == (await shell("fetch", "hf://o/r/m-Q4_K_M.gguf")).code
    assert MODEL == there(shell)["m-Q4_K_M.gguf"]


@pytest.mark.parametrize(
    ("lie", "said"),
    [
        (
            {"sends": {"m-Q8_0.gguf": b"x" * len(FILES["m-Q8_0.gguf"])}},
            "is not what the hub says it is (checksum)",
        ),
        (
            {"sends": {"m-Q8_0.gguf": FILES["m-Q8_0.gguf"] + b"more"}},
            "is not what the hub says it is (checksum)",
        ),
        ({"sizes": {"m-Q8_0.gguf": 7}}, "it is not to be trusted"),
        ({"sizes": {"m-Q8_0.gguf": 1 << 60}}, "more, and"),
        ({"files": {"README.md": b""}}, "o/r has no m-Q8_0.gguf"),
        ({"gated": "GatedRepo"}, "o/r is gated: accept its terms at"),
        ({"token": "hf_x"}, "is private and takes a token: hf auth login, or HF_TOKEN"),
        ({"gated": "Other"}, "the token may not read o/r"),
    ],
)
async def test_what_can_not_be_had_is_said_in_plain_words_and_leaves_nothing_behind(shell, hub, lie, said):
    for name, value in lie.items():
        setattr(hub, name, value)
    ended = await shell("fetch", "hf://o/r/m-Q8_0.gguf")
    assert 1 == ended.code
    assert said in ended.err
    assert 1 == len(ended.err.splitlines())
    assert [] == [path for path in cache(shell).rglob("*") if path.is_file()]


async def test_a_token_opens_what_is_private_and_a_wrong_one_is_named(shell, hub):
    hub.token = "hf_right"
    shell.env["HF_TOKEN"] = "hf_wrong"
    assert "does not accept the token" in (await shell("fetch", "hf://o/r/m-Q8_0.gguf")).err
    shell.env["HF_TOKEN"] = "hf_right"
    assert 0 == (await shell("fetch", "hf://o/r/m-Q8_0.gguf")).code


async def test_an_unknown_revision_a_hub_out_of_reach_and_offline_are_told_apart(shell, hub):
    assert "o/r has no revision v7" in (await shell("fetch", "hf://o/r:Q8_0@v7")).err
    shell.env["HF_HUB_OFFLINE"] = "1"
    assert "HF_HUB_OFFLINE is set" in (await shell("fetch", "hf://o/r:Q8_0")).err
    shell.env |= {"HF_HUB_OFFLINE": "0", "HF_ENDPOINT": "http://127.0.0.1:9"}
    assert "http://127.0.0.1:9 can't be asked for o/r" in (await shell("fetch", "hf://o/r:Q8_0")).err


async def test_what_is_not_at_the_hub_is_told_with_what_is(shell, hub):
    said = (await shell("fetch", "hf://o/r:Q6_K")).err
    assert "o/r has no Q6_K; it has m-Q4_K_M.gguf, m-Q8_0.gguf, mmproj-F16.gguf" in said
    assert "ollama pull qwen3 brings it there" in (await shell("fetch", "ollama://qwen3")).err


async def test_a_whole_repository_and_all_parts_of_a_split_file_are_fetched(shell, hub):
    hub.files = {
        "config.json": b"{}",
        "model.safetensors": b"12345678",
        "x.bin": b"x",
        "tokenizer.json": b"{}",
    }
    assert 0 == (await shell("fetch", "hf://o/r")).code
    assert {"config.json", "model.safetensors", "tokenizer.json"} == set(there(shell))
    hub.commit = "d" * 40
    hub.files = {f"q/m-Q2-{i:05}-of-00003.gguf": gguf(pad=i) for i in (1, 2, 3)}
    assert 0 == (await shell("fetch", "hf://o/r:Q2")).code
    assert {f"m-Q2-{i:05}-of-00003.gguf" for i in (1, 2, 3)} == set(there(shell, "d" * 40))


async def test_a_new_commit_counts_only_once_it_is_complete(shell, hub):
    await shell("fetch", "hf://o/r:Q8_0")
    hub.commit, hub.files["m-Q4_K_M.gguf"] = "d" * 40, gguf(pad=9)
    hub.sends = {"m-Q4_K_M.gguf": b"y" * len(hub.files["m-Q4_K_M.gguf"])}
    assert 1 == (await shell("fetch", "hf://o/r:Q4_K_M")).code
    assert COMMIT == (cache(shell) / "refs/main").read_text()


async def test_two_at_once_bring_it_once(shell, hub):
    hub.pause = 0.05
    ended = await asyncio.gather(*(shell("fetch", "hf://o/r/m-Q4_K_M.gguf") for _ in range(2)))
    assert [0, 0] == [each.code for each in ended]
    assert [("m-Q4_K_M.gguf", "")] == hub.asked
    assert MODEL == there(shell)["m-Q4_K_M.gguf"]


async def test_for_programs_bytes_of_all_files_are_added_up(shell, hub):
    ended = await shell("fetch", "--json", "hf://o/r:Q4_K_M")
    last = json.loads(ended.out.splitlines()[-1])
    whole = len(MODEL) + len(EYES)
    assert {"done": whole, "total": whole} == last


async def test_on_a_terminal_there_are_bars(shell, hub):
    ours, theirs = pty.openpty()
    process = await shell.start("fetch", "hf://o/r:Q4_K_M", stdout=theirs)
    os.close(theirs)
    async with asyncio.timeout(GUARD):
        await process.wait()
    shown = os.read(ours, 1 << 20).decode()
    os.close(ours)
    assert 0 == process.returncode
    assert "m-Q4_K_M.gguf" in shown
    assert "\x1b[" in shown


async def test_without_the_extra_it_says_how_to_get_it(shell, hub):
    (shell.home / "huggingface_hub.py").write_text("raise ImportError\n")
    shell.env["PYTHONPATH"] = str(shell.home)
    ended = await shell("fetch", "hf://o/r:Q8_0")
    assert (1, True) == (ended.code, "pip install 'zoosup[fetch]'" in ended.err)


async def test_a_models_own_environment_says_which_hub_and_whose_token(shell, hub):
    hub.token = "hf_right"
    own = f"{{HF_TOKEN: hf_right, HF_ENDPOINT: '{hub.url}/'}}"
    (shell.home / "zoo.yaml").write_text(
        f"active: []\nmodels:\n  a: {{llama: {{weights: 'hf://o/r:Q8_0'}}, env: {own}}}\n"
    )
    shell.env["HF_ENDPOINT"] = "http://127.0.0.1:9"
    assert (0, "") == ((ended := await shell("fetch", "a")).code, ended.err)
    assert {"m-Q8_0.gguf", "mmproj-F16.gguf"} == set(there(shell))


async def test_a_part_of_another_file_makes_no_room(shell, hub):
    other = cache(shell) / "blobs" / f"{'a' * 64}.incomplete"
    other.parent.mkdir(parents=True)
    with other.open("wb") as file:
        file.truncate(1 << 60 if os.uname().sysname == "Darwin" else 1 << 43)
    hub.sizes = {"m-Q8_0.gguf": 1 << 43}
    assert "more, and" in (await shell("fetch", "hf://o/r/m-Q8_0.gguf")).err


async def test_what_another_commit_has_brought_takes_no_room(shell, hub):
    blob = cache(shell) / "blobs" / hashlib.sha256(FILES["m-Q8_0.gguf"]).hexdigest()
    blob.parent.mkdir(parents=True)
    with blob.open("wb") as file:
        file.truncate(1 << 43)
    hub.sizes = {"m-Q8_0.gguf": 1 << 43}
    said = (await shell("fetch", "hf://o/r/m-Q8_0.gguf")).err
    assert ("more, and" in said, "it is not to be trusted" in said) == (False, True)


@pytest.mark.parametrize("out", ["../../../../../out-Q6_K.gguf", "/out-Q6_K.gguf", "./out-Q6_K.gguf"])
async def test_a_file_whose_name_leads_out_of_its_repository_is_none_of_it(shell, hub, out):
    hub.files[out] = MODEL
    assert "o/r has no Q6_K; it has m-Q4_K_M.gguf" in (await shell("fetch", "hf://o/r:Q6_K")).err


async def test_a_branch_that_can_not_be_noted_is_said(shell, hub):
    cache(shell).mkdir(parents=True)
    (cache(shell) / "refs").write_text("")
    ended = await shell("fetch", "hf://o/r:Q8_0")
    assert (1, 1) == (ended.code, len(ended.err.splitlines()))
    assert f"can't be written: {cache(shell)}/refs" in ended.err


async def test_a_name_with_a_slip_and_a_variable_that_means_nothing_are_said(shell, hub):
    ended = await shell("fetch", "hf://o")
    assert (64, True) == (ended.code, "'hf://o' names no weights, expected hf://owner/repo" in ended.err)
    shell.env["HF_HUB_DOWNLOAD_TIMEOUT"] = "soon"
    ended = await shell("fetch", "hf://o/r:Q8_0")
    assert (1, 1) == (ended.code, len(ended.err.splitlines()))
    assert "'soon'" in ended.err


async def test_in_a_pipe_the_end_of_a_file_is_said_once(shell, hub):
    ended = await shell("fetch", "hf://o/r/m-Q8_0.gguf")
    begin, end, _ = ended.out.splitlines()
    assert (begin.split()[1:3], end.split()[1:3] == end.split()[4:6]) == (["0", "B"], True)
