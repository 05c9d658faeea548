"""Health that lies, hangs, flaps or is somebody else's: readiness follows it, no process suffers for it."""

import http.server
import threading
from contextlib import contextmanager

import pytest

from tests.e2e.driver import free_ports
from tests.faults.faulty_zoo import OFTEN, faulty, running_zoo
from tests.faults.table import fault
from tests.peers import oracle

FLAPS = 6

SHORT = {**OFTEN, "deadline": "1s"}


@pytest.fixture(scope="module")
def zoo(tmp_path_factory):
    models = {
        "hangs": faulty("none", ready=SHORT, restart={"limit": {"count": 2, "within": "1m"}}),
        "hangs-later": faulty("none", ready=OFTEN),
        "flaps": faulty("none", ready=OFTEN),
        "redirects": faulty("none", ready=OFTEN),
        "mute": faulty("mute", ready=OFTEN, port=free_ports(1)[0]),
    }
    with running_zoo(tmp_path_factory.mktemp("health"), models) as zoo:
        yield zoo


@pytest.fixture(autouse=True)
def _neighbour(zoo):
    yield
    zoo.unharmed()


@fault("health hangs from the start", "ended at its deadline, tried again, failed at its limit", 9)
def test_health_that_never_answers_ends_at_the_deadline(zoo):
    zoo.say("hangs", "hang")
    failed = zoo.start("hangs", "failed")
    assert "StartupDeadline" == failed["last_exit"]["reason"]
    assert [] == zoo.living("hangs")


@fault("health hangs later", "unready, same process; ready when it answers again", 13)
def test_health_that_hangs_later_costs_readiness_alone(zoo):
    zoo.start("hangs-later")
    [pid] = zoo.living("hangs-later")
    zoo.say("hangs-later", "hang")
    zoo.zoosup.wait_phase("hangs-later", "unready")
    zoo.say("hangs-later", "200")
    zoo.zoosup.wait_phase("hangs-later", "ready")
    assert [pid] == zoo.living("hangs-later")
    zoo.stop("hangs-later")


@fault("health flaps", "ready and unready in turn, same process, no restart", 13)
def test_health_that_flaps_restarts_nothing(zoo):
    zoo.start("flaps")
    [pid] = zoo.living("flaps")
    for _ in range(FLAPS):
        zoo.say("flaps", "503")
        zoo.zoosup.wait_phase("flaps", "unready")
        zoo.say("flaps", "200")
        zoo.zoosup.wait_phase("flaps", "ready")
    assert [pid] == zoo.living("flaps")
    assert 0 == zoo.zoosup.model("flaps")["restarts"]
    zoo.stop("flaps")


@fault("health redirects to a healthy server", "not followed, never ready; says where it pointed", 13)
def test_a_redirect_to_another_models_health_is_not_followed(zoo):
    target = zoo.zoosup.model("steady")["url"] + "/health"
    zoo.say("redirects", f"302 {target}")
    zoo.start("redirects", "starting")
    zoo.zoosup.wait(lambda s: target in s["models"]["redirects"]["message"], "the redirect to be named")
    assert [] == [event for event in zoo.events("redirects", "Phase") if event["reason"] == "ready"]
    zoo.say("redirects", "200")
    zoo.zoosup.wait_phase("redirects", "ready")
    zoo.stop("redirects")


@fault(
    "health answered by a stranger on our port",
    "never ready; names the stranger, and sends it no signal",
    5,
    13,
)
def test_a_stranger_that_answers_on_our_port_makes_nobody_ready(zoo):
    started = zoo.start("mute", "starting")
    zoo.wait_living("mute", 1)
    with stranger(started["port"]) as asked:
        oracle.wait(lambda: asked, "the stranger to be asked")
        said = zoo.zoosup.wait(
            lambda s: "which is not this model" in s["models"]["mute"]["message"], "the stranger to be named"
        )
        assert "starting" == said["models"]["mute"]["phase"]
    zoo.stop("mute")
    assert [] == zoo.living("mute")


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
