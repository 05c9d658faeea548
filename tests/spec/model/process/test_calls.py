"""Requests that a model is sent: one as a text, with a body, or several."""

import pytest

from zoosup.errors import InvalidFileError
from zoosup.spec.model.model import ModelSpec
from zoosup.spec.model.process.calls import CallSpec
from zoosup.spec.parse import parse

FREE = {"unload_models": True, "free_memory": True}


def park_of(park):
    text = f"active: []\nvars: {{p: /sleep}}\nmodels: {{m: {{command: serve, park: {park}}}}}\n"
    return parse(text, path="z.yaml", environ={}).models["m"]


@pytest.mark.parametrize(
    ("sleep", "expected"),
    [
        ("POST /sleep", [("POST /sleep", None)]),
        ('"POST ${p}"', [("POST /sleep", None)]),
        ("{http: POST /free, body: {unload_models: true, free_memory: true}}", [("POST /free", FREE)]),
        ("{http: POST /free, body: null}", [("POST /free", None)]),
        ("[POST /a, {http: POST /b, body: {}}]", [("POST /a", None), ("POST /b", {})]),
    ],
)
def test_each_way_to_write_them_is_read_and_survives_a_record(sleep, expected):
    model = park_of(f"{{sleep: {sleep}, wake: GET /w}}")
    assert expected == [(call.http, call.body) for call in model.park.sleep]
    assert (CallSpec(http="GET /w"),) == model.park.wake
    assert model.park == ModelSpec.model_validate(model.model_dump(mode="json")).park


def test_what_an_older_zoosup_has_kept_is_read():
    old = {"sleep": "POST /a", "wake": "POST /b", "holds": None}
    assert "POST /a" == ModelSpec.model_validate({"command": ["x"], "park": old}).park.sleep[0].http


@pytest.mark.parametrize(
    ("sleep", "message"),
    [
        ("sleep", "park.sleep: got sleep, expected a method and a path, such as POST /drain"),
        (
            "[]",
            "park.sleep: got a list, expected a method and a path, such as POST /drain, or a list of such",
        ),
        ("{http: POST /x, body: [1]}", "park.sleep.body: got a list, expected a mapping such as"),
        ("{http: POST /x, json: {}}", "park.sleep.json: unknown key, expected one of http, body"),
        ("[POST /x, {body: {}}]", "park.sleep.1.http: is missing"),
    ],
)
def test_what_is_no_request_is_told_where_it_stands(sleep, message):
    with pytest.raises(InvalidFileError) as refused:
        park_of(f"{{sleep: {sleep}, wake: GET /w}}")
    assert message in str(refused.value)
