"""All hosts on the page, in a real browser: this one is real; what is known of the others a test has brought."""

import json
import re
from dataclasses import replace

import pytest

from tests.e2e.chromium import needs_chromium
from tests.e2e.driver import free_ports
from tests.e2e.fleet_courier import over_socket
from tests.web.fleets import member
from zoosup.core.fleet import wire
from zoosup.core.fleet.words import Answer, Assignment, ModelReport

playwright = pytest.importorskip("playwright.sync_api", reason="needs the dependency group e2e")


pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120), needs_chromium]

# Nobody has the head's address: where Ray is installed it would answer in place of the test.
ZOO = """\
fleet: {{head: "127.0.0.9:6379", node: a, address: 127.0.0.2, lost_after: 60s}}
active: [coder]
gateway: false
status: {{listen: "127.0.0.1:{status}"}}
models:
  coder: {{command: [python, -m, zoosup.demo, --port, "${{PORT}}"], memory: {{ram: 64MiB}}}}
"""


@pytest.fixture
def zoo(zoosup):
    (status,) = free_ports(1)
    zoo = zoosup(ZOO.format(status=status), status)
    zoo.start()
    zoo.wait(lambda status: status["fleet"], "the fleet of its file")
    tell(zoo, Answer(Assignment(4, 2, 7, ("coder",)), member().here.view, 1))
    zoo.wait_phase("coder", "ready")
    return zoo


def tell(zoo, answer):
    told = json.dumps({"answer": wire.to_wire(answer)})
    over_socket(zoo.state / "control.sock", "POST", "/fleet/answer", told)


@pytest.fixture
def page(browser, zoo):
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    page = context.new_page()
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(zoo.url)
    page.wait_for_selector("#hosts:not([hidden])")
    yield page
    context.close()
    assert [] == complaints


def host(page, name):
    return page.locator(f'.host[data-key="{name}"]')


def says(locator, text):
    playwright.expect(locator).to_contain_text(re.compile(text), timeout=15_000)


def test_every_host_is_shown_with_its_room_its_models_and_how_old_that_is(page):
    says(page.locator("#hosts-heard"), r"As a knew it \d+s ago")
    says(host(page, "a"), r"a, this one reported \d+s ago.*RAM 2 of 60 GiB.*GPU 0 8 of 24 GiB.*coder ready")
    says(host(page, "b"), r"drained.*chat starting")
    says(host(page, "c"), r"lost: it last reported 1m\d\ds ago")
    says(page.locator("#hosts-nowhere"), "No host can have huge. b: needs 90 GiB of RAM, 60 GiB may be had")


def test_the_terminal_shows_the_same(page, zoo):
    told = zoo.cli("status", "--fleet").stdout
    assert re.search(r"^b +drained, \d+s ago +1 +2 of 60 GiB", told, re.MULTILINE)
    assert re.search(r"^c +lost, last 1m\d\ds ago", told, re.MULTILINE)


def over(view, phases, *nodes):
    """The view a moment later, where a model runs over these hosts; those without a phase are only told to have it."""
    hosts = dict(view.hosts)
    peers = tuple(hosts[node].report.address for node in nodes)
    for node in nodes:
        said, phase = hosts[node].report, phases.get(node)
        runs = ModelReport("stopped") if phase is None else ModelReport(phase, phase == "ready", peers=peers)
        told = replace(said.assignment, peers={"wide": peers})
        hosts[node] = replace(
            hosts[node], report=replace(said, models={**said.models, "wide": runs}, assignment=told)
        )
    return replace(view, number=view.number + 1, hosts=hosts, placements={**view.placements, "wide": nodes})


def test_of_a_model_over_several_hosts_the_first_is_told_from_its_parts(page, zoo):
    begun = over(member().here.view, {"a": "ready"}, "b", "a")
    tell(zoo, Answer(None, begun, 2))
    says(host(page, "a"), "wide, a part, ready")
    says(host(page, "b"), "wide stopped")
    whole = over(begun, {"a": "ready", "b": "ready"}, "b", "a")
    tell(zoo, Answer(None, whole, 3))
    says(host(page, "b"), "wide ready")
    says(host(page, "a"), "wide, a part, ready")
    tell(zoo, Answer(None, over(whole, {}, "b", "a"), 4))
    says(host(page, "a"), "wide, a part, stopped")
