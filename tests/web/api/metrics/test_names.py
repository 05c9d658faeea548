"""The README's table of metrics has every one of them, and no other."""

import re
from collections.abc import Iterable
from pathlib import Path

from prometheus_client.core import Metric
from prometheus_client.parser import text_string_to_metric_families

from tests.web.fakes import NOW, Runtime, condition, hold, model, snapshot
from tests.web.fleets import member
from zoosup.runtime.publish.fleet_status import fleet_data
from zoosup.runtime.state.applied import Applied
from zoosup.runtime.state.zoo import Zoo
from zoosup.web.api.metrics import models, scrape
from zoosup.web.gateway.telemetry.usage import Tokens

README = Path(__file__).parents[4] / "README.md"
ROW = re.compile(r"^\| `(zoosup_\w+)` \| (.*?) \| (.*?) \|", re.MULTILINE)


def eventful() -> Runtime:
    """One to whom everything has happened."""
    runtime, exit_ = (
        Runtime(),
        {"reason": "OOMKilled", "code": None, "signal": "SIGKILL", "at": NOW, "message": ""},
    )
    crashed = model("backoff", last_exit=exit_ | {"log": []}, backoff_until=NOW, refused=True, load_time=1.0)
    problems = [condition("StateWritable", "Refused", "the disk is full")]
    models_ = {"a": crashed, "b": model("ready")}
    runtime.publisher.publish(snapshot(models_, conditions=problems, holds={"h1": hold()}, fleet=fleet()))
    runtime.clients.answered("a", "", 200)
    runtime.clients.refusals["a", "x"] = 1
    runtime.clients.took("a", "x", Tokens(1, 1))
    runtime.clients.forwarded["a", "box2"] = 1
    runtime.clients.cancelled["a"] = runtime.clients.broken["a"] = 1
    for found in (runtime.clients.waits, runtime.clients.first_bytes, runtime.clients.answers):
        found["a"].observe(1)
    note = runtime.journal.add
    note("Phase", "a", "ready", "", {"from": "starting", "to": "ready", "seconds": 1})
    note("Gone", "a", "MadeRoom", "")
    note("Gone", "a", "LivenessFailed", "")
    note("CoolDown", "a", "Recovered", "", {"pool": "ram", "seconds": 1})
    note("Switch", None, "Completed", "", {"seconds": 1})
    return runtime


def fleet() -> dict[str, object]:
    here = member().here
    return fleet_data(Zoo("a", "i", "m", here.clock, Runtime().journal, Applied("z")), here)


def families() -> Iterable[Metric]:
    text, _ = scrape.exposition(scrape.registry(eventful()), "")
    return [f for f in text_string_to_metric_families(text.decode()) if f.name.startswith("zoosup_")]


def told(family: Metric) -> tuple[str, str]:
    """The name as a query has it, and the labels."""
    ends = {"counter": "_total", "info": "_info"}
    labels = dict.fromkeys(
        f"`{label}`" for sample in family.samples for label in sample.labels if label != "le"
    )
    return family.name + ends.get(family.type, ""), " ".join(labels)


def test_the_table_has_them_all_with_their_labels_and_no_other():
    rows = {name: labels for name, labels, _ in ROW.findall(README.read_text())}
    expected = dict(map(told, families()))
    # The text format has no type for these.
    expected |= {models.UP: "`model`"}
    assert expected == rows


def test_every_one_has_a_figure():
    assert [] == [family.name for family in families() if not family.samples]
