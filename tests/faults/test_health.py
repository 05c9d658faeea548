"""Health that lies, hangs, flaps or is somebody else's: readiness follows it, no process suffers for it."""

import http.server
import threading
from contextlib import contextmanager

import pytest

from tests.e2e.driver import free_ports
from tests.faults.faulty_zoo import OFTEN, faulty, keeping
from tests.faults.table import fault
from tests.peers import oracle

FLAPS = 6

SHORT = {**OFTEN, "deadline": "1s"}


@pytest.fixture(scope="module")
def house(tmp_path_factory):
    models = {
        "hangs": faulty("none", ready=SHORT, restart={"limit": {"count": 2, "within": "1m"}}),
        "hangs-later": faulty("none", ready=OFTEN),
        "flaps": faulty("none", ready=OFTEN),
        "redirects": faulty("none", ready=OFTEN),
        "mute": faulty("mute", ready=OFTEN, port=free_ports(1)[0]),
    }
    with keeping(tmp_path_factory.mktemp("health"), models) as house:
        yield house


@pytest.fixture(autouse=True)
def _neighbour(house):
    yield
    house.unharmed()


@fault("health hangs from the start", "ended at its deadline, tried again, failed at its limit", 9)
def test_health_that_never_answers_ends_at_the_deadline(house):
    house.say("hangs", "hang")
    failed = house.start("hangs", "failed")
    assert "StartupDeadline" == failed["last_exit"]["reason"]
    assert [] == house.living("hangs")


@fault("health hangs later", "unready, same process; ready when it answers again", 13)
def test_health_that_hangs_later_costs_readiness_alone(house):
    house.start("hangs-later")
    [pid] = house.living("hangs-later")
    house.say("hangs-later", "hang")
    house.zoo.wait_phase("hangs-later", "unready")
    house.say("hangs-later", "200")
    house.zoo.wait_phase("hangs-later", "ready")
    assert [pid] == house.living("hangs-later")
    house.stop("hangs-later")


@fault("health flaps", "ready and unready in turn, same process, no restart", 13)
def test_health_that_flaps_restarts_nothing(house):
    house.start("flaps")
    [pid] = house.living("flaps")
    for _ in range(FLAPS):
        house.say("flaps", "503")
        house.zoo.wait_phase("flaps", "unready")
        house.say("flaps", "200")
        house.zoo.wait_phase("flaps", "ready")
    assert [pid] == house.living("flaps")
    assert 0 == house.zoo.model("flaps")["restarts"]
    house.stop("flaps")


@fault("health redirects to a healthy server", "not followed, never ready; says where it pointed", 13)
def test_a_redirect_to_another_models_health_is_not_followed(house):
    target = house.zoo.model("steady")["url"] + "/health"
    house.say("redirects", f"302 {target}")
    house.start("redirects", "starting")
    house.zoo.wait(lambda s: target in s["models"]["redirects"]["message"], "the redirect to be named")
    assert [] == [event for event in house.events("redirects", "Phase") if event["reason"] == "ready"]
    house.say("redirects", "200")
    house.zoo.wait_phase("redirects", "ready")
    house.stop("redirects")


@fault(
    "health answered by a stranger on our port",
    "never ready; names the stranger, and sends it no signal",
    5,
    13,
)
def test_a_stranger_that_answers_on_our_port_makes_nobody_ready(house):
    started = house.start("mute", "starting")
    house.wait_living("mute", 1)
    with stranger(started["port"]) as asked:
        oracle.wait(lambda: asked, "the stranger to be asked")
        said = house.zoo.wait(
            lambda s: "which is not this model" in s["models"]["mute"]["message"], "the stranger to be named"
        )
        assert "starting" == said["models"]["mute"]["phase"]
    house.stop("mute")
    assert [] == house.living("mute")


@contextmanager
def stranger(port):
    """A healthy server that is nobody's model; what it has been asked."""
    asked = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler) as server:
        threading.Thread(target=server.serve_forever).start()
        yield asked
        server.shutdown()
