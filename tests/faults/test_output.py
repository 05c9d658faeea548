"""What models write, or can't: their output is a file of theirs, which zoosup bounds and never stands between."""

import pytest

from tests.faults.faulty_zoo import LONG, faulty, running_zoo
from tests.faults.table import fault
from tests.peers import oracle
from zoosup.host.storage.model_logs import BOUND


@pytest.fixture(scope="module")
def zoo(tmp_path_factory):
    models = {"closed": faulty("closed-output"), "chatter": faulty("chatter")}
    with running_zoo(tmp_path_factory.mktemp("output"), models) as zoo:
        yield zoo
        zoo.unharmed()


@fault("closed stdin, stdout and stderr", "serves like any other, and is stopped like any other", 4)
def test_a_model_that_closes_its_output_serves_and_stops(zoo):
    zoo.start("closed")
    assert 1 == len(zoo.living("closed"))
    zoo.stop("closed")
    assert [] == zoo.living("closed")


@fault(
    "100 MB/s of log",
    "keeps the process; cuts the file to its bound every 10 s, with one copy beside it",
    9,
    16,
)
def test_a_log_of_a_hundred_megabytes_a_second_is_cut_and_holds_nobody_up(zoo):
    pid = zoo.start("chatter")["pid"]
    log = zoo.zoosup.state / "logs" / "chatter.log"
    oracle.wait(lambda: log.stat().st_size > 10 * BOUND, "the log to have outgrown its bound by far")
    if LONG:  # it looks every ten seconds
        oracle.wait(lambda: log.stat().st_size < 10 * BOUND, "the log to be cut")
    assert [pid] == zoo.living("chatter")
    assert "ready" == zoo.zoosup.model("chatter")["phase"]
    zoo.stop("chatter")
    assert [] == zoo.living("chatter")
    if LONG:
        oracle.wait(lambda: log.stat().st_size <= BOUND, "the last cut")
        assert log.with_name("chatter.log.1").stat().st_size <= 2 * BOUND
