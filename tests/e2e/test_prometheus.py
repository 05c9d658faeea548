"""The example for Prometheus with a real one: it scrapes a real zoosup, and answers every query of the dashboard."""

import json
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.parse import urlencode
from urllib.request import Request, urlopen

import pytest

from tests.e2e.driver import DEADLINE, Zoosup, free_ports, poll

EXAMPLE = Path(__file__).parents[2] / "examples/prometheus"
pytestmark = [
    pytest.mark.e2e,
    pytest.mark.timeout(300),
    pytest.mark.skipif(shutil.which("prometheus") is None, reason="Prometheus is not installed"),
]

ZOO = """\
active: [a, huge]
budget: {{ram: 400MiB, ram_reserve: 64MiB}}
gateway: {{listen: "127.0.0.1:0", min_residency: 0s, patience: 0s, api_keys: [{{name: alice, key: secret}}]}}
status: {{listen: "127.0.0.1:{status}"}}
defaults:
  command: python -m zoosup.demo --model-id ${{MODEL_ID}} --port ${{PORT}} --ram 80MiB --load-time 200ms
  memory: {{ram: 140MiB}}
  on_demand: true
models:
  a: {{on_demand: false}}
  b: {{}}
  c: {{}}
  huge: {{memory: {{ram: 900MiB}}}}
  files:
    command: [python, -m, http.server, --bind, 127.0.0.1, --directory, "{folder}", "${{PORT}}"]
    memory: {{ram: 60MiB}}
    ready: {{http: /metrics}}
"""
OWN = "# TYPE tokens_total counter\ntokens_total 7\n"


def ask(zoo: Zoosup, model: str) -> int:
    body = json.dumps({"model": model, "messages": [{"role": "user", "content": "hello"}], "max_tokens": 4})
    headers = {"Content-Type": "application/json", "Authorization": "Bearer secret"}
    request = Request(f"{zoo.gateway()}/v1/chat/completions", body.encode(), headers)
    try:
        with urlopen(request, timeout=DEADLINE) as answer:
            answer.read()
            return answer.status
    except HTTPError as error:
        return error.code


def turns(zoo: Zoosup) -> None:
    """Models make room for one another, one that can't be had is refused."""
    assert [200, 200, 200, 424] == [ask(zoo, model) for model in ("a", "b", "c", "huge")]


@pytest.fixture
def zoo(tmp_path: Path) -> Iterator[Zoosup]:
    folder = tmp_path / "files"
    folder.mkdir()
    (folder / "metrics").write_text(OWN)
    [status] = free_ports(1)
    made = Zoosup(tmp_path, ZOO.format(status=status, folder=folder), status)
    made.start()
    made.wait_phase("a", "ready")
    yield made
    made.clean_up()


class Prometheus:
    def __init__(self, port: int) -> None:
        self.port = port

    def ask(self, query: str) -> list[dict[str, object]]:
        with urlopen(
            f"http://127.0.0.1:{self.port}/api/v1/query?{urlencode({'query': query})}", timeout=10
        ) as answer:
            found: list[dict[str, object]] = json.load(answer)["data"]["result"]
        return found

    def knows(self, query: str) -> bool:
        with suppress(URLError, ConnectionError):
            return bool(self.ask(query))
        return False


@pytest.fixture
def prometheus(zoo: Zoosup, tmp_path: Path) -> Iterator[Prometheus]:
    """As the example has it, but that it looks every second."""
    text = (EXAMPLE / "prometheus.yml").read_text()
    for old, new in (
        ("127.0.0.1:8081", zoo.url.removeprefix("http://")),
        ("scrape_interval: 15s", "scrape_interval: 1s"),
    ):
        assert old in text
        text = text.replace(old, new)
    (tmp_path / "prometheus.yml").write_text(text)
    shutil.copy(EXAMPLE / "rules.yml", tmp_path)
    [port] = free_ports(1)
    words = [f"--config.file={tmp_path}/prometheus.yml", f"--storage.tsdb.path={tmp_path}/tsdb"]
    with (tmp_path / "prometheus.log").open("wb") as log:
        running = subprocess.Popen(
            ["prometheus", *words, f"--web.listen-address=127.0.0.1:{port}"], stdout=log, stderr=log
        )
    try:
        yield Prometheus(port)
    finally:
        running.terminate()
        running.wait(DEADLINE)


def queries() -> list[str]:
    panels = json.loads((EXAMPLE / "dashboard.json").read_text())["panels"]
    return [target["expr"] for panel in panels for target in panel["targets"]]


def filled(query: str) -> str:
    """With the dashboard's variables as they are when nothing is chosen."""
    for name, value in (("$instance", ".*"), ("$model", ".*"), ("$__rate_interval", "1m")):
        query = query.replace(name, value)
    assert "$" not in query
    return query


def test_every_query_of_the_dashboard_has_an_answer(zoo: Zoosup, prometheus: Prometheus):
    turns(zoo)
    poll(
        lambda: prometheus.knows('zoosup_gateway_requests_total{model="c"}'), "the first turns to be scraped"
    )
    with ThreadPoolExecutor() as others:
        asked = others.submit(ask, zoo, "files")
        turns(zoo)
        assert 200 != asked.result(), "a server of files answers no chat"
    zoo.edit(("active: [a, huge]", "active: [b, huge]"))
    zoo.wait_phase("b", "ready")
    zoo.wait(
        lambda s: s["models"]["a"]["phase"] == "stopped" and s["switch"]["outcome"] == "done", "the switch"
    )
    zoo.edit(("active: [b, huge]", "active: [a, huge]"))
    zoo.wait(
        lambda s: s["models"]["a"]["phase"] == "ready" and s["switch"]["outcome"] == "done", "the way back"
    )
    unanswered = list(map(filled, queries()))
    assert unanswered
    end = time.monotonic() + 60
    while unanswered and time.monotonic() < end:
        unanswered = [query for query in unanswered if not prometheus.ask(query)]
        time.sleep(1)
    assert [] == unanswered
    assert [] == prometheus.ask('zoosup_model_phase{model="nobody"}')


def test_what_models_say_themselves_is_scraped_with_their_names(zoo: Zoosup, prometheus: Prometheus):
    ask(zoo, "files")
    poll(
        lambda: prometheus.knows('tokens_total{model="files", job="zoosup-models"} == 7'),
        "the model's own metrics",
    )
    assert prometheus.ask('zoosup_model_metrics_up{model="a"} == 0')
    assert prometheus.ask('up{job="zoosup-models"} == 1')


def test_each_alert_asks_for_metrics_that_there_are():
    documented = set(
        re.findall(r"^\| `(zoosup_\w+)`", (EXAMPLE.parents[1] / "README.md").read_text(), re.MULTILINE)
    )
    asked = re.findall(r"\bzoosup_\w+", (EXAMPLE / "rules.yml").read_text() + "".join(queries()))
    parts = re.compile(r"_(?:bucket|sum|count)$")
    assert set() == {name if name in documented else parts.sub("", name) for name in asked} - documented


@pytest.mark.parametrize(
    "words", [("check", "config", "prometheus.yml"), ("test", "rules", "rules.test.yml")]
)
def test_promtool_has_nothing_to_say(words: tuple[str, ...]):
    said = subprocess.run(["promtool", *words], cwd=EXAMPLE, capture_output=True, text=True, check=False)
    assert 0 == said.returncode, said.stdout + said.stderr
