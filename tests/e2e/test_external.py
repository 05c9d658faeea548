"""Two zoosups, of which one has the other's models as servers elsewhere, over TLS by an authority of our own.

Two zoosups and the openai client as they are installed; only what ends TLS in front of the second one is the test's.
"""

import asyncio
import contextlib
import threading

import pytest

from tests import certificates
from tests.e2e.driver import free_ports, poll

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

openai = pytest.importorskip("openai", reason="needs the dependency group e2e")

from tests.e2e.gateway_clients import HELLO, client  # noqa: E402

SERVES = """\
active: [demo]
budget: {{ram: 1GiB, ram_reserve: 64MiB}}
gateway: {{listen: "127.0.0.1:{gateway}", api_keys: [there]}}
status: {{listen: "127.0.0.1:{status}"}}
models:
  demo:
    memory: {{ram: 64MiB}}
    command: [python, -m, zoosup.demo, --port, "${{PORT}}", --ram, 8MiB, --token-delay, 2ms]
    variants:
      demo-short: {{set_params: {{max_tokens: 3}}}}
"""
ASKS = """\
active: [own]
budget: {{ram: 1GiB, ram_reserve: 64MiB}}
gateway: {{listen: "127.0.0.1:0", api_keys: [here], default_model: short}}
status: {{listen: "127.0.0.1:{status}"}}
models:
  own:
    memory: {{ram: 64MiB}}
    on_demand: true
    command: [python, -m, zoosup.demo, --port, "${{PORT}}", --ram, 8MiB]
  box:
    external:
      url: https://localhost:{port}/v1
      api_key: ${{env.BOX_KEY}}
      models: {{box: demo, short: demo-short, gone: nobody}}
"""


class TlsInFront:
    """Ends TLS on a port and passes bytes on to another, as a proxy in front of a gateway does."""

    def __init__(self, made: certificates.Certificates, target: int) -> None:
        self._made, self._target = made, target
        self.port = 0
        self._writers: list[asyncio.StreamWriter] = []
        self._begun = threading.Event()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self):
        self._thread.start()
        assert self._begun.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._over.set)
        self._thread.join(10)

    def _run(self) -> None:
        self._loop.run_until_complete(self._serve())
        self._loop.close()

    async def _serve(self) -> None:
        self._over = asyncio.Event()
        server = await asyncio.start_server(self._join, "127.0.0.1", self.port, ssl=self._made.server())
        self.port = server.sockets[0].getsockname()[1]
        self._begun.set()
        await self._over.wait()
        server.close()
        for writer in self._writers:
            writer.transport.abort()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        await asyncio.gather(*others, return_exceptions=True)
        await asyncio.sleep(0.05)

    async def _join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            there, back = await asyncio.open_connection("127.0.0.1", self._target)
            self._writers += [writer, back]
            await asyncio.gather(_pump(reader, back), _pump(there, writer))
        except OSError:
            writer.close()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.close()


@pytest.fixture
def made(tmp_path):
    return certificates.make(tmp_path)


@pytest.fixture
def zoos(zoosup, made):
    gateway, status, other_status = free_ports(3)
    serves = zoosup(SERVES.format(gateway=gateway, status=status), status)
    serves.start()
    serves.wait_phase("demo", "ready")
    with TlsInFront(made, gateway) as front:
        asks = zoosup(ASKS.format(port=front.port, status=other_status), other_status)
        asks.env |= {"BOX_KEY": "there", "SSL_CERT_FILE": str(made.ca)}
        asks.start()
        asks.wait_phase("own", "ready")
        yield serves, asks


def answered(zoo, model):
    with client(zoo, api_key="here") as api:
        return api.chat.completions.create(model=model, messages=HELLO, max_tokens=4).choices


def test_a_model_of_another_zoosup_is_used_as_if_it_were_here(zoos):
    serves, asks = zoos
    asks.wait_phase("box", "ready")
    with client(asks, api_key="here") as api:
        listed = {model.id: model for model in api.models.list()}
        assert {"own", "box", "short", "gone"} == set(listed)
        answer = api.chat.completions.create(model="box", messages=HELLO, max_tokens=8)
        assert answer.choices[0].message.content
        chunks = list(api.chat.completions.create(model="box", messages=HELLO, max_tokens=8, stream=True))
        said = "".join(each.choices[0].delta.content or "" for each in chunks if each.choices)
        assert answer.choices[0].message.content == said
        # The variant over there bounds what is asked for here, and answers for who names nobody.
        short = api.chat.completions.create(model="short", messages=HELLO, max_tokens=50)
        assert 3 == short.usage.completion_tokens
        nobody = api.chat.completions.create(model="", messages=HELLO, max_tokens=50)
        assert 3 == nobody.usage.completion_tokens
        with pytest.raises(openai.NotFoundError, match="there is no model 'nobody'"):
            api.chat.completions.create(model="gone", messages=HELLO)
    poll(lambda: serves.model("demo")["last_used"] is not None, "the use over there to be shown")
    assert "there" not in str(asks.status()["models"]["box"].values()).replace("'gone'", "")
    assert "https://localhost" in asks.cli("status", "box").stdout
    assert "elsewhere" in asks.cli("plan").stdout
    refused = asks.cli("stop", "box")
    assert (1, True) == (refused.returncode, "zoosup neither starts nor stops it" in refused.stderr)
    assert asks.status()["converged"]


def test_one_that_goes_away_and_comes_back_is_told_and_costs_nothing_here(zoos):
    serves, asks = zoos
    asks.wait_phase("box", "ready")
    own = asks.pid("own")
    assert 0 == serves.terminate()
    with client(asks, api_key="here") as api, pytest.raises(openai.InternalServerError) as caught:
        api.chat.completions.create(model="box", messages=HELLO)
    assert 502 == caught.value.status_code
    asks.wait_phase("box", "unready")
    assert asks.model("box")["message"]
    assert own == asks.pid("own")
    serves.start()
    asks.wait_phase("box", "ready")
    assert answered(asks, "box")


def test_a_certificate_that_nobody_vouches_for_is_told_in_words(zoos):
    _, asks = zoos
    asks.env.pop("SSL_CERT_FILE")
    assert 0 == asks.terminate()
    asks.start()
    asks.wait(lambda s: "certificate is not accepted" in s["models"]["box"]["message"], "the refusal")
    with client(asks, api_key="here") as api, pytest.raises(openai.InternalServerError) as caught:
        api.chat.completions.create(model="box", messages=HELLO)
    assert "its certificate is not accepted" in caught.value.message


def test_memory_is_given_back_by_hand_until_a_request_asks_for_it(zoos):
    _, asks = zoos
    before = asks.pid("own")
    assert 0 == asks.cli("unload", "own").returncode
    asks.wait_phase("own", "stopped")
    assert ["Unloaded", True] == [asks.model("own")["reason"], asks.status()["converged"]]
    assert 0 == asks.cli("wait", "--for", "converged", "--timeout", "20s").returncode
    assert answered(asks, "own")
    assert before != asks.pid("own")
    poll(lambda: asks.model("own")["override"] is None, "the override to be over")
