"""From a look at the file to a message."""

import asyncio

import pytest

from tests.runtime.builders import text_of
from zoosup.host.ports.host import Content
from zoosup.runtime.startup.config_source import follow, read

pytestmark = pytest.mark.looptime

GOOD = text_of({"a": {}}, "a")


async def test_a_valid_text_becomes_a_spec_with_its_text():
    message = await read(Content(GOOD), "zoo.yaml", {})
    assert (("a",), GOOD, "") == (message.spec.active, message.text, message.error)


async def test_an_invalid_text_becomes_an_error_that_names_the_place():
    message = await read(Content("active: [a\n"), "/etc/zoo.yaml", {})
    assert (None, "active: [a\n") == (message.spec, message.text)
    assert message.error.startswith("/etc/zoo.yaml:")


async def test_a_file_that_is_not_there_is_an_error_and_no_empty_zoo():
    message = await read(Content(None, "zoo.yaml: no such file"), "zoo.yaml", {})
    assert (None, "", "zoo.yaml: no such file") == (message.spec, message.text, message.error)


async def test_an_empty_file_is_an_error_and_no_empty_zoo():
    message = await read(Content(""), "zoo.yaml", {})
    assert message.spec is None
    assert message.error


async def test_the_environment_is_zoosups_own():
    text = text_of({"a": {"command": "serve ${env.WHERE}"}}, "a")
    assert (await read(Content(text), "zoo.yaml", {})).spec is None
    assert ("serve", "here") == (await read(Content(text), "zoo.yaml", {"WHERE": "here"})).spec.models[
        "a"
    ].command


async def test_every_change_is_told_in_order():
    class Config:
        async def changes(self):
            for text in (GOOD, "nonsense: [", GOOD):
                yield Content(text)

    told = []
    await asyncio.wait_for(follow(Config(), "zoo.yaml", {}, told.append), 5)
    assert [True, False, True] == [message.spec is not None for message in told]
