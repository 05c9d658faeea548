import pytest
import yaml

from zoosup.spec.syntax import document
from zoosup.spec.syntax.document import compose, names, plain
from zoosup.spec.syntax.problems import Problems, SpecError

SCALARS = {
    "null": None,
    "~": None,
    "": None,
    "true": True,
    "False": False,
    "yes": "yes",
    "no": "no",
    "on": "on",
    "off": "off",
    "y": "y",
    "12": 12,
    "-3": -3,
    "1e3": 1000.0,
    "0777": 777.0,
    "0o17": 15.0,
    "0x1F": 31.0,
    "1.5": 1.5,
    ".5": 0.5,
    "1_000": "1_000",
    "12:30:00": "12:30:00",
    "2024-01-01": "2024-01-01",
    '"12"': "12",
    "'true'": "true",
    "! 12": "12",
    "!!str 12": "12",
    "9" * 30: float("9" * 30),
}


def read(text):
    problems = Problems("z")
    node = compose(text, problems)
    problems.check()
    return node


def refused(text):
    with pytest.raises(SpecError) as caught:
        read(text)
    return str(caught.value)


@pytest.fixture(params=["libyaml", "pure Python"])
def loader(request, monkeypatch):
    kind = (
        yaml.SafeLoader if request.param == "pure Python" else getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    )
    monkeypatch.setattr(document, "_LOADER", kind)


@pytest.mark.usefixtures("loader")
@pytest.mark.parametrize(("text", "value"), SCALARS.items())
def test_a_scalar_means_what_yaml_1_2_says(text, value):
    actual = plain(read(f"a: {text}\n"))["a"]
    assert (type(value), value) == (type(actual), actual)


def test_infinity_and_not_a_number_are_floats():
    expected = ["inf", "-inf", "nan"]
    assert expected == [str(value) for value in plain(read("[.inf, -.INF, .nan]"))]


@pytest.mark.usefixtures("loader")
def test_a_key_is_its_literal_text():
    keys = ["no", "on", "off", "1e3", "0777", "12:30:00", "2024-01-01", "null", "true", "~"]
    assert keys == list(plain(read("".join(f"{key}: 1\n" for key in keys))))


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("no", "no"),
        ("1e3", "1e3"),
        ("true", "true"),
        ("[no, 0777, ~]", ["no", "0777", None]),
        ("null", None),
        ("[]", []),
    ],
)
def test_a_name_is_its_literal_text_and_null_is_none(text, value):
    assert value == names(read(text))


@pytest.mark.usefixtures("loader")
def test_merge_keys_and_aliases_work_and_own_keys_win():
    text = "x: &x {a: 1, b: 2}\ny: &y {b: 3, c: 4}\nm:\n  <<: [*x, *y]\n  a: 0\nn: *x\n"
    expected = {
        "x": {"a": 1, "b": 2},
        "y": {"b": 3, "c": 4},
        "m": {"a": 0, "b": 2, "c": 4},
        "n": {"a": 1, "b": 2},
    }
    assert expected == plain(read(text))


def test_a_quoted_merge_key_is_a_key():
    expected = {"<<": 1}
    assert expected == plain(read('"<<": 1'))


@pytest.mark.usefixtures("loader")
@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\nb: 2\na: 3\n", "z:3:1: a: the key stands in line 1 already"),
        ("m:\n  a: 1\n  'a': 3\n", "z:3:3: m.a: the key stands in line 2 already"),
        (
            "a: !!python/object:os.system x\n",
            "z:1:4: a: has a tag tag:yaml.org,2002:python/object:os.system, expected no tag",
        ),
        ("a: !foo {}\n", "z:1:4: a: has a tag, expected no tag; a text that begins with ! needs quotes"),
        ("a: !!int 3\n", "z:1:4: a: has a tag tag:yaml.org,2002:int"),
        ("? [a]\n: b\n", "z:1:3: a key is a list or a mapping"),
        ("a: *x\n", "z:1:4: a: an alias (*…) has no anchor above it"),
        ("a: &a [*a]\n", "z:1:8: a.0: the alias *a contains itself"),
        ("a: 1\n<<: 5\n", "z:2:5: <<: merges what is no mapping"),
        ("a:\n\t- b\n", "z:2:1: not YAML: "),
        ("a: 1\n---\nb: 1\n", "z:2:1: a second document begins, expected one document"),
        ("a: \0\n", "z:1:4: the character U+0000"),
        ("a:\n  b: \udcff\n", "z:2:6: the character U+DCFF"),
        ("a: x\n" * 220_000, "z:1:1: the file is larger than 1 MiB"),
        ("[" * 1000, "z:1:66: nested more than 64 deep"),
        ("[" + "a," * 100_001 + "]", "more than 100000 values"),
    ],
    ids=range(16),
)
def test_what_is_no_safe_document_is_refused_with_its_place(text, message):
    assert message in refused(text)


def test_a_byte_order_mark_is_skipped():
    assert plain(read("a: 1")) == plain(read("\ufeffa: 1"))


def test_an_alias_bomb_is_refused_before_it_is_expanded():
    bomb = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
        f"{chr(98 + n)}: &{chr(98 + n)} [{', '.join([f'*{chr(97 + n)}'] * 9)}]\n" for n in range(9)
    )
    assert "more than 100000 values once aliases are expanded" in refused(bomb)


def test_aliases_cannot_nest_deeper_than_brackets_can():
    tower = "".join(f"a{n}: &a{n} {'[' * 60}{f'*a{n - 1}' if n else 'x'}{']' * 60}\n" for n in range(40))
    assert "nested more than 64 deep once aliases are expanded" in refused(tower)


def test_a_template_in_brackets_without_quotes_gets_a_hint():
    message = refused("a: {b: docker stop zoo-${MODEL_ID}}\n")
    assert message.startswith("z:1:25: not YAML: ")
    assert message.endswith("expected quotes around text with ${…} inside { } or [ ]")


def test_duplicates_do_not_hide_each_other():
    message = refused("a: 1\na: 2\nb: 1\nb: 2\n")
    assert ["z:2:1", "z:4:1"] == [line[:5] for line in message.splitlines()]
