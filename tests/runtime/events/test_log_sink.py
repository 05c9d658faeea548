"""The journal as lines for people and for programs."""

import json
import logging

import pytest

from zoosup.runtime.events.journal import Event
from zoosup.runtime.events.log_sink import JsonLines, TextLines, log_event, sentence

DIED = {"exit": {"reason": "Error", "code": 1, "log": ["loading weights", "out of file descriptors"]}}

HELP, MORE = "See 'docker run --help'.", "Run 'docker run --help' for more information"


def died(*log: str) -> dict[str, object]:
    return {"exit": {"reason": "Error", "code": 1, "log": list(log)}}


def an_event(type_: str, model: str | None, reason: str, message: str, data=None) -> Event:
    return Event(7, 1_700_000_000.0, type_, model, reason, message, data or {})


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        (
            an_event("Applied", None, "FileChanged", "generation 2 of the file is in force: active a"),
            "generation 2 of the file is in force: active a",
        ),
        (an_event("Refused", None, "InvalidFile", "zoo.yaml:1:9: not YAML"), "zoo.yaml:1:9: not YAML"),
        (
            an_event("Phase", "a", "pending", "waits for b to leave", {"from": "stopped", "to": "pending"}),
            "a: stopped -> pending: waits for b to leave",
        ),
        (an_event("Phase", "a", "ready", "", {"from": "starting", "to": "ready"}), "a: starting -> ready"),
        (an_event("Admitted", "a", "Fits", "ram: needs 1 GiB"), "a: admitted: ram: needs 1 GiB"),
        (
            an_event("CoolDown", "a", "SettledShort", "free memory has settled"),
            "a: cool down: free memory has settled",
        ),
        (an_event("Gone", "a", "NotWanted", "Signaled"), "a: gone (NotWanted): Signaled"),
        (
            an_event("Gone", "a", "Crashed", "exited with code 1", DIED),
            "a: gone (Crashed): exited with code 1; it last wrote: out of file descriptors",
        ),
        (
            an_event("Gone", "a", "Crashed", "exited with code 125", died("docker: Conflict.", HELP)),
            "a: gone (Crashed): exited with code 125; it last wrote: docker: Conflict.",
        ),
        (
            an_event("Gone", "a", "Crashed", "exited with code 125", died("docker: no.", "", MORE, " ")),
            "a: gone (Crashed): exited with code 125; it last wrote: docker: no.",
        ),
        (
            an_event("Gone", "a", "Crashed", "exited with code 1", died("", "")),
            "a: gone (Crashed): exited with code 1",
        ),
        (an_event("Gone", "a", "NotWanted", "Signaled", DIED), "a: gone (NotWanted): Signaled"),
        (an_event("Gone", "a", "Crashed", "", {"exit": None}), "a: gone (Crashed)"),
        (an_event("Asked", "a", "Stop", "stop by hand"), "a: asked: stop by hand"),
        (an_event("Adopted", "a", "FoundAlive", "pid 7 goes on"), "a: adopted: pid 7 goes on"),
        (an_event("Stuck", "a", "TerminationStuck", "pid 7, state D"), "a: stuck: pid 7, state D"),
        (
            an_event("Stray", None, "Unknown", "run x-1 is ours and nothing is known of it: it is ended"),
            "run x-1 is ours and nothing is known of it: it is ended",
        ),
        (an_event("Switch", None, "RolledBack", "b: exited. Back to a"), "b: exited. Back to a"),
        (
            an_event("Shutdown", None, "Asked", "zoosup ends; every model is stopped"),
            "zoosup ends; every model is stopped",
        ),
    ],
)
def test_an_event_reads_as_a_sentence(event, expected):
    assert expected == sentence(event)


@pytest.mark.parametrize(
    ("type_", "reason", "level"),
    [
        ("Refused", "InvalidFile", logging.ERROR),
        ("Stuck", "TerminationStuck", logging.ERROR),
        ("Gone", "Crashed", logging.WARNING),
        ("Gone", "StartupDeadline", logging.WARNING),
        ("Gone", "LivenessFailed", logging.WARNING),
        ("Gone", "NotWanted", logging.INFO),
        ("Phase", "ready", logging.INFO),
        ("Journal", "NotKept", logging.ERROR),
        ("Journal", "Recovered", logging.INFO),
    ],
)
def test_what_went_wrong_is_logged_at_a_level_that_says_so(type_, reason, level, caplog):
    caplog.set_level(logging.INFO, "zoosup")
    log_event(an_event(type_, "a", reason, "why", {"from": "starting", "to": "ready"}))
    assert [level] == [record.levelno for record in caplog.records]


def a_record(message: str, **extra) -> logging.LogRecord:
    record = logging.LogRecord("zoosup.web", logging.WARNING, "x.py", 1, message, (), None)
    record.created = 1_700_000_000.1234
    record.__dict__.update(extra)
    return record


def test_json_lines_are_one_object_each_with_the_event_in_it():
    event = an_event("Asked", "a", "Stop", "stop\nby hand").as_dict()
    line = JsonLines().format(a_record("two\nlines", event=event))
    assert "\n" not in line
    assert {
        "time": 1_700_000_000.123,
        "level": "warning",
        "logger": "zoosup.web",
        "message": "two\nlines",
        "event": event,
    } == json.loads(line)


def test_json_lines_keep_a_traceback_in_the_line():
    record = a_record("internal error")
    try:
        int("boom")
    except ValueError as error:
        record.exc_info = (ValueError, error, error.__traceback__)
    line = JsonLines().format(record)
    assert "\n" not in line
    assert "ValueError: invalid literal" in json.loads(line)["exception"]


def test_json_lines_take_data_that_json_does_not_know():
    assert (
        "PosixPath"
        in json.loads(JsonLines().format(a_record("x", event={"path": "PosixPath"})))["event"]["path"]
    )
    assert "{1}" == json.loads(JsonLines().format(a_record("x", event={1})))["event"]


def test_text_lines_have_the_time_the_level_and_the_message():
    line = TextLines().format(a_record("the disk is full"))
    date, _, rest = line.partition(" ")
    assert "2023-11-1" == date[:9]
    assert rest.endswith("WARNING the disk is full")


def test_a_line_of_the_access_log_is_an_object_by_itself_for_whoever_reads_text():
    record = a_record("GET /x 200", access={"path": "/x"})
    assert {"time": round(record.created, 3), "path": "/x"} == json.loads(TextLines().format(record))


def test_among_json_lines_it_stands_under_its_name():
    line = json.loads(JsonLines().format(a_record("GET /x 200", access={"path": "/x"})))
    assert ("GET /x 200", {"path": "/x"}) == (line["message"], line["access"])
