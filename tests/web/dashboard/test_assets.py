"""The page's files as a browser gets them: confined, small, kept by tag, and readable without a token."""

import re
from urllib.parse import urljoin

import aiohttp
import pytest

from zoosup.spec.model.gateway import StatusSpec
from zoosup.web.dashboard import assets

LIMIT = 100 * 1024
FILES = sorted(
    path.relative_to(assets.FOLDER).as_posix() for path in assets.FOLDER.rglob("*") if path.is_file()
)
PATHS = sorted(assets.load())


async def fetch(harness, path, *, method="GET", **headers):
    async with harness.tcp.request(method, harness.url + path, headers=headers) as answer:
        return answer.status, answer.headers, await answer.read()


async def test_the_page_is_at_the_root(harness):
    status, headers, body = await fetch(harness, "/")
    assert 200 == status
    assert "text/html; charset=utf-8" == headers["Content-Type"]
    assert body.startswith(b"<!doctype html>")


@pytest.mark.parametrize("path", PATHS)
async def test_every_file_is_confined_and_has_its_type(harness, path):
    status, headers, body = await fetch(harness, path)
    kinds = {"js": "text/javascript", "css": "text/css", "svg": "image/svg+xml", "/": "text/html"}
    assert 200 == status
    assert kinds[path.rpartition(".")[2]] == headers["Content-Type"].partition(";")[0]
    assert "nosniff" == headers["X-Content-Type-Options"]
    assert "no-cache" == headers["Cache-Control"]
    assert str(len(body)) == headers["Content-Length"]
    assert assets.POLICY == headers["Content-Security-Policy"]


@pytest.mark.parametrize(
    ("gateway", "host", "allowed"),
    [
        (None, "localhost:8081", ""),
        ("127.0.0.1:8080", "localhost:8081", " http://127.0.0.1:8080"),
        ("0.0.0.0:8080", "Box.local:8081", " http://box.local:8080"),
        ("[::]:8080", "[::1]:8081", " http://[::1]:8080"),
        ("[::1]:8080", "localhost", " http://[::1]:8080"),
        ("0.0.0.0:8080", "", ""),
        ("0.0.0.0:8080", "evil.example; script-src *", ""),
        ("0.0.0.0:8080", "'unsafe-inline'", ""),
    ],
)
def test_the_page_may_reach_the_gateway_and_nothing_that_a_host_header_makes_up(gateway, host, allowed):
    assert assets.POLICY + allowed == assets.policy(gateway, host)


async def test_the_policy_follows_the_gateway(harness, runtime):
    runtime.publisher.publish({**runtime.publisher.snapshot, "gateway": "127.0.0.1:8080"})
    assert (await fetch(harness, "/"))[1]["Content-Security-Policy"].endswith("http://127.0.0.1:8080")
    runtime.publisher.publish({**runtime.publisher.snapshot, "gateway": None})
    assert assets.POLICY == (await fetch(harness, "/"))[1]["Content-Security-Policy"]


def test_the_policy_allows_nothing_inline_and_nothing_from_elsewhere():
    rules = dict(rule.split(" ", 1) for rule in assets.POLICY.split("; "))
    assert "'none'" == rules["default-src"]
    assert {"'self'", "'none'", "'script'"} == set(rules.values())
    assert "'none'" == rules["frame-ancestors"]


def test_the_files_obey_the_policy():
    page = (assets.FOLDER / "index.html").read_text()
    assert [] == re.findall(r"<script(?![^>]*\bsrc=)|<style|\bstyle=|\son\w+=", page)
    for name in FILES:
        text = (assets.FOLDER / name).read_text()
        assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(", text), name
        assert {"http://www.w3.org/2000/svg"} >= set(re.findall(r"https?://[^\"'\s)$]+", text)), name
        assert "@import" not in text, name


def test_what_the_files_name_is_there():
    page = (assets.FOLDER / "index.html").read_text()
    named = set(re.findall(r"(?:src|href)=\"(/dashboard/[^\"]+)\"", page))
    for name in FILES:
        if name.endswith(".js"):
            found = re.findall(r"from \"(\.[\w./]+)\"", (assets.FOLDER / name).read_text())
            named |= {urljoin(assets.PREFIX + name, each) for each in found}
    assert named == set(PATHS) - {"/"}


def test_every_element_that_a_module_asks_for_is_in_the_page():
    ids = set(re.findall(r"\bid=\"([\w-]+)\"", (assets.FOLDER / "index.html").read_text()))
    for name in FILES:
        asked = set(re.findall(r"byId\(\"([\w-]+)\"\)", (assets.FOLDER / name).read_text()))
        assert set() == asked - ids, name


def test_all_of_it_is_small():
    assert sum(len(asset.body) for asset in assets.load().values()) <= LIMIT


async def test_whoever_has_the_bytes_is_sent_none(harness):
    _, headers, body = await fetch(harness, "/dashboard/main.js")
    tag = headers["ETag"]
    for known in (tag, f'"other", {tag}', f"W/{tag}", "*"):
        status, again, rest = await fetch(harness, "/dashboard/main.js", **{"If-None-Match": known})
        assert (304, b"", tag) == (status, rest, again["ETag"]), known
        assert assets.POLICY == again["Content-Security-Policy"]
    status, _, rest = await fetch(harness, "/dashboard/main.js", **{"If-None-Match": '"other"'})
    assert (200, body) == (status, rest)


def test_a_tag_changes_with_the_bytes(tmp_path):
    (tmp_path / "a.js").write_text("1")
    before = assets.load(tmp_path)["/dashboard/a.js"].tag
    (tmp_path / "a.js").write_text("2")
    assert before != assets.load(tmp_path)["/dashboard/a.js"].tag


async def test_head_says_the_same_without_the_body(harness):
    _, full, body = await fetch(harness, "/")
    status, headers, rest = await fetch(harness, "/", method="HEAD")
    assert (200, b"", str(len(body))) == (status, rest, headers["Content-Length"])
    assert (full["ETag"], full["Content-Type"]) == (headers["ETag"], headers["Content-Type"])


@pytest.mark.parametrize(
    "path", ["/dashboard/", "/dashboard/index.html", "/dashboard/../server.py", "/dashboard/%2e%2e/assets.py"]
)
async def test_nothing_else_of_the_disk_is_served(harness, path):
    assert 404 == (await fetch(harness, path))[0]


async def test_nothing_can_be_sent_to_the_page(harness):
    harness.server.set_token("t")
    assert 405 == (await harness.post("/", headers={"Authorization": "Bearer t"}))[0]


async def test_where_reading_needs_the_token_the_page_comes_without_it_to_ask_for_it(harness):
    harness.server.configure(StatusSpec(listen="0.0.0.0:0", token="t0ken-of-this-test"))
    await harness.server.rebind("0.0.0.0:0")
    url = f"http://127.0.0.1:{harness.port}"
    async with aiohttp.ClientSession() as session:
        for path in PATHS:
            async with session.get(url + path) as answer:
                assert 200 == answer.status
        for path in ("/status", "/events", "/logs/a"):
            async with session.get(url + path) as answer:
                assert 401 == answer.status
        async with session.post(url + "/models/a/stop") as answer:
            assert 401 == answer.status
    assert [] == harness.runtime.commands.wishes


async def test_a_rebound_name_does_not_get_the_page(harness):
    assert 421 == (await fetch(harness, "/", Host="evil.example"))[0]
