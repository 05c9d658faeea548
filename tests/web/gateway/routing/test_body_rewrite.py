"""What may be changed of a body, and that nothing else is."""

import pytest

from tests.web.gateway.forms import TYPE, form
from zoosup.spec.model.requests import BodyChanges
from zoosup.web.gateway.errors import DeniedError
from zoosup.web.gateway.routing.body_rewrite import rewrite


def spec(**fields):
    return BodyChanges(**fields)


ODD = (
    b'\xef\xbb\xbf \n{ "model" : "a" ,\r\n "n":1.0,"big":123456789012345678901234567890,"e":1E+400, "z":-0.0,"nan":NaN,'
    b'"s":"\\u00e9\\ud83d \\" } ]","raw":"\xff","dup":1,"dup":2,'
    b'"o":{"model":"inner","t":[{},[]]},"l":[1, 2 ,{"t":"]"}] }\n'
)


def test_without_rules_the_very_same_bytes_are_sent():
    assert ODD is rewrite(ODD, spec())
    assert (broken := b"{") is rewrite(broken, spec())


def test_rules_that_change_nothing_give_the_very_same_bytes():
    assert ODD is rewrite(ODD, spec(strip_params=("absent", "t")))
    assert ODD is rewrite(ODD, spec(default_params={"n": 2, "o": {"model": "x"}}, set_params={"o": {}}))
    assert (unnamed := b'{"x":1}') is rewrite(unnamed, spec(upstream_model="up"))


@pytest.mark.parametrize(
    ("fields", "before", "after"),
    [
        ({"upstream_model": "up"}, b'"model" : "a"', b'"model" : "up"'),
        ({"upstream_model": 'ü"'}, b'"model" : "a"', '"model" : "ü\\""'.encode()),
        ({"set_params": {"n": 2}}, b'"n":1.0', b'"n":2'),
        ({"set_params": {"big": None}}, b"123456789012345678901234567890", b"null"),
        ({"set_params": {"o": {"a": [1.5, True]}}}, b'"t":[{},[]]}', b'"t":[{},[]],"a":[1.5,true]}'),
        ({"set_params": {"o": {"t": 1}}}, b'"t":[{},[]]}', b'"t":1}'),
        ({"set_params": {"o": 5}}, b'{"model":"inner","t":[{},[]]}', b"5"),
        ({"set_params": {"l": {"a": 1}}}, b'[1, 2 ,{"t":"]"}]', b'{"a":1}'),
        ({"default_params": {"n": 2, "o": {"t": 1, "u": 2}}}, b'"t":[{},[]]}', b'"t":[{},[]],"u":2}'),
        ({"default_params": {"o": 2, "new": 1}}, b"}] }\n", b'}],"new":1 }\n'),
        (
            {"default_params": {"o": {"t": 1, "u": 2}}, "set_params": {"o": {"t": 3}}},
            b'"t":[{},[]]}',
            b'"t":3,"u":2}',
        ),
        ({"strip_params": ("n",), "default_params": {"n": 2}}, b'"n":1.0', b'"n":2'),
        ({"set_params": {"new": "x", "t": 0}}, b"}] }\n", b'}],"new":"x","t":0 }\n'),
        ({"strip_params": ("n",)}, b' ,\r\n "n":1.0', b""),
        ({"strip_params": ("e", "z")}, b'"e":1E+400, "z":-0.0,', b""),
        ({"strip_params": ("s",)}, b'"s":"\\u00e9\\ud83d \\" } ]",', b""),
        ({"strip_params": ("l",)}, b',"l":[1, 2 ,{"t":"]"}]', b""),
        ({"strip_params": ("dup",)}, b'"dup":1,"dup":2,', b""),
        ({"strip_params": ("dup",), "set_params": {"dup": 3}}, b'"dup":1,"dup":2', b'"dup":3,"dup":3'),
    ],
)
def test_only_what_is_named_is_changed(fields, before, after):
    assert 1 == ODD.count(before)
    assert ODD.replace(before, after) == rewrite(ODD, spec(**fields))


@pytest.mark.parametrize(
    ("body", "after"),
    [
        (b"{}", b'{"t":1}'),
        (b"{ \n}", b'{ \n"t":1}'),
        (b'{"x":[]}', b'{"t":1}'),
        (b'{"x":[[1],2],"x":[10]}', b'{"t":1}'),
        (b'{"x":12,"x":1,"y":1 }', b'{"y":1,"t":1 }'),
        (b'{"x":"}", "t" :2}', b'{"t" :1}'),
        (b'{"\\u0078":1,"y":{"x":1}}', b'{"y":{"x":1},"t":1}'),
        (b'{"x":1,"y":"' + b'\\"' * 1000 + b'"}', b'{"y":"' + b'\\"' * 1000 + b'","t":1}'),
        (b'{"x":1 , "y\xff":2 , "x":{"a":[]}}', b'{"y\xff":2,"t":1}'),
    ],
)
def test_a_parameter_is_taken_out_and_another_put_in(body, after):
    assert after == rewrite(body, spec(strip_params=("x",), set_params={"t": 1}))


def test_a_doubled_model_has_one_name_for_every_reader():
    doubled = b'{"model":"a","mod\\u0065l":"b"}'
    assert b'{"model":"up","mod\\u0065l":"up"}' == rewrite(doubled, spec(upstream_model="up"))


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b'"x"',
        b"{",
        b'{"a"',
        b'{"a":',
        b'{"a":}',
        b'{"a":1',
        b'{"a":1 2}',
        b'{"a":1,}',
        b'{"a":"x}',
        b'{"a":[1}',
        b'{"a":["' + b'\\"' * 100_000 + b"]}",
        b'{"\\x":1}',
        '{"a":1}'.encode("utf-16"),
    ],
)
def test_a_body_that_is_no_object_is_refused(body):
    with pytest.raises(DeniedError) as caught:
        rewrite(body, spec(strip_params=("x",)))
    assert (400, "invalid_json") == (caught.value.status, caught.value.code)


def test_the_fields_of_a_form_are_changed_as_members_are():
    """X5: files stay, whatever they are called; what is not text is written as JSON."""
    file = ('name="file"; filename="a\r.wav"\r\nContent-Type: audio/wav', b"\x00--\r\n\xff")
    sent = form(file, ('name="model"', b"a"), ('name="n"', b"1"), ('name="prompt"', b"p"), ('name="n"', b"2"))
    rules = spec(set_params={"n": 7, "language": "de", "stop": ["x"]}, strip_params=("prompt", "file"))
    expected = form(
        file,
        ('name="model"', b"a"),
        ('name="n"', b"7"),
        ('name="language"', b"de"),
        ('name="stop"', b'["x"]'),
    )
    assert expected == rewrite(sent, rules, TYPE)
    assert sent is rewrite(sent, spec(strip_params=("absent",)), TYPE)


def test_a_form_is_filled_in_and_its_mappings_are_merged():
    sent = form(('name="k"', b'{"a":1,"b":{"c":2}}'), ('name="t[]"', b"x"), ('name="t[]"', b"y"))
    rules = spec(
        set_params={"k": {"b": {"d": 3}}}, default_params={"k": {"a": 9, "z": 4}, "t[]": "w", "n": {"m": 1}}
    )
    expected = form(
        ('name="k"', b'{"a":1,"b":{"c":2,"d":3},"z":4}'),
        ('name="t[]"', b"x"),
        ('name="t[]"', b"y"),
        ('name="n"', b'{"m":1}'),
    )
    assert expected == rewrite(sent, rules, TYPE)
    assert sent is rewrite(sent, spec(default_params={"t[]": "w"}), TYPE)


def test_a_mapping_that_is_missing_is_put_in_merged():
    rules = spec(set_params={"k": {"b": 2}}, default_params={"k": {"a": 1, "b": 1}, "j": "ü"})
    assert '{"k":{"a":1,"b":2},"j":"ü"}'.encode() == rewrite(b"{}", rules)


def test_a_form_without_a_model_gets_none_and_a_file_of_that_name_is_none():
    file = ('name="file"; filename="model"', b'\x00\xff\r\n--zoo\r\nname="model"\r\n\r\na')
    sent = form(file, ('name="model"', b"a"), ('name="temperature"', b"1"))
    expected = form(file, ('name="model"', "groß".encode()), ('name="temperature"', b"1"))
    changed = rewrite(sent, spec(upstream_model="groß"), TYPE)
    assert expected == changed
    unnamed = form(file)
    assert unnamed is rewrite(unnamed, spec(upstream_model="up"), TYPE)
