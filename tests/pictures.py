"""Makes the pictures of the README: `python tests/pictures.py [DIR]`, by default into examples/pictures.

A real zoosup with demonstration models is photographed at rest, in a switch and in trouble: the page by Chromium, in
light and dark, and both terminal views as SVG. Takes some two minutes; needs the dependency groups test and e2e, and
chromium.
"""

# ruff: noqa: T201  it reports to a person

import asyncio
import re
import shutil
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from playwright.sync_api import Page, sync_playwright
from rich.console import Console
from rich.text import Text

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.e2e.driver import Zoosup, free_ports
from zoosup.cli.client import Client
from zoosup.cli.render.screen import screen
from zoosup.cli.top.app import TopApp
from zoosup.cli.top.source import Supervisor
from zoosup.cli.watcher import Watcher

PICTURES = Path(__file__).parents[1] / "examples" / "pictures"
LIMIT = 150 * 1024
SIZE = (120, 30)

ZOO = """
active: [chat, embed]
budget: {{ram: 1GiB, ram_reserve: 64MiB}}
gateway: {{listen: "127.0.0.1:{gateway}"}}
status: {{listen: "127.0.0.1:{status}"}}
models:
  chat:
    description: 8B, for everyday questions
    command: python -m zoosup.demo --model-id ${{MODEL_ID}} --port ${{PORT}} --ram 420MiB --load-time 3s --stop-time 2s
    memory: {{ram: 480MiB}}
  coder:
    description: 14B, for code
    command: python -m zoosup.demo --model-id ${{MODEL_ID}} --port ${{PORT}} --ram 600MiB --load-time 14s
    memory: {{ram: 700MiB}}
  embed:
    description: for search
    command: python -m zoosup.demo --model-id ${{MODEL_ID}} --port ${{PORT}} --ram 70MiB
    memory: {{ram: 128MiB}}
    on_demand: true
  giant:
    description: 70B, too large for this host
    command: python -m zoosup.demo --model-id ${{MODEL_ID}} --port ${{PORT}}
    memory: {{ram: 40GiB}}
  shaky:
    description: crashes soon after it is ready
    command: python -m zoosup.demo --model-id ${{MODEL_ID}} --port ${{PORT}} --ram 20MiB --crash-after 3s
    memory: {{ram: 100MiB}}
"""


def main() -> None:
    """Make every picture, and fail for one that is too large for a README."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else PICTURES
    folder.mkdir(parents=True, exist_ok=True)
    gateway, status = free_ports(2)
    with tempfile.TemporaryDirectory(prefix="zoo-") as home:
        zoo = Zoosup(Path(home), ZOO.format(gateway=gateway, status=status), status)
        zoo.start()
        try:
            photograph(zoo, folder)
        finally:
            zoo.process.terminate()
            zoo.process.wait()
    for path in sorted(folder.iterdir()):
        print(f"{path.stat().st_size / 1024:6.0f} KiB  {path}")
    large = [path.name for path in folder.iterdir() if path.stat().st_size > LIMIT]
    if large:
        sys.exit(f"too large for a README: {', '.join(large)}")


def photograph(zoo: Zoosup, folder: Path) -> None:
    """Bring the zoo into each of the three states, and take its pictures there."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1200, "height": 740})
        zoo.wait_phase("chat", "ready")
        activate(zoo, "coder, embed")  # once, so that its load time is known
        zoo.wait_phase("coder", "ready")
        activate(zoo, "chat, embed")
        zoo.wait(lambda s: s["converged"], "rest")
        page.goto(zoo.url)
        page.wait_for_selector("#models-list li")
        time.sleep(25)  # points of memory come each ten seconds
        take(zoo, page, folder, "rest")
        activate(zoo, "coder, embed")
        zoo.wait_phase("coder", "starting")
        time.sleep(6)
        take(zoo, page, folder, "switch")
        zoo.wait_phase("coder", "ready")
        activate(zoo, "chat, embed, shaky, giant")
        zoo.wait(lambda s: s["models"]["shaky"]["crashes"] > 1, "a second crash")
        zoo.wait_phase("shaky", "ready")
        time.sleep(1)
        take(zoo, page, folder, "trouble")
        browser.close()


def activate(zoo: Zoosup, names: str) -> None:
    """Edit `active`."""
    old = re.search(r"^active:.*$", zoo.file.read_text(), re.MULTILINE)
    assert old is not None
    zoo.edit((old[0], f"active: [{names}]"))


def take(zoo: Zoosup, page: Page, folder: Path, name: str) -> None:
    """One state: the page in light and dark, the watched status, and top."""
    client = Client(zoo.state / "control.sock")
    seen = Watcher(client).look()
    save(folder / f"watch-{name}.svg", watched(seen))
    for scheme in ("light", "dark") if name == "switch" else ("light",):
        page.emulate_media(color_scheme=scheme)
        page.wait_for_timeout(700)
        page.screenshot(path=folder / f"page-{name}-{scheme}.png")
    with ThreadPoolExecutor() as thread:  # a loop of its own: that of playwright turns in this one
        save(folder / f"top-{name}.svg", thread.submit(asyncio.run, topped(client)).result())


def watched(seen: object) -> str:
    """`zoosup status --watch` as a picture."""
    console = Console(record=True, width=SIZE[0], file=open("/dev/null", "w"), force_terminal=True)  # noqa: SIM115, PTH123
    for each in screen(seen, *SIZE):
        console.print(Text.assemble(*each, no_wrap=True, overflow="crop"))
    return console.export_svg(title="zoosup status --watch")


async def topped(client: Client) -> str:
    """`zoosup top` as a picture."""
    source = Supervisor(client)
    app = TopApp(source, source.look())
    async with app.run_test(size=SIZE) as pilot:
        await pilot.pause(2.0)  # until all is laid out, on a slow machine too
        return app.export_screenshot(title="zoosup top")


def save(path: Path, svg: str) -> None:
    """Without the fonts that it would have a browser fetch from elsewhere."""
    path.write_text(re.sub(r"@font-face \{.*?\}\s*", "", svg, flags=re.DOTALL))


if __name__ == "__main__":
    main()
