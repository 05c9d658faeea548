"""A zoo.yaml of several files: merged strictly, and every mistake in the file in which it stands."""

import pytest
from hypothesis import given, strategies as st

from zoosup.spec.fragments import Fragment, file_of, join, patterns, split
from zoosup.spec.lint.lint import lint
from zoosup.spec.parse import parse
from zoosup.spec.syntax.problems import SpecError

MAIN = "active: [a]\ninclude: [models.d/*.yaml]\nmodels:\n  a: {command: serve}\n"


def read(*fragments, main=MAIN, path="/etc/zoo.yaml"):
    named = [Fragment(f"models.d/{n}.yaml", text) for n, text in enumerate(fragments)]
    return parse(join(main, named), path=path, environ={})


def refused(*fragments, main=MAIN, path="/etc/zoo.yaml"):
    with pytest.raises(SpecError) as caught:
        read(*fragments, main=main, path=path)
    return str(caught.value).splitlines()


def test_models_of_all_files_are_models():
    spec = read(
        "models:\n  b: {command: b}\n", "models: {c: {command: c}}", main=MAIN.replace("[a]", "[c, a]")
    )
    assert (["a", "b", "c"], ("c", "a")) == (list(spec.models), spec.active)


def test_vars_and_defaults_of_a_file_hold_for_it_alone():
    more = "vars: {w: /srv}\ndefaults: {on_demand: true}\nmodels: {b: {command: 'serve ${w}'}}\n"
    other = "vars: {w: /opt}\nmodels: {c: {command: 'serve ${w}'}}\n"
    spec = read(more, other, main=MAIN + "defaults: {max_inflight: 3}\n")
    assert (("serve", "/srv"), ("serve", "/opt")) == (spec.models["b"].command, spec.models["c"].command)
    assert [(False, 3), (True, 0), (False, 0)] == [
        (each.on_demand, each.max_inflight) for each in spec.models.values()
    ]
    assert "vars" not in spec.model_dump(exclude_defaults=True)


@pytest.mark.parametrize("text", ["", "# nothing\n", "models: {}\n", "vars: {a: b}\n", "x-notes: [1]\n"])
def test_a_file_without_models_adds_none(text):
    assert ["a"] == list(read(text).models)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("models:\n  b: {comand: x}\n", "/etc/models.d/0.yaml:2:3: models.b.command: is missing"),
        ("models:\n  b: {comand: x}\n", ":2:7: models.b.comand: unknown key; did you mean command?"),
        ("models: [", "/etc/models.d/0.yaml:2:1: not YAML"),
        ("active: [b]\n", "/etc/models.d/0.yaml:1:1: active: can't stand in a file that is included, expected one of"),
        ("include: [x]\n", "/etc/models.d/0.yaml:1:1: include: can't stand in a file that is included"),
        ("[b]\n", "/etc/models.d/0.yaml:1:1: got a list, expected a mapping with models, vars, defaults"),
        ("models:\n  a: {command: x}\n", "0.yaml:2:3: models.a: the model stands in /etc/zoo.yaml:4 already"),
        ("models:\n  A: {command: x}\n", "0.yaml:2:3: models.A: differs from a in /etc/zoo.yaml:4 in upper"),
        (
            "models:\n  b: {command: x, aliases: [a]}\n",
            "models.b.aliases.0: a is the name of a model in /etc/zoo.yaml:4 already, expected each name once",
        ),
        ("defaults: {port: x}\n", "/etc/models.d/0.yaml:1:18: defaults.port: got x, expected 1 to 65535 or auto"),
        ("models: {b: {command: '${w}'}}\n", "/etc/models.d/0.yaml:1:23: models.b.command: ${w} is not in vars"),
    ],
)  # fmt: skip
def test_a_mistake_names_the_file_in_which_it_stands(text, said):
    assert any(said in each for each in refused(text)), refused(text)


def test_a_name_of_two_included_files_names_both_places():
    found = refused("models:\n  b: {command: x}\n", "models:\n  b: {command: x}\n")
    expected = "/etc/models.d/1.yaml:2:3: models.b: the model stands in /etc/models.d/0.yaml:2 already"
    assert [f"{expected}, expected each name once"] == found


def test_an_alias_of_two_files_names_both_places():
    more = "models:\n  {}: {{command: x, aliases: [both]}}\n"
    (said,) = refused(more.format("b"), more.format("c"))
    assert "models.c.aliases.0: both is an alias of b in /etc/models.d/0.yaml:2 already" in said


def test_all_mistakes_are_told_file_by_file():
    found = refused("\n\nmodels: {b: {}}\n", "models: {c: {}}\n", main=MAIN + "bugdet: {}\n")
    assert ["/etc/zoo.yaml", "/etc/models.d/0.yaml", "/etc/models.d/1.yaml"] == [
        each.split(":")[0] for each in found
    ]


def test_what_probably_will_not_work_names_its_file():
    more = "models:\n  b: {command: serve ~/x, port: 8080}\n"
    text = join(MAIN, [Fragment("more.yaml", more)])
    found = lint(text, parse(text, path="z", environ={}), path="z")
    assert ["more.yaml"] == [each.file for each in found.warnings]
    assert ["more.yaml"] == [each.file for each in found.errors]


@pytest.mark.parametrize(
    ("path", "name", "file"),
    [
        ("/etc/zoo.yaml", "m/a.yaml", "/etc/m/a.yaml"),
        ("zoo.yaml", "m/a.yaml", "m/a.yaml"),
        ("x/z", "/m", "/m"),
    ],
)
def test_a_fragment_is_called_by_its_path_beside_the_main_file(path, name, file):
    assert file == file_of(path, name)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (MAIN, ("models.d/*.yaml",)),
        ("include: [a, 'b c', 3]", ("a", "b c", "3")),
        ("include: a", ()),
        ("include:", ()),
        ("include: [[a], '']", ()),
        ("# include: [a]", ()),
        ("include: [", ()),
        ("", ()),
    ],
)
def test_what_a_text_includes(text, found):
    assert found == patterns(text)


PRINTABLE = st.text(st.characters(codec="utf-8", exclude_characters="\x1e"))


@given(PRINTABLE, st.lists(st.builds(Fragment, PRINTABLE.filter(lambda name: "\n" not in name), PRINTABLE)))
def test_what_is_joined_is_split_again(text, fragments):
    assert (text, tuple(fragments)) == split(join(text, fragments))
