"""The whole status of a host on which much goes on, word by word: dashboards, checks and scripts read it.

Where a change is meant, ZOOSUP_WRITE_GOLDEN=1 has the file written anew, for a person to read the difference.
"""

import asyncio
import json
import os
import re
from pathlib import Path

import pytest

from tests.runtime.leasing.test_leases import Client
from zoosup.runtime.api.commands import HoldRequest

pytestmark = pytest.mark.looptime

GOLDEN = Path(__file__).with_name("whole_status.json")
GIB = 2**30
ZOO = """
active: [ready, loading, crashes, edited]
budget: {ram: 24GiB, ram_reserve: 1GiB}
status: {listen: null}
models:
  ready: {command: [serve, ready], memory: {ram: 4GiB}, description: it serves, aliases: [also]}
  loading: {command: [serve, loading], memory: {ram: 4GiB}}
  short: {command: [serve, short], memory: {ram: 8GiB}}
  crashes: {command: [serve, crashes], memory: {ram: 1GiB}, restart: {initial: 1h, max: 1h}}
  huge: {command: [serve, huge], memory: {ram: 40GiB}}
  edited: {command: [serve, edited], memory: {ram: 2GiB}}
  asked: {command: [serve, asked], memory: {ram: 2GiB}, on_demand: true, idle_timeout: 5m}
  off: {command: [serve, off], memory: auto}
  there: {external: {url: "http://box2:8000"}, description: elsewhere}
"""


async def test_every_word_of_it(host, zoo):
    host.behave("loading", load=3600.0, weights=4 * GIB, reads=4 * GIB)
    host.behave("ready", holds=3 * GIB)
    host.behave("crashes", dies_after=0.5, says="no such flag")
    host.save(ZOO)
    await zoo.until("edited", "ready")
    client = Client(zoo, "asked")
    assert "granted" == await client.answered()
    await zoo.commands.hold(HoldRequest(ram=GIB, command="make"))
    host.foreign = 15 * GIB
    await asyncio.sleep(10)
    later = ZOO.replace("crashes, edited]", "crashes, edited, short, huge]")
    host.save(later.replace("[serve, edited], memory: {ram: 2GiB}", "[serve, new], memory: {ram: 30GiB}"))
    await asyncio.sleep(100)
    found = written(zoo.publisher.snapshot)
    client.lease.release()
    if os.environ.get("ZOOSUP_WRITE_GOLDEN"):
        GOLDEN.write_text(found)
    assert GOLDEN.read_text() == found


def written(snapshot):
    """As JSON, without what is another each time."""
    text = json.dumps(snapshot, indent=1, ensure_ascii=False) + "\n"
    text = re.sub(r'"mark-[0-9a-f]{16}"', '"mark-0"', text)
    text = text.replace(next(iter(snapshot["holds"])), "a-hold")
    text = re.sub(r'"backoff_until": \d\S+', '"backoff_until": "…",', text)
    return re.sub(r'"(pid|hash|version)": (?:"\S+"|\d+)', r'"\1": "…"', text)
