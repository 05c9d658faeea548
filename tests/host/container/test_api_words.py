"""ApiEngine's questions in the API's own words, and what it makes of answers, by a double of an engine."""

import asyncio
import json
from contextlib import aclosing

import pytest

from tests.host.container.engine_double import DOCKER, ID, PODMAN, EngineDouble, container, frame
from zoosup.host.container import engine as engines
from zoosup.host.container.api_engine import ApiEngine
from zoosup.host.container.engine import (
    ContainerConfig,
    EngineRefusedError,
    EngineUnreachableError,
    LogPiece,
    PullProgress,
)

STAMP = b"2023-11-14T22:13:20.250000000Z "
AT = 1700000000.25
REFUSED = (500, {"message": "no"})
UNDER_WAY = (409, {"message": "removal of container c is already in progress"})


@pytest.fixture
async def double(tmp_path):
    made = EngineDouble(str(tmp_path / "s"))
    await made.start()
    yield made
    await made.stop()


@pytest.fixture
async def api(double, tmp_path):
    made = ApiEngine(f"unix://{double.socket}", {"HOME": str(tmp_path)}, soon=5.0)
    yield made
    await made.aclose()


# what there is


async def test_what_has_the_labels_is_listed_running_or_not_and_each_looked_at(double, api):
    double.answers["GET containers/json"] = 200, [{"Id": "a" * 64}, {"Id": "b" * 64}, {"Id": "d" * 64}]
    double.has(container("a" * 64), "a" * 64)
    double.has(container("d" * 64, running=False), "d" * 64)
    found = await api.find({"zoosup.run": "r1", "zoosup.instance": "i"})
    assert [("a" * 64, True), ("d" * 64, False)] == [(each.id, each.running) for each in found]
    query = double.asked[0].query
    assert {"label": ["zoosup.run=r1", "zoosup.instance=i"]} == json.loads(query.pop("filters"))
    assert {"all": "true"} == query


async def test_however_many_there_are_no_more_than_eight_are_looked_at_at_once(double, api):
    ids = [f"{number:064}" for number in range(30)]
    double.answers["GET containers/json"] = 200, [{"Id": each} for each in ids]
    for each in ids:
        double.has(container(each), each)
        double.late[f"GET containers/{each}/json"] = 0.05
    assert 30 == len(await api.find({}))
    assert 8 == double.most_at_once


@pytest.mark.parametrize(
    ("answer", "trouble", "words"),
    [
        (REFUSED, EngineRefusedError, r"\Ano\Z"),
        ((403, b"denied by a plugin"), EngineRefusedError, r"\Adenied by a plugin\Z"),
        ((200, {"Id": ID}), EngineUnreachableError, "can't be understood"),
        ((200, b"<html>"), EngineUnreachableError, "is no container engine: b'<html>'"),
    ],
)
async def test_an_answer_that_tells_nothing_is_not_taken_for_no_container(
    double, api, answer, trouble, words
):
    double.answers[f"GET containers/{ID}/json"] = answer
    with pytest.raises(trouble, match=words):
        await api.inspect(ID)
    double.answers.clear()
    assert await api.inspect(ID) is None


# made, started, ended


async def test_one_is_made_by_its_name_and_body_and_known_by_its_id(double, api):
    double.answers["POST containers/create"] = 201, {"Id": ID, "Warnings": []}
    double.answers[f"POST containers/{ID}/start"] = 204, b""
    made = await api.create(ContainerConfig("zoo-a", "image:1", ("serve",)))
    await api.start(made)
    double.answers[f"POST containers/{ID}/start"] = 304, b""
    await api.start(made)
    create, start, again = double.asked
    assert (ID, {"name": "zoo-a"}, "image:1") == (made, create.query, create.body["Image"])
    assert ["POST", "POST"] == [start.method, again.method]
    assert {"Type": "local"}.items() <= create.body["HostConfig"]["LogConfig"].items()


async def test_what_an_engine_has_to_work_for_is_waited_for_longer_than_an_answer(double, tmp_path):
    api = ApiEngine(f"unix://{double.socket}", {}, soon=0.3)
    calls = "POST containers/create", f"POST containers/{ID}/start", f"DELETE containers/{ID}"
    double.answers |= dict.fromkeys(calls, (200, {"Id": ID}))
    double.late |= dict.fromkeys([*calls, "GET images/json"], 0.8)
    await api.create(ContainerConfig("zoo-a", "image:1"))
    await api.start(ID)
    await api.remove(ID)
    with pytest.raises(EngineUnreachableError, match=r"s has not answered within 0\.3 s"):
        await api.images()
    await api.aclose()


@pytest.mark.parametrize(
    ("answer", "found", "raised", "looked"),
    [
        ((204, b""), container(), False, False),
        ((404, {"message": "No such container"}), container(), False, False),
        ((409, {"message": "is not running"}), container(running=False), False, True),
        ((409, {"message": "is not running"}), None, False, True),
        ((500, {"message": "is paused"}), container(), True, True),
    ],
)
async def test_a_signal_that_is_refused_matters_where_it_runs(double, api, answer, found, raised, looked):
    double.answers[f"POST containers/{ID}/kill"] = answer
    if found:
        double.has(found)
    if raised:
        with pytest.raises(EngineRefusedError, match="is paused"):
            await api.signal(ID, "TERM")
    else:
        await api.signal(ID, "TERM")
    assert {"signal": "SIGTERM"} == double.asked[0].query
    assert looked is (f"GET containers/{ID}/json" in double.calls)


@pytest.mark.parametrize(("version", "killed"), [(DOCKER, []), (PODMAN, [f"POST containers/{ID}/kill"])])
async def test_one_is_removed_with_its_volumes_whether_it_runs_or_not(double, api, version, killed):
    double.version = version
    double.answers |= {f"POST containers/{ID}/kill": (204, b""), f"DELETE containers/{ID}": (204, b"")}
    await api.remove(ID)
    assert [*killed, f"DELETE containers/{ID}"] == double.calls
    assert {"force": "true", "v": "true"} == double.asked[-1].query


@pytest.mark.parametrize(
    ("answer", "looks", "raised"),
    [
        ((404, {"message": "No such container"}), [], False),
        (REFUSED, [(404, {})], False),
        (REFUSED, [(200, container())], True),
        (UNDER_WAY, [(200, container()), (200, container()), (404, {})], False),
        (UNDER_WAY, [(200, container())], True),
    ],
    ids=["it is gone", "it is gone all the same", "it is there", "somebody removes it", "for ever"],
)
async def test_a_removal_that_is_refused_has_failed_where_the_container_stays(
    double, api, monkeypatch, answer, looks, raised
):
    monkeypatch.setattr(engines, "REMOVAL", 2.0)
    double.answers[f"DELETE containers/{ID}"] = answer
    if looks:
        double.answers[f"GET containers/{ID}/json"] = looks
    if raised:
        with pytest.raises(EngineRefusedError, match=answer[1]["message"]):
            await api.remove(ID)
    else:
        await api.remove(ID)
    many = answer is UNDER_WAY
    assert (len(looks) > 0, many) == (len(double.calls) > 1, len(double.calls) > 2)


async def test_its_end_is_told_by_its_code(double, api):
    double.answers[f"POST containers/{ID}/wait"] = 200, {"StatusCode": 137}
    assert 137 == await api.wait(ID)


# what it holds, what images there are


@pytest.mark.parametrize(
    ("said", "held"),
    [
        ({"usage": 1000, "stats": {"total_inactive_file": 300, "inactive_file": 1}}, 700),
        ({"usage": 1000, "stats": {"inactive_file": 400}}, 600),
        ({"usage": 1000}, 1000),
        ({"usage": 1000, "stats": {"inactive_file": 2000}}, 0),
        ({}, 0),
        (None, 0),
    ],
)
async def test_it_holds_what_it_uses_less_what_its_page_cache_could_give_back(double, api, said, held):
    double.answers[f"GET containers/{ID}/stats"] = 200, {"memory_stats": said}
    assert held == await api.memory(ID)
    assert {"stream": "false", "one-shot": "true"} == double.asked[0].query


async def test_an_image_is_there_by_its_whole_name(double, api):
    name = "box:5000/a b/c@sha256:00"
    double.answers["GET images/box:5000/a%20b/c@sha256:00/json"] = 200, {"Id": "x"}
    assert await api.has_image(name)
    assert not await api.has_image("other")
    double.answers["GET images/other/json"] = REFUSED
    with pytest.raises(EngineRefusedError):
        await api.has_image("other")


async def test_images_are_told_by_their_names_in_order_each_once(double, api):
    tags = [["b:1", "a:1"], None, ["<none>:<none>"], ["a:1"]]
    double.answers["GET images/json"] = 200, [{"RepoTags": each} for each in tags] + [{}]
    assert ("a:1", "b:1") == await api.images()


async def test_a_pull_names_image_and_who_has_logged_in_and_is_told_as_it_comes(double, api, tmp_path):
    (tmp_path / ".docker").mkdir()
    auths = {"auths": {"ghcr.io": {"identitytoken": "t"}}}
    (tmp_path / ".docker/config.json").write_text(json.dumps(auths))
    loading = {"id": "l", "status": "Downloading", "progressDetail": {"current": 1, "total": 4}}
    lines = [json.dumps(loading), "", json.dumps({"id": "l", "status": "Pull complete"})]
    double.answers["POST images/create"] = 200, "\r\n".join(lines).encode()
    told = [each async for each in api.pull("ghcr.io/a/b:1")]
    assert [PullProgress(1, 4, "l: Downloading"), PullProgress(4, 4, "l: Pull complete")] == told
    assert {"fromImage": "ghcr.io/a/b", "tag": "1"} == double.asked[0].query
    assert "X-Registry-Auth" in double.asked[0].headers


# its log

RECORDS = frame(STAMP + b"one\n") + frame(STAMP + b"two\n", 2)


async def followed(api, since=0.0):
    return [each async for batch in api.log_batches(ID, since) for each in batch]


@pytest.mark.parametrize(
    ("since", "asked"), [(0.0, {}), (1700000000.25, {"since": "1700000000.250000000"}), (-1.0, {})]
)
async def test_a_log_is_followed_with_both_outputs_and_times_from_any_time_on(double, api, since, asked):
    double.has(container())
    double.answers[f"GET containers/{ID}/logs"] = 200, RECORDS
    assert [LogPiece(AT, b"one\n"), LogPiece(AT, b"two\n")] == await followed(api, since)
    wanted = {"stdout": "true", "stderr": "true", "timestamps": "true", "follow": "true"}
    assert wanted | asked == double.asked[-1].query


LONG = frame(STAMP + b"x")


@pytest.mark.parametrize(
    ("version", "kind", "given"),
    [
        # once, and with the end that Docker's own driver has lost
        (DOCKER, "local", [b"x\n"]),
        (DOCKER, "json-file", [b"x"]),
        (DOCKER, None, [b"x"]),
        # its times are whole seconds, so that two records may be the same
        (PODMAN, "local", [b"x", b"x"]),
        (PODMAN, "k8s-file", [b"x", b"x"]),
    ],
)
async def test_a_log_is_read_as_its_engine_and_its_driver_write_it(double, api, version, kind, given):
    double.version = version
    double.has(container(HostConfig={"LogConfig": {"Type": kind} if kind else None}))
    double.answers[f"GET containers/{ID}/logs"] = 200, LONG + LONG
    assert given == [each.data for each in await followed(api)]


async def test_a_terminal_has_no_frames_and_its_last_line_needs_no_end(double, api):
    double.has(container(Config={"Tty": True}))
    double.answers[f"GET containers/{ID}/logs"] = 200, STAMP + b"one\n" + STAMP + b"two"
    wanted = [LogPiece(AT, b"one\n"), LogPiece(AT, b"two")]
    assert wanted == await followed(api)
    assert AT == await api.last_logged(ID)


async def test_the_time_of_the_last_record_is_asked_by_the_tail(double, api):
    double.has(container())
    double.answers[f"GET containers/{ID}/logs"] = 200, RECORDS
    assert AT == await api.last_logged(ID)
    wanted = {"stdout": "true", "stderr": "true", "timestamps": "true", "tail": "1"}
    assert wanted == double.asked[-1].query
    double.answers[f"GET containers/{ID}/logs"] = 200, b""
    assert await api.last_logged(ID) is None


# the connection


async def test_it_is_opened_once_at_the_first_address_that_answers_and_anew_after_it_was_closed(
    double, tmp_path
):
    (tmp_path / "podman").mkdir()
    (tmp_path / "podman/podman.sock").symlink_to(double.socket)
    environ = {"XDG_RUNTIME_DIR": str(tmp_path), "CONTAINER_HOST": f"unix://{tmp_path}/none.sock"}
    api = ApiEngine("podman", environ, soon=5.0)
    assert "" == api.address
    double.answers["GET images/json"] = 200, []
    await asyncio.gather(*(api.images() for _ in range(3)))
    assert f"unix://{tmp_path}/podman/podman.sock" == api.address
    await api.aclose()
    await api.aclose()
    assert () == await api.images()
    await api.aclose()


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ((500, {"message": "still booting"}), "still booting"),
        ((200, []), "s: "),
        ((200, b"{"), "s: "),
    ],
)
async def test_one_that_does_not_say_what_it_is_is_no_engine_and_asked_again(double, api, answer, words):
    double.answers |= {"GET version": answer, "GET images/json": (200, [])}
    with pytest.raises(EngineUnreachableError, match=words):
        await api.images()
    del double.answers["GET version"]
    assert () == await api.images()


async def test_one_that_ends_the_connection_is_away(double, api):
    double.answers["GET images/json"] = 200, []
    await api.images()
    await double.stop()
    with pytest.raises(EngineUnreachableError, match=r"is away: (nobody listens there|No such file)"):
        await api.images()
    await double.start()
    assert () == await api.images()


async def test_more_logs_are_followed_at_once_than_a_client_has_connections_by_itself(double, api):
    double.has(container())
    double.answers[f"GET containers/{ID}/logs"] = 200, RECORDS
    double.hangs.add(f"GET containers/{ID}/logs")

    async def first():
        batches = api.log_batches(ID)
        assert await anext(batches)
        return batches

    async with asyncio.timeout(60):
        following = await asyncio.gather(*(first() for _ in range(110)))
        assert await api.inspect(ID)
    for each in following:
        await each.aclose()


async def test_silence_is_no_trouble_as_long_as_the_engine_answers(double, tmp_path):
    api = ApiEngine(f"unix://{double.socket}", {}, soon=0.3, quiet=0.1)
    double.answers[f"POST containers/{ID}/wait"] = 200, {"StatusCode": 3}
    double.late[f"POST containers/{ID}/wait"] = 1.5
    assert 3 == await api.wait(ID)
    pings = double.calls.count("GET _ping")
    assert 3 <= pings <= 14

    double.late["GET _ping"] = 60.0
    with pytest.raises(EngineUnreachableError, match=r"has not answered within 0\.3 s"):
        await api.wait(ID)
    await api.aclose()


async def test_who_gives_up_a_log_lets_go_of_its_connection(double, api):
    double.has(container())
    double.answers[f"GET containers/{ID}/logs"] = 200, RECORDS
    double.hangs.add(f"GET containers/{ID}/logs")
    async with aclosing(api.log_batches(ID)) as batches:
        await anext(batches)
    async with asyncio.timeout(20):
        while double.at_once:
            await asyncio.sleep(0.01)


async def test_who_gives_up_a_wait_lets_go_of_its_connection(double, api):
    double.answers[f"POST containers/{ID}/wait"] = 200, b" "
    double.hangs.add(f"POST containers/{ID}/wait")
    waiting = asyncio.create_task(api.wait(ID))
    async with asyncio.timeout(20):
        while not double.at_once:
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.1)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        while double.at_once:
            await asyncio.sleep(0.01)
