"""What a valid file says that can't work, or probably won't."""

import pytest

from zoosup.spec.lint import lint
from zoosup.spec.parse import parse

NONE = "gateway: false\nstatus: {listen: null}\n"


def found(text):
    spec = parse(text, path="z", environ={"HOME": "/root"})
    return lint(text, spec, path="z")


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
    ("command", "rest", "says"),
    [
        ("serve --port 9001", "port: 9002", "--port 9001 is not the model's port, which is 9002"),
        ("serve --port=9001", "", "which is auto"),
        ("[serve, --port, '9001']", "", "which is auto"),
        ("serve --port 9001", "port: 9001", None),
        ("serve --port ${PORT}", "", None),
        ("docker run x --port 9001", "", None),
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
