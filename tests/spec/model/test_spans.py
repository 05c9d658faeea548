"""What zoo.yaml may say of a model over several hosts."""

import pytest

from zoosup.spec.model.model import ModelSpec
from zoosup.spec.model.spans import PART
from zoosup.spec.parse import parse
from zoosup.spec.syntax.problems import SpecError

FLEET = "fleet: {head: '127.0.0.2:6379'}\n"
MODEL = "active: [a]\n%smodels:\n  a: {command: serve%s}\n"


def read(more, fleet=FLEET):
    return parse(MODEL % (fleet, more), path="z", environ={}).models["a"]


def refusal(more, fleet=FLEET):
    with pytest.raises(SpecError) as caught:
        read(more, fleet)
    return str(caught.value)


def test_it_says_how_many_hosts_it_takes_and_what_runs_on_the_others():
    found = read(", spans: 2, memory: {ram: 1GiB}, worker: {command: rpc --host 0, ready: nc -z h 1}")
    assert (2, ("rpc", "--host", "0"), ("nc", "-z", "h", "1")) == (
        found.spans, found.worker.command, found.worker.ready,
    )  # fmt: skip
    assert (1, None) == (read("").spans, read("").worker)


@pytest.mark.parametrize(
    ("more", "says"),
    [
        (", spans: 0", "z:4:30: models.a.spans: got 0, expected a whole number of hosts, 1 or more"),
        (", spans: true", "expected a whole number of hosts"),
        (", spans: all", "expected a whole number of hosts"),
        (", spans: 2", "models.a.spans: what each of its hosts holds can't be reckoned"),
        (", spans: 2, memory: auto", "memory: {ram: SIZE, vram: SIZE}, as it is on each of them"),
        (
            ", spans: 2, memory: {ram: 1GiB}, replicas: 2",
            "there is one copy of it, and replicas asks for others",
        ),
        (", spans: 2, memory: {ram: 1GiB}, replicas: all", "there is one copy of it"),
        (", spans: 3, memory: {ram: 1GiB}, hosts: [b, c]", "hosts names 2, and 3 are needed"),
        (", spans: 2, memory: {ram: 1GiB}, on_demand: true", "no request can start it on several hosts"),
        (", worker: {command: rpc}", "models.a.worker: there are no other hosts without spans"),
        (", spans: 2, memory: {ram: 1GiB}, worker: {}", "models.a.worker.command: is missing"),
        (
            ", spans: 2, memory: {ram: 1GiB}, worker: {command: x, port: 1}",
            "models.a.worker.port: unknown key",
        ),
    ],
)
def test_what_can_not_be_is_refused(more, says):
    assert says in refusal(more)


def test_without_a_fleet_there_is_one_host():
    said = refusal(", spans: 2, memory: {ram: 1GiB}", fleet="")
    assert "z:3:3: models.a.spans: takes 2 hosts, and without fleet there is one" in said
    assert 1 == read(", spans: 1", fleet="").spans


def test_a_fleet_with_a_mistake_is_one_all_the_same():
    assert "and without fleet" not in refusal(", spans: 2, memory: {ram: 1GiB}", "fleet: {head: 5}\n")


@pytest.mark.parametrize("name", ["HOSTS", "LEADER", "ADDRESS", "RANK"])
def test_its_names_are_known_only_of_it(name):
    word = f", env: {{A: '${{{name}}}'}}"
    assert f"${{{name}}}" == read(f"{word}, spans: 2, memory: {{ram: 1GiB}}").env["A"]
    assert f"${{{name}}} is known only inside a model with spans" in refusal(word)


def test_who_has_a_variable_of_that_name_keeps_it():
    text = "active: []\nvars: {HOSTS: mine}\nmodels: {a: {command: 'x ${HOSTS}'}}\n"
    assert ("x", "mine") == parse(text, path="z", environ={}).models["a"].command


def test_a_part_of_one_stands_in_records_and_in_no_file():
    part = read("").model_copy(update={"spans": PART})
    assert part == ModelSpec.model_validate(part.model_dump(mode="json", exclude_defaults=True))
