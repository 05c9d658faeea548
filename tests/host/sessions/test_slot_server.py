"""Answers of a server about its slots that are not what they should be, each told in one line."""

import aiohttp
import pytest
from aiohttp import web

from tests.core.sessions.models import a_model
from zoosup.core.sessions.slots import Slot
from zoosup.host.ports.sessions import SlotServer
from zoosup.host.sessions import slot_server
from zoosup.host.sessions.slot_server import SlotError


class Answers:
    """A server that gives this answer to everything."""

    def __init__(self):
        self.status, self.text, self.headers = 200, "{}", {}
        self.asked = []

    async def start(self):
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._answer)
        self._runner = web.AppRunner(app)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        spec = a_model("command: llama-server -m m.gguf")
        port = self._runner.addresses[0][1]
        self.server = SlotServer("m", spec, 0.0, port, {"Authorization": "Bearer k"})

    async def stop(self):
        await self._runner.cleanup()

    async def _answer(self, request):
        said = await request.json() if request.can_read_body else None
        self.asked.append((request.method, request.path_qs, said, request.headers.get("Authorization")))
        return web.Response(status=self.status, text=self.text, headers=self.headers)


@pytest.fixture
async def answers():
    made = Answers()
    await made.start()
    yield made
    await made.stop()


@pytest.fixture
async def client():
    async with aiohttp.ClientSession() as made:
        yield made


async def test_slots_are_saved_and_restored_by_their_number_and_a_files_name(answers, client):
    answers.text = '{"n_saved": 7, "n_restored": 5}'
    assert 7 == await slot_server.save(client, answers.server, 3, "a.bin")
    assert 5 == await slot_server.restore(client, answers.server, 3, "a.bin")
    assert [
        ("POST", f"/slots/3?action={action}", {"filename": "a.bin"}, "Bearer k")
        for action in ("save", "restore")
    ] == answers.asked


@pytest.mark.parametrize("text", ["{}", "[]", "7", '{"n_saved": "7"}', '{"n_saved": null}'])
async def test_an_answer_that_names_no_tokens_has_none(answers, client, text):
    answers.text = text
    assert 0 == await slot_server.save(client, answers.server, 0, "a.bin")


@pytest.mark.parametrize(
    ("status", "text", "said"),
    [
        (400, '{"error": {"message": "no  such\\nslot"}}', "answered 400: no such slot"),
        (400, '{"error": "no"}', 'answered 400: {"error": "no"}'),
        (404, "gone", "answered 404: gone"),
        (501, "no", "answered 501: no (is it started with --no-slots?)"),
        (500, "x" * 300, f"answered 500: {'x' * 200}"),
        (302, "elsewhere", "answered 302: elsewhere"),
        (201, "made", "answered 201: made"),
        (200, "<html>", "the answer is no JSON"),
    ],
)
async def test_a_refusal_is_told_in_its_own_words(answers, client, status, text, said):
    answers.status, answers.text, answers.headers = status, text, {"Location": "/elsewhere"}
    with pytest.raises(SlotError) as told:
        await slot_server.save(client, answers.server, 0, "a.bin")
    between = ": " if said.startswith("the answer") else " "
    assert (f"POST /slots/0?action=save{between}{said}", False) == (str(told.value), told.value.unheard)
    assert 1 == len(answers.asked)


async def test_slots_that_are_none_are_told(answers, client):
    answers.text = '[{"id": 0, "is_processing": false, "id_task": 1, "n_prompt_tokens": 9}]'
    [slot] = await slot_server.slots(client, answers.server)
    assert (Slot, 0, 9) == (type(slot), slot.id, slot.tokens)
    answers.text = '{"a": 1}'
    with pytest.raises(SlotError, match="GET /slots: "):
        await slot_server.slots(client, answers.server)


async def test_without_metrics_nothing_is_known_of_prompts_but_silence_is_told(answers, client):
    answers.status = 501
    assert (0.0, 0.0) == await slot_server.prompts(client, answers.server)
    await answers.stop()
    with pytest.raises(SlotError, match=r"GET /metrics: .*127") as told:
        await slot_server.prompts(client, answers.server)
    assert told.value.unheard
    await answers.start()
