"""What a valid file says that can't work, or probably won't."""

import pytest

from zoosup.core.sessions.words import unfit
from zoosup.spec.fragments import Fragment, join
from zoosup.spec.lint.lint import lint
from zoosup.spec.parse import parse

NONE = "gateway: false\nstatus: {listen: null}\n"


def found(text):
    spec = parse(text, path="z", environ={"HOME": "/root"})
    return lint(text, spec, path="z", unfit=unfit)


def model(rest, command):
    head = f"active: [a]\nvars: {{flags: -x -y, one: z}}\n{NONE}models:\n  a:\n"
    return found(f"{head}    command: {command}\n{rest and f'    {rest}'}\n")


SHARED = "models: {{a: {{command: x, port: 9000{a}}}, b: {{command: x, port: 9000{b}}}}}\n"


@pytest.mark.parametrize(
    ("active", "a", "b", "count"),
    [
        ("active: [a, b]", "", "", 1),
        ("active: [a]", "", "", 0),
        ("active: [a, b]", ", on_demand: true", ", on_demand: true", 0),
        ("active: [a, b]", ", on_demand: true", "", 1),
    ],
)
def test_two_active_models_on_one_port_can_never_work(active, a, b, count):
    errors = [str(each) for each in found(f"{active}\n{NONE}{SHARED.format(a=a, b=b)}").errors]
    assert count == len(errors)
    assert all("models.b.port: 9000 is the port of a too" in each for each in errors)


@pytest.mark.parametrize(
    ("top", "port", "says"),
    [
        ("", 8080, "8080 is the port of the gateway"),
        ("", 8081, "8081 is the port of the status server"),
        ("gateway: {listen: '0.0.0.0:9000', open: true}", 9000, "the gateway"),
        ("gateway: false", 8080, None),
        ("gateway: {listen: '127.0.0.2:9000'}", 9000, None),
        ("gateway: {listen: '127.0.0.1:8081'}", 1, "127.0.0.1:8081 is the gateway's address too"),
    ],
)
def test_a_port_of_zoosups_own_can_never_be_had(top, port, says):
    text = f"active: []\n{top}\nmodels: {{a: {{command: x, port: {port}}}}}\n"
    errors = " ".join(map(str, found(text).errors))
    assert says in errors if says else not errors


@pytest.mark.parametrize(
    ("top", "place"),
    [
        ("gateway: {listen: '127.0.0.1:9000'}\nstatus:\n  listen: 127.0.0.1:9000", "z:4:11"),
        ("gateway:\n  listen: 127.0.0.1:8081", "z:3:11"),
        ("status:\n  listen: 127.0.0.1:8080", "z:3:11"),
    ],
)
def test_two_of_zoosups_own_addresses_on_one_port_are_told_where_the_file_has_one(top, place):
    [error] = found(f"active: []\n{top}\nmodels: {{}}\n").errors
    assert str(error).startswith(f"{place}: status.listen: ")


@pytest.mark.parametrize(
    ("command", "rest", "says"),
    [
        ("serve --port 9001", "port: 9002", "--port 9001 is not the model's port, which is 9002"),
        ("serve --port=9001", "", "which is auto"),
        ("serve --port " + "9" * 5000, "", "which is auto"),
        ("[serve, --port, '9001']", "", "which is auto"),
        ("serve --port 9001", "port: 9001", None),
        ("serve --port ${PORT}", "", None),
        ("docker run -p 127.0.0.1:${PORT}:9001 x --port 9001", "", None),
        ("serve -m ~/x.gguf", "", "~/ stays as it is"),
        ("serve --model=~/x.gguf", "", "~/ stays as it is"),
        ("serve a~b", "", None),
        ("serve -m $HOME/x", "", "$HOME stays as it is, for no shell reads it, expected ${env.HOME}"),
        ("serve ${env.HOME}", "", None),
        ("[sh, -c, 'echo $HOME']", "", None),
        ("serve ${flags}", "", None),
        ("serve --x=${flags}", "", "${flags} has blanks and stays one word here"),
        ("[serve, '${flags}']", "", "${flags} has blanks"),
        ("""'serve "${flags}"'""", "", None),
        ("serve --x=${one}", "", None),
    ],
)
def test_what_probably_does_not_work_is_told(command, rest, says):
    told = model(rest, command)
    assert [] == told.errors
    warnings = " ".join(map(str, told.warnings))
    assert says in warnings if says else not warnings


def test_an_inherited_port_is_told_where_it_stands():
    text = (
        f"active: [a, b]\n{NONE}defaults: {{port: 9000}}\nmodels: {{a: {{command: x}}, b: {{command: x}}}}\n"
    )
    assert "z:4:18: models.b.port: " in str(found(text).errors[0])


def test_a_short_form_s_paths_are_read_by_no_shell_either():
    text = f"active: []\n{NONE}models:\n  a:\n    llama:\n      weights: ~/m.gguf\n"
    expected = (
        "z:7:16: models.a.llama.weights: ~/ stays as it is, for no shell reads it, expected the whole path"
    )
    assert [f"{expected}, or ${{env.HOME}}"] == [str(each) for each in found(text).warnings]


@pytest.mark.parametrize(
    ("url", "key", "error", "warning"),
    [
        (
            "http://127.0.0.1:8080/v1",
            "",
            "z:3:23: models.a.external.url: http://127.0.0.1:8080/v1 is this gateway",
            "",
        ),
        ("http://localhost:8080", "", "is this gateway itself, expected a server elsewhere", ""),
        ("http://127.0.0.1:8082", ", api_key: k", "", ""),
        ("http://box2:8080", "", "", ""),
        (
            "http://box2:8080",
            ", api_key: k",
            "",
            "z:3:23: models.a.external.url: the key goes there unencrypted",
        ),
        ("https://box2:8080", ", api_key: k", "", ""),
        ("http://[::1]:8082", ", api_key: k", "", ""),
    ],
)
def test_a_server_elsewhere_is_not_this_one_and_its_key_is_kept_from_others(url, key, error, warning):
    told = found(f"active: []\nmodels:\n  a: {{external: {{url: '{url}'{key}}}}}\n")
    for problems, says in ((told.errors, error), (told.warnings, warning)):
        assert says in " ".join(map(str, problems)) if says else not problems


INSIDE = """\
active: []
models:
  a: {container: {image: x, %sargs: "%s"}}
"""


@pytest.mark.parametrize(
    ("port", "args", "warned"),
    [
        ("port: 80, ", "--host ${HOST} --port ${PORT}", True),
        ("port: 80, ", "--host=127.0.0.1 --port ${PORT}", True),
        ("port: 80, ", "--host 0.0.0.0 --port ${PORT}", False),
        ("port: 80, ", "--port ${PORT}", False),
        ("", "--host ${HOST} --port ${PORT}", False),
    ],
)
def test_a_server_inside_a_container_must_listen_where_its_port_is_published(port, args, warned):
    text = INSIDE % (port, args)
    found = lint(text, parse(text, path="z", environ={}), path="z")
    assert [] == found.errors
    assert [True] * warned == ["127.0.0.1 inside" in each.what for each in found.warnings]


FLEET = "active: [a]\nstatus: {listen: null}\n%s\nmodels: {a: {command: x%s}}\n"


@pytest.mark.parametrize(
    ("top", "of_model", "says"),
    [
        ("gateway: false", ", hosts: gpu-1", "z:4:33: models.a.hosts: has no effect without fleet"),
        ("gateway: false", ", replicas: all", "models.a.replicas: has no effect"),
        ("gateway: false", ", hosts: [], replicas: 1", None),
        (
            "fleet: {head: '127.0.0.1:6379', token_file: /t}",
            "",
            "z:3:15: fleet.head: Ray takes the address of the network",
        ),
        (
            "fleet: {head: '127.0.0.2:6379', address: localhost, token_file: /t}",
            "",
            "fleet.address: Ray takes the address",
        ),
        ("fleet: {head: '127.0.0.2:6379'}", "", None),
        ("fleet: {head: '127.0.0.2:6379', token_file: /t}", ", hosts: gpu-1", None),
        (
            "fleet: {head: '10.0.0.5:6379', token_file: /t}",
            "",
            "z:3:8: gateway.listen: 127.0.0.1:8080 can't be reached by",
        ),
        ("gateway: false\nfleet: {head: '10.0.0.5:6379', token_file: /t}", "", None),
    ],
)
def test_what_is_said_of_hosts_and_probably_has_no_effect(top, of_model, says):
    warnings = " ".join(map(str, found(FLEET % (top, of_model)).warnings))
    assert says in warnings if says else not warnings


@pytest.mark.parametrize(
    ("listen", "port", "says"),
    [
        ("127.0.0.2:6381", "1", "gateway.listen: 6381 is a port of the fleet"),
        ("127.0.0.2:1", "6379", "models.a.port: 6379 is a port of the fleet"),
        ("127.0.0.2:1", "6449", "models.a.port: 6449 is a port of the fleet"),
        ("127.0.0.2:1", "6450", None),
    ],
)
def test_a_port_of_the_fleet_can_never_be_had_by_another(listen, port, says):
    top = f"gateway: {{listen: '{listen}'}}\nfleet: {{head: '127.0.0.2:6379', token_file: /t}}"
    errors = " ".join(map(str, found(FLEET % (top, f", port: {port}")).errors))
    assert says in errors if says else not errors


def test_what_is_said_of_hosts_names_the_file_in_which_the_model_stands():
    text = join(
        "active: []\ngateway: false\nmodels: {}\n",
        [Fragment("b.yaml", "models: {b: {command: x, hosts: h}}")],
    )
    (said,) = found(text).warnings
    assert str(said).startswith("b.yaml:1:33: models.b.hosts: has no effect without fleet")


KEPT = "sessions: {keep: true}"


@pytest.mark.parametrize(
    ("top", "body", "warning"),
    [
        ("", f"{{command: llama-server -m x, {KEPT}}}", None),
        ("", "{command: vllm serve x, sessions: {keep: false}}", None),
        (
            "",
            f"{{command: vllm serve x, {KEPT}}}",
            "z:5:47: models.a.sessions.keep: its command is not a llama-server",
        ),
        (
            "",
            f"{{{KEPT}, command: llama-server -m x --no-slots}}",
            "z:5:24: models.a.sessions.keep: with --no-slots it does not tell of its slots, expected a llama-server",
        ),
        (f"defaults: {{{KEPT}}}\n", "{command: x}", "z:4:29: models.a.sessions.keep: its command is not"),
    ],
)
def test_sessions_of_a_server_that_can_not_keep_any_are_told_of(top, body, warning):
    told = found(f"active: [a]\n{NONE}{top}models:\n  a: {body}\n")
    assert [] == told.errors
    assert [warning] * bool(warning) == [str(each)[: len(warning)] for each in told.warnings]


@pytest.mark.parametrize(
    ("env", "fields", "warned"),
    [
        ("CUDA_VISIBLE_DEVICES: '1'", "gpus: [0]", True),
        ("CUDA_VISIBLE_DEVICES: '1'", "gpus: [1]", False),
        ("CUDA_VISIBLE_DEVICES: '1'", "gpus: auto", False),  # booked on those
        ("CUDA_VISIBLE_DEVICES: '0,1'", "memory: {ram: 1GiB, vram: {0: 1GiB}}", True),
        ("CUDA_VISIBLE_DEVICES: '0'", "gpus: none", True),
        ("CUDA_VISIBLE_DEVICES: '-1'", "gpus: none", False),
        ("CUDA_VISIBLE_DEVICES: ''", "gpus: [0]", True),
        ("CUDA_VISIBLE_DEVICES: GPU-a", "gpus: [GPU-b]", True),
        ("CUDA_VISIBLE_DEVICES: GPU-a", "gpus: [0]", False),  # which of the two it is, only the host knows
        ("HIP_VISIBLE_DEVICES: '0'", "gpus: [amd1]", True),
        ("HIP_VISIBLE_DEVICES: '1'", "gpus: [amd1]", False),
        ("{ROCR_VISIBLE_DEVICES: GPU-a, HIP_VISIBLE_DEVICES: '0'}", "gpus: [GPU-a]", False),
        ("ZE_AFFINITY_MASK: '1'", "gpus: [intel0]", True),
    ],
)
def test_a_variable_that_shows_other_gpus_than_it_is_booked_on_is_told(env, fields, warned):
    env = env if env.startswith("{") else f"{{{env}}}"
    told = [str(each) for each in model(f"env: {env}\n    {fields}", "x").warnings]
    assert [True] * warned == ["stands, and gpus names others" in each for each in told]
    assert all(each.startswith("z:8:") for each in told)
