"""What the hub is asked by the real huggingface_hub, and what its answers come to."""

import asyncio
import hashlib
from types import SimpleNamespace

import pytest

from tests.host.fetching.stand_in_hub import COMMIT, StandIn
from zoosup.host.fetching.hub import BrokenOffError, FetchError, Hub, Repository, Source
from zoosup.spec.model.values.weight_names import HubName

CONTENT = b"0123456789"
NAME = HubName("o/r", "m.gguf", "", "")
OF = Repository("o/r", COMMIT, {"m.gguf": 10}, {})
SHA = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
async def there():
    made = await StandIn({"m.gguf": CONTENT, "sub/b.json": b"{}"}).start()
    yield made
    await made.stop()


def hub(there, token="hf_x", **env):
    return Hub({"HF_ENDPOINT": f"{there.url}/", "HF_TOKEN": token} | env)


async def asked(call, *args):
    return await asyncio.to_thread(call, *args)


async def test_a_repository_is_one_commit_with_the_sizes_of_its_files_and_what_they_are(there):
    there.files["../out.gguf"] = b"x"
    found = await asked(hub(there).repository, NAME)
    etags = {"m.gguf": SHA, "sub/b.json": hashlib.sha256(b"{}").hexdigest()}
    assert Repository("o/r", COMMIT, {"m.gguf": 10, "sub/b.json": 2}, etags) == found
    assert [("/api/models/o/r", "Bearer hf_x")] == there.said
    await asked(hub(there).repository, HubName("o/r", "", "", "v1"))
    assert "/api/models/o/r/revision/v1" == there.said[-1][0]
    there.commit = ""
    with pytest.raises(FetchError, match=f"{there.url} names no commit of o/r"):
        await asked(hub(there).repository, NAME)


async def test_a_token_may_have_line_ends_around_it(there):
    await asked(hub(there, token=" hf_\n x\n").repository, NAME)
    assert "Bearer hf_x" == there.said[-1][1]


async def test_a_file_is_had_with_our_token_where_the_hub_itself_has_it_and_without_elsewhere(there):
    source = await asked(hub(there).source, OF, "m.gguf")
    assert (f"{there.url}/o/r/resolve/{COMMIT}/m.gguf", SHA, 10) == (source.url, source.etag, source.size)
    assert ("Bearer hf_x", "identity") == (source.headers["authorization"], source.headers["Accept-Encoding"])
    assert source.headers["user-agent"].startswith("zoosup")
    there.moved_to = "http://cdn.example"
    source = await asked(hub(there).source, OF, "m.gguf")
    assert ("http://cdn.example/there", SHA, 10) == (source.url, source.etag, source.size)
    assert {"Accept-Encoding": "identity"} == source.headers


def streamed(there, begin, headers=()):
    with hub(there).stream(
        Source(f"{there.url}/o/r/resolve/main/m.gguf", SHA, 10, dict(headers)), begin
    ) as got:
        return got[0], b"".join(got[1])


@pytest.mark.parametrize(
    ("begin", "ranges", "said", "given"),
    [
        (0, True, "", (0, CONTENT)),
        (4, True, "bytes=4-", (4, b"456789")),
        (4, False, "bytes=4-", (0, CONTENT)),
    ],
)
async def test_bytes_come_from_where_they_are_asked_for_or_from_the_beginning(
    there, begin, ranges, said, given
):
    there.ranges = ranges
    assert given == await asked(streamed, there, begin, {"Authorization": "mine"})
    assert ([("m.gguf", said)], "mine") == (there.asked, there.said[-1][1])


@pytest.mark.parametrize(
    ("status", "trouble"),
    [
        (500, BrokenOffError), (503, BrokenOffError), (408, BrokenOffError), (429, BrokenOffError),
        (400, FetchError), (404, FetchError), (416, FetchError), (499, FetchError),
    ],
)  # fmt: skip
async def test_what_may_pass_is_worth_another_try_and_a_refusal_is_not(there, status, trouble):
    there.fails = [status]
    with pytest.raises(trouble, match=f"HTTP {status}"):
        await asked(streamed, there, 0)


async def test_a_connection_that_ends_in_the_middle_is_broken_off(there):
    there.breaks, there.break_after, there.piece = 1, 3, 3
    with pytest.raises(BrokenOffError):
        await asked(streamed, there, 0)


@pytest.mark.parametrize(
    ("changes", "token", "revision", "words"),
    [
        (
            {"gated": "GatedRepo"},
            "hf_x",
            "",
            "o/r is gated: accept its terms at {url}/o/r, then say who you are: hf ",
        ),
        ({"gated": "RevisionNotFound"}, "", "", "o/r has no revision main: see {url}/o/r"),
        ({"files": {}}, "", "", "o/r has no m.gguf: see {url}/o/r/tree/main"),
        (
            {"token": "hf_y"},
            "hf_x",
            "",
            "the hub does not accept the token for o/r: make a new one, then hf auth login",
        ),
        ({"token": "hf_y"}, "", "", "o/r is not at {url}, or is private and takes a token: hf auth login"),
        (
            {"gated": "Other"},
            "hf_x",
            "",
            "the token may not read o/r: give it leave, or ask for access at {url}/o/r",
        ),
    ],
)
async def test_a_refusal_says_what_to_do(there, monkeypatch, tmp_path, changes, token, revision, words):
    monkeypatch.setattr("huggingface_hub.get_token", lambda: None)
    for name, value in changes.items():
        setattr(there, name, value)
    with pytest.raises(FetchError) as told:
        await asked(hub(there, token=token).source, OF, "m.gguf")
    assert str(told.value).startswith(words.format(url=there.url))


@pytest.mark.parametrize("said", ["1", "on", "YES", "True"])
def test_who_is_offline_asks_nothing(said):
    with pytest.raises(FetchError, match="HF_HUB_OFFLINE is set"):
        Hub({"HF_HUB_OFFLINE": said})
    assert "https://huggingface.co" == Hub({"HF_HUB_OFFLINE": "0"}).endpoint


def test_without_the_library_it_says_how_to_get_it(monkeypatch):
    def missing(_):
        raise ImportError

    monkeypatch.setattr("zoosup.host.fetching.hub.importlib.import_module", missing)
    with pytest.raises(FetchError, match="not installed: pip install"):
        Hub({})


async def test_a_hub_that_is_not_there_is_told(there):
    gone = hub(there)
    await there.stop()
    with pytest.raises(FetchError, match=f"{there.url} can't be asked for o/r: "):
        await asked(gone.repository, NAME)
    await there.start()


def test_a_variable_that_means_nothing_to_the_library_is_told(monkeypatch):
    def confused(_):
        raise ValueError("invalid literal\n for int(): 'soon'")

    monkeypatch.setattr("zoosup.host.fetching.hub.importlib.import_module", confused)
    with pytest.raises(
        FetchError, match=r"can't read its HF_ variables: invalid literal for int\(\): 'soon'"
    ):
        Hub({})


async def test_what_the_library_does_not_say_of_a_file_is_told(there, monkeypatch):
    made = hub(there)
    for etag, size in (None, 10), ("e", None), ("a/b", 10):
        found = SimpleNamespace(etag=etag, size=size, location=there.url)
        monkeypatch.setattr("huggingface_hub.get_hf_file_metadata", lambda *_, found=found, **__: found)
        with pytest.raises(FetchError, match=f"{there.url} does not say what m.gguf of o/r is"):
            await asked(made.source, OF, "m.gguf")
