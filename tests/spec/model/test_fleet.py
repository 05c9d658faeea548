"""What the file says of several hosts: which is refused, in which words, and what is understood."""

import pytest

from zoosup.spec.model.fleet import FleetSpec
from zoosup.spec.model.model import ModelSpec
from zoosup.spec.parse import parse
from zoosup.spec.syntax.problems import SpecError

HEAD = "active: []\nmodels: {}\n"
MODEL = "active: []\nvars: {g: gpu-7}\nmodels: {a: {command: x, %s}}\n"


def read(text, environ=None):
    return parse(text, path="z", environ=environ or {})


def fleet(text, environ=None):
    return read(f"{HEAD}fleet: {{{text}}}\n", environ).fleet


def refusal(text):
    with pytest.raises(SpecError) as caught:
        read(text)
    return str(caught.value)


def test_a_file_without_it_is_that_of_one_host():
    assert read(HEAD).fleet is None


def test_the_defaults():
    found = fleet("head: '127.0.0.2:6379'")
    assert (None, None, {}, None, 10.0, "auto") == (
        found.node, found.address, found.labels, found.token_file, found.lost_after, found.head_store,
    )  # fmt: skip
    assert (6380, 6381, (6400, 6449)) == (found.ports.node, found.ports.objects, found.ports.workers)


def test_hosts_that_share_a_file_differ_by_their_environment():
    text = "head: '127.0.0.2:6379', node: '${env.NODE}', labels: {gpu: '${env.GPU}'}"
    found = fleet(text, {"NODE": "gpu-1", "GPU": "a100"})
    assert ("gpu-1", {"gpu": "a100"}) == (found.node, found.labels)


def test_so_do_those_on_one_machine_whose_ports_must_be_apart():
    text = "head: '127.0.0.2:6379', ports: {node: '${env.NODE}', objects: '7', workers: '${env.WORKERS}'}"
    ports = fleet(text, {"NODE": "6382", "WORKERS": "6200-6249"}).ports
    assert (6382, 7, (6200, 6249)) == (ports.node, ports.objects, ports.workers)
    with pytest.raises(SpecError, match=r"ports.node: got .*, expected a port of 1 to 65535"):
        fleet(text, {"NODE": "a", "WORKERS": "1-2"})


@pytest.mark.parametrize(
    ("text", "guarded"),
    [
        ("head: '127.0.0.2:6379'", True),
        ("head: '[::1]:6379'", True),
        ("head: '127.0.0.2:6379', address: 127.0.0.3", True),
        ("head: '10.0.0.5:6379', token_file: /t", True),
        ("head: '10.0.0.5:6379'", False),
        ("head: '127.0.0.2:6379', address: 10.0.0.7", False),
        ("head: '127.0.0.2:6379', address: 'fe80::1'", False),
    ],
)
def test_whoever_joins_from_another_host_shows_a_token(text, guarded):
    if guarded:
        assert fleet(text)
    else:
        what = "other hosts reach this fleet, and nothing is asked of who joins it, expected token_file"
        assert what in refusal(f"{HEAD}fleet: {{{text}}}\n")


@pytest.mark.parametrize(
    ("ports", "says"),
    [
        ("node: 6379", "the head's port 6379 is one of them"),
        ("workers: 6370-6379", "the head's port 6379 is one of them"),
        ("node: 6381", "node and objects are the same port"),
        ("objects: 6400", "objects is 6400, which is one of workers"),
        ("workers: 6449-6400", "expected the first and the last of some ports, such as 6400-6449"),
        ("workers: 1-99999", "expected the first and the last"),
        ("node: 0", "expected a port of 1 to 65535"),
    ],
)
def test_ports_are_apart(ports, says):
    assert says in refusal(f"{HEAD}fleet: {{head: '127.0.0.2:6379', ports: {{{ports}}}}}\n")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("lables: {}", "unknown key; did you mean labels?"),
        ("labels: {gpu: 1}", "expected a string; put quotes around it"),
        ("labels: [gpu]", "expected a mapping of names and values"),
        ("labels: {gpu: a b}", "expected names and values of letters"),
        ("node: a/b", "expected the name of this host"),
        ("address: 'a b'", "expected an address of this host"),
        ("lost_after: 0s", "above 0s"),
        ("head_store: redis", "expected auto, memory, rocksdb, or redis://HOST:PORT"),
        ("head_store: redis://u:p@h:1", "expected auto, memory"),
    ],
)
def test_what_is_wrong_is_said_with_what_was_expected(text, says):
    assert says in refusal(f"{HEAD}fleet: {{head: '127.0.0.2:6379', {text}}}\n")


def test_a_head_is_an_address_with_a_port():
    for head in ("10.0.0.5", "10.0.0.5:0", "10.0.0.5:65536", ":1"):
        assert "expected HOST:PORT such as 10.0.0.5:6379" in refusal(f"{HEAD}fleet: {{head: '{head}'}}\n")
    assert "fleet.head: is missing" in refusal(f"{HEAD}fleet: {{}}\n")


@pytest.mark.parametrize(
    ("text", "hosts"),
    [
        ("hosts: gpu-1", ("gpu-1",)),
        ("hosts: [gpu-1, gpu-2]", ("gpu-1", "gpu-2")),
        ("hosts: [1, no, 0777]", ("1", "no", "0777")),
        ("hosts: ['${g}']", ("gpu-7",)),
        ("hosts: {gpu: a100}", {"gpu": "a100"}),
        ("hosts: {gpu: '${g}'}", {"gpu": "gpu-7"}),
        ("hosts: []", ()),
        ("port: auto", ()),
    ],
)
def test_hosts_are_names_or_labels(text, hosts):
    assert hosts == read(MODEL % text).models["a"].hosts


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("hosts: [a, a]", "holds the same item twice"),
        ("hosts: [a b]", "expected names of hosts such as [gpu-1, gpu-2], or labels"),
        ("hosts: null", "expected names of hosts"),
        ("hosts: {a: null}", "expected a string"),
        ("replicas: 0", "expected a whole number of 1 or more, or all"),
        ("replicas: true", "expected a whole number of 1 or more, or all"),
        ("hosts: [a, b], replicas: 3", "hosts names 2, and 3 are needed"),
        ("replica: 2", "unknown key; did you mean replicas?"),
    ],
)
def test_what_is_wrong_with_the_hosts_of_a_model(text, says):
    assert says in refusal(MODEL % text)


def test_defaults_may_say_where_all_models_run_and_mean_no_server_elsewhere():
    text = "active: []\ndefaults: {hosts: {gpu: a100}}\nmodels: {a: {command: x}, b: {external: {url: 'http://b'}}}\n"
    assert {"gpu": "a100"} == read(text).models["a"].hosts


def test_it_is_written_as_a_person_would_and_can_be_read_again():
    found = fleet("head: '10.0.0.5:6379', token_file: /t, lost_after: 1m, labels: {gpu: a100}")
    text = found.model_dump_json()
    assert '"6400-6449"' in text
    assert '"1m"' in text
    assert found == FleetSpec.model_validate_json(text)


@pytest.mark.parametrize("hosts", ["gpu-1", "[a, b]", "{gpu: a100}", "[]"])
def test_so_is_what_a_model_says_of_hosts(hosts):
    model = read(MODEL % f"hosts: {hosts}, replicas: 1").models["a"]
    assert model == ModelSpec.model_validate_json(model.model_dump_json())
