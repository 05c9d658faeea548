"""What each host of a model over several runs."""

import pytest

from zoosup.runtime.persistence.kept_spec import read_spec
from zoosup.spec.changes import outdated
from zoosup.spec.parse import parse
from zoosup.spec.span_forms import PLACEHOLDER, hosts_of, is_part, on_host
from zoosup.spec.syntax.templates import render

ADDRESSES = ("10.0.0.1", "10.0.0.2", "10.0.0.3")


def model(more, serves="command: 'serve ${HOSTS} ${PORT} $${HOSTS} ${LEADER}$'"):
    text = f"active: []\nfleet: {{head: '127.0.0.2:6379'}}\nmodels:\n  m: {{{serves}, memory: {{ram: 1GiB}}, {more}}}\n"
    return parse(text, path="z", environ={}).models["m"]


def words(spec):
    return [render(word, {"PORT": "7"}) for word in spec.command]


def test_its_command_runs_on_the_first_with_the_addresses_of_the_others():
    found = on_host(model("spans: 3, env: {A: '${RANK} ${ADDRESS}'}"), ADDRESSES, 0)
    assert ["serve", "10.0.0.2,10.0.0.3", "7", "${HOSTS}", "10.0.0.1$"] == words(found)
    assert {"A": "0 10.0.0.1", "ZOOSUP_HOSTS": "10.0.0.1,10.0.0.2,10.0.0.3"} == found.env
    assert (False, ADDRESSES) == (is_part(found), hosts_of(found))


@pytest.mark.parametrize("rank", [1, 2])
def test_the_others_run_the_worker_with_their_number(rank):
    worker = "worker: {command: 'work ${LEADER} ${ADDRESS} ${RANK} ${PORT}', ready: 'check ${ADDRESS}'}"
    more = f"spans: 3, port: 8000, ready: {{http: /ok, deadline: 3m}}, stop: {{grace: 3s, command: halt}}, {worker}"
    found = on_host(model(more), ADDRESSES, rank)
    assert ["work", "10.0.0.1", ADDRESSES[rank], str(rank), "7"] == words(found)
    assert (("check", ADDRESSES[rank]), None, 180.0) == (
        found.ready.exec,
        found.ready.http,
        found.ready.deadline,
    )
    assert ("auto", 3.0, None) == (found.port, found.stop.grace, found.stop.command)
    assert (True, ADDRESSES) == (is_part(found), hosts_of(found))


def test_without_a_worker_something_stands_there_that_holds_nothing():
    found = on_host(model("spans: 3"), ADDRESSES, 1)
    assert (PLACEHOLDER, ("true",)) == (found.command, found.ready.exec)


def test_of_a_short_form_the_others_have_nothing():
    wide = model("spans: 2", "llama: {weights: /w.gguf, args: '--rpc ${HOSTS}:50052'}")
    first, other = (on_host(wide, ADDRESSES[:2], rank) for rank in (0, 1))
    assert ["--rpc", "10.0.0.2:50052"] == words(first)[-2:]
    assert ("llama-server", None) == (first.command[0], other.short_form)


def test_of_a_container_the_first_has_the_words_filled_in():
    wide = model("spans: 2", "container: {image: i, args: [serve, '${HOSTS}']}")
    assert ("serve", "10.0.0.2") == on_host(wide, ADDRESSES[:2], 0).container.args
    assert None is on_host(wide, ADDRESSES[:2], 1).container


@pytest.mark.parametrize("rank", [0, 1])
def test_with_another_host_beside_it_each_of_them_has_to_be_replaced(rank):
    wide = model("spans: 2", "command: serve")
    before, after = (
        on_host(wide, ("10.0.0.1", "10.0.0.2", "10.0.0.3")[:2], rank),
        on_host(wide, ("10.0.0.1", "10.0.0.3"), rank),
    )
    assert outdated(before, after)
    assert not outdated(before, on_host(wide, ADDRESSES[:2], rank))


@pytest.mark.parametrize("rank", [0, 1])
def test_a_record_of_its_run_is_read_again(rank):
    found = on_host(model("spans: 2, worker: {command: work}"), ADDRESSES[:2], rank)
    assert found == read_spec(found.model_dump(mode="json", exclude_defaults=True))


def test_one_that_has_no_hosts_yet_can_be_looked_at():
    assert ["serve", "${HOSTS}", "7", "${HOSTS}", "${LEADER}$"] == words(model("spans: 2"))
