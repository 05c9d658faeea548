"""The dashboard in a real Chromium, before a real zoosup with demonstration models; and in the wheel.

Every page of these tests ends with a look at its console and at what it asked the network for.
"""

import json
import re
import signal
import subprocess
import sys
import zipfile
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest

from tests.e2e.chromium import needs_chromium
from tests.e2e.driver import free_ports
from zoosup.cli.render import format as cli

playwright = pytest.importorskip("playwright.sync_api", reason="needs the dependency group e2e")

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

ROOT = Path(__file__).parents[2]
TOKEN = "a-token-for-the-page"
NASTY = "<img src=x onerror=alert(1)>"

ZOO = """
active: [small]
budget: {{ram: 300MiB, ram_reserve: 16MiB}}
gateway: {{listen: "127.0.0.1:{gateway}", cors: ["http://127.0.0.1:{status}"]}}
status: {{listen: "127.0.0.1:{status}", token: {token}}}
defaults:
  ready: {{http: /health, deadline: 1m}}
  stop: {{grace: 10s}}
models:
  small:
    description: "{nasty}"
    command: python -m zoosup.demo --model-id ${{MODEL_ID}} --port ${{PORT}} --ram 10MiB
    memory: {{ram: 100MiB}}
  large:
    command: python -m zoosup.demo --model-id ${{MODEL_ID}} --port ${{PORT}} --ram 10MiB --load-time 2s
    memory: {{ram: 250MiB}}
  huge:
    command: python -m zoosup.demo --model-id ${{MODEL_ID}} --port ${{PORT}}
    memory: {{ram: 3GiB}}
"""


@pytest.fixture
def zoo(zoosup):
    gateway, status = free_ports(2)
    zoo = zoosup(ZOO.format(gateway=gateway, status=status, token=TOKEN, nasty=NASTY), status)
    zoo.start()
    zoo.wait_phase("small", "ready")
    return zoo


@pytest.fixture
def page(browser, zoo):
    """The page, once it shows the zoo; what a test provokes it takes out of `complaints` and `asked`."""
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    page = context.new_page()
    page.complaints, page.asked = [], []
    page.on("console", lambda message: page.complaints.append(f"{message.type}: {message.text}"))
    page.on("pageerror", lambda error: page.complaints.append(str(error)))
    page.on("request", lambda request: page.asked.append(request.url))
    page.goto(zoo.url)
    page.wait_for_selector("li.model[data-key=small]")
    yield page
    context.close()
    assert [] == page.complaints
    assert [] == [url for url in page.asked if not url.startswith(zoo.url)]


def row(page, name):
    return page.locator(f'li.model[data-key="{name}"]')


def wait_text(locator, text):
    playwright.expect(locator).to_contain_text(re.compile(text), timeout=30_000)


def tab_to(page, name):
    """Press the tab key until what has the focus is called so."""
    called = "e.getAttribute('aria-label') || e.querySelector('.label')?.textContent"
    focused = f"(e => {called})(document.activeElement)"
    for _ in range(60):
        page.keyboard.press("Tab")
        if page.evaluate(focused) == name:
            return
    raise AssertionError(f"the tab key never comes to {name}")


def active(zoo, names):
    old = re.search(r"^active:.*$", zoo.file.read_text(), re.MULTILINE)[0]
    zoo.edit((old, f"active: {names}"))


@needs_chromium
def test_one_line_says_that_all_is_well(page):
    wait_text(page.locator("#headline h2"), "^All is well$")
    wait_text(page.locator("#headline"), "1 of 1 active models ready")
    assert "ok" == page.get_attribute("#headline", "data-tone")
    assert NASTY in row(page, "small").inner_text()
    assert 0 == page.locator("main img").count()


@needs_chromium
def test_an_edit_shows_as_a_switch_and_then_as_the_new_phase(page, zoo):
    active(zoo, "[large]")
    wait_text(page.locator("#switch"), "small → large")
    wait_text(row(page, "large").locator(".phase"), "starting")
    wait_text(row(page, "large").locator(".phase"), "ready")
    wait_text(row(page, "small").locator(".phase"), "stopped")
    playwright.expect(page.locator("#switch")).to_be_hidden()
    wait_text(page.locator("#events-list"), "large starting → ready")
    wait_text(page.locator("#timeline-lanes"), "large")


@needs_chromium
def test_a_refused_model_is_seen_with_its_sum_without_a_click(page, zoo):
    active(zoo, "[small, huge]")
    wait_text(page.locator("#headline h2"), "^Needs attention$")
    message = zoo.wait(lambda s: s["models"]["huge"]["refused"], "huge to be refused")["models"]["huge"][
        "message"
    ]
    assert "3 GiB" in message
    wait_text(row(page, "huge").locator("> .why"), re.escape(message))
    wait_text(page.locator("#headline-wrong"), re.escape(message))
    page.click("#headline-wrong a")
    playwright.expect(row(page, "huge").locator(".detail")).to_be_visible()
    wait_text(row(page, "huge").locator(".detail table"), "declared")


@needs_chromium
def test_between_two_crashes_neither_the_page_nor_healthz_says_that_all_is_well(page, zoo):
    zoo.edit(("--ram 10MiB\n", "--ram 10MiB --crash-after 1s\n"))
    zoo.wait(lambda s: s["models"]["small"]["crashes"] > 1, "a second crash")
    zoo.wait_phase("small", "ready")
    said = zoo.model("small")["why"]
    assert re.fullmatch("crashed [23] times in a row, at last: ended with code 1; not yet stable", said)
    wait_text(page.locator("#headline-wrong"), "small is ready .crashed . times in a row")
    wait_text(page.locator("#headline h2"), "^Needs attention$")
    with pytest.raises(HTTPError, match="503"):
        urlopen(f"{zoo.url}/healthz")


@needs_chromium
def test_the_page_says_that_zoosup_is_away_and_comes_back_by_itself(page, zoo):
    zoo.process.send_signal(signal.SIGKILL)
    zoo.process.wait()
    wait_text(page.locator("#headline h2"), "^zoosup does not answer$")
    wait_text(page.locator("#headline-more"), "goes on by itself")
    playwright.expect(row(page, "small")).to_be_visible()
    zoo.start()
    wait_text(page.locator("#headline h2"), "^All is well$")
    active(zoo, "[large]")
    wait_text(page.locator("#events-list"), "large starting → ready")
    take_out(page, "net::ERR_")  # what the browser says of a server that is away


@needs_chromium
def test_an_act_by_the_keyboard_alone_with_the_token_asked_for_once(page, zoo):
    tab_to(page, "small")
    page.keyboard.press("Enter")
    assert "true" == page.evaluate("document.activeElement.getAttribute('aria-expanded')")
    tab_to(page, "Restart: small")
    before = zoo.pid("small")
    page.keyboard.press("Enter")
    wait_text(page.locator("#sure-dialog"), "Restart small")
    page.keyboard.press("Enter")
    wait_text(page.locator("#token-dialog"), "token")
    page.keyboard.type("wrong")
    page.keyboard.press("Enter")
    wait_text(page.locator("#token-dialog"), "does not know this token")
    page.keyboard.type(TOKEN)
    page.keyboard.press("Enter")
    wait_text(page.locator("#notice"), "small: restart is asked for")
    zoo.wait(lambda s: s["models"]["small"]["pid"] not in {None, before}, "small to be another process")
    zoo.wait_phase("small", "ready")
    page.click("#reload")  # the token is known now
    wait_text(page.locator("#notice"), "zoo.yaml is read again")
    assert TOKEN not in page.content()
    take_out(page, "401")  # the wrong token's, of the browser


@needs_chromium
def test_where_reading_needs_the_token_it_is_asked_for_once_and_a_no_is_taken(page, zoo):
    zoo.edit(('status: {listen: "127.0.0.1:', 'status: {listen: "0.0.0.0:'))
    wait_text(page.locator("#token-dialog"), "to those who have its token")
    page.keyboard.press("Escape")
    wait_text(page.locator("#headline h2"), "^zoosup shows nothing to this page$")
    page.wait_for_timeout(3000)
    playwright.expect(page.locator("#token-dialog")).to_be_hidden()
    page.click("#give")
    playwright.expect(page.locator("#token-input")).to_be_focused()
    page.keyboard.type(TOKEN)
    page.keyboard.press("Enter")
    wait_text(page.locator("#headline h2"), "^All is well$")
    wait_text(page.locator("#events-list"), "small starting → ready")
    take_out(page, "401", "net::ERR_")  # those without the token, and while the address moved


@needs_chromium
def test_the_plan_shows_the_sum_of_who_waits(page, zoo):
    active(zoo, "[small, large]")
    zoo.wait(lambda s: s["models"]["large"]["phase"] == "pending", "large to wait")
    page.evaluate(f"sessionStorage.setItem('zoosup-token', '{TOKEN}')")
    row(page, "large").locator(".model-name").click()
    row(page, "large").locator("[data-verb=plan]").click()
    wait_text(row(page, "large").locator(".sums"), "ram (needs|is short)|needs 250 MiB")


@needs_chromium
def test_what_is_held_is_a_part_of_its_pool_in_a_colour_of_its_own(page, zoo):
    hold_id = json.loads(zoo.cli("hold", "--ram", "64MiB", "--json").stdout)["id"]
    wait_text(page.locator("#pools-list .legend"), f"hold {hold_id} 0 of 64 MiB|hold {hold_id} 0 B of 64 MiB")
    part = page.locator(f'#pools-list .bar.budgeted [title="promised hold {hold_id} 64 MiB"]')
    assert 1 == part.count()
    small = page.locator('#pools-list .bar.budgeted [title^="held small"]')
    assert part.get_attribute("class").split()[-1] != small.get_attribute("class").split()[-1]
    zoo.cli("hold", "--release", hold_id)
    playwright.expect(part).to_have_count(0, timeout=30_000)


@needs_chromium
def test_escape_takes_an_act_back(page, zoo):
    row(page, "small").locator(".model-name").click()
    row(page, "small").locator("[data-verb=stop]").click()
    page.keyboard.press("Escape")
    playwright.expect(page.locator("#sure-dialog")).to_be_hidden()
    assert "ready" == zoo.model("small")["phase"]
    assert zoo.model("small")["override"] is None


@needs_chromium
def test_memory_over_the_last_hour_is_drawn_and_told(page, zoo):
    hour = page.locator("#pools .hour").first
    playwright.expect(hour).to_be_visible(timeout=60_000)  # two points are ten seconds apart
    wait_text(hour.locator("figcaption"), "models held at most [0-9.]+ MiB, at ")
    label = hour.locator("svg").get_attribute("aria-label")
    assert re.match("RAM over the last hour, of the budget .300 MiB.: models held at most", label)
    held = hour.locator("path.held").get_attribute("d")
    assert re.fullmatch(r"M[\d. L]+Z", held)
    heights = [float(each.split()[1]) for each in held.strip("MZ").split("L")]
    assert min(heights) < 63.0  # it holds something
    assert 1 == page.evaluate("[...document.querySelectorAll('.hour figcaption')].length")


@needs_chromium
def test_a_log_is_followed_and_searched(page, zoo):
    page.select_option("#logs-model", "small")
    wait_text(page.locator("#logs-lines"), "small is ready")
    page.fill("#logs-filter", "demonstration")
    wait_text(page.locator("#logs-note"), r"^1 of \d+ lines$")
    assert "is ready" not in page.inner_text("#logs-lines")


def take_out(page, *words):
    """Leave out what a test has provoked: complaints and requests with one of these words."""
    page.complaints[:] = [each for each in page.complaints if not any(word in each for word in words)]
    page.asked[:] = [each for each in page.asked if not any(word in each for word in words)]


@needs_chromium
def test_one_request_shows_whether_a_model_answers(page, zoo):
    page.select_option("#chat-model", "small")
    page.fill("#chat-text", "It's a question")
    page.keyboard.press("Enter")
    wait_text(page.locator("#chat-note"), r"^First words after [\d.]+ s, all after [\d.]+ s")
    wait_text(page.locator("#chat-answer"), "demonstration")
    curl = page.locator("#chat-curl").text_content()
    said = subprocess.run(curl, shell=True, check=True, capture_output=True, text=True).stdout
    assert "demonstration" in said
    assert "chat.completion" in said
    take_out(page, zoo.gateway())


@needs_chromium
def test_where_the_gateway_lets_no_page_call_that_is_said_in_words(page, zoo):
    zoo.edit((f'"{zoo.url}"', ""))
    zoo.wait(lambda s: s["config"]["generation"] == 2, "the edit to be applied")
    page.click("#chat-send")
    wait_text(page.locator("#chat-note"), f"gateway.cors does not list {zoo.url}")
    take_out(page, zoo.gateway(), "net::ERR_FAILED")


@needs_chromium
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_needs_no_sideways_scroll(page, scheme):
    page.emulate_media(color_scheme=scheme)
    page.set_viewport_size({"width": 390, "height": 844})
    row(page, "large").locator(".model-name").click()
    playwright.expect(row(page, "large").locator(".detail")).to_be_visible()
    assert 390 == page.evaluate("document.documentElement.scrollWidth")


@needs_chromium
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_to_mend(page, zoo, scheme):
    axe = pytest.importorskip("axe_playwright_python", reason="needs the dependency group e2e")
    page.emulate_media(color_scheme=scheme)
    active(zoo, "[small, huge]")
    wait_text(page.locator("#headline h2"), "^Needs attention$")
    for name in ("small", "huge"):
        row(page, name).locator(".model-name").click()
    page.select_option("#logs-model", "small")
    wait_text(page.locator("#logs-lines"), "small is ready")
    page.evaluate((Path(axe.__file__).parent / "axe.min.js").read_text())
    found = page.evaluate("axe.run()")["violations"]
    assert [] == [(each["id"], [node["target"] for node in each["nodes"]]) for each in found]


@needs_chromium
def test_figures_are_written_as_the_command_line_writes_them(page):
    sizes = [
        None,
        0,
        1,
        1023,
        1024,
        1536,
        1280 * 2**20,
        1408 * 2**20,
        2304 * 2**20,
        700 * 2**20,
        3 * 2**40,
        -(2**29),
    ]
    sizes += [int(1.37**power) for power in range(20, 100, 3)]
    spans = [0, 0.4, 59.9, 60, 65, 3599, 3600, 10920, 86399, 86400, 1051200, -3]
    expected = [
        [cli.size(each) for each in sizes],
        [cli.pair(each, 3 * 2**30) for each in sizes],
        [cli.span(each) for each in spans],
    ]
    code = """([sizes, spans]) => import("/dashboard/words.js").then((words) =>
        [sizes.map(words.size), sizes.map((each) => words.pair(each, 3 * 2 ** 30)), spans.map(words.span)])"""
    assert expected == page.evaluate(code, [sizes, spans])


@needs_chromium
def test_a_hidden_page_asks_nothing(page, zoo):
    page.evaluate("Object.defineProperty(document, 'hidden', {get: () => true})")
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    active(zoo, "[large]")
    zoo.wait_phase("large", "ready")
    page.wait_for_timeout(6000)
    assert [] == asked


def test_the_wheel_has_every_file_of_the_page(tmp_path):
    pytest.importorskip("hatchling", reason="needs the dependency group e2e")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    packed = {name for name in zipfile.ZipFile(wheel).namelist() if "/dashboard/static/" in name}
    files = (path for path in (ROOT / "zoosup/web/dashboard/static").rglob("*") if path.is_file())
    assert {path.relative_to(ROOT).as_posix() for path in files} == packed
