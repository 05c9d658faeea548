"""Which model is meant by a request that need not name one."""

import pytest

from tests.web.gateway.fake_leasing import FakeLeasing
from zoosup.spec.model.model import ModelSpec, Task
from zoosup.web.gateway.errors import DeniedError
from zoosup.web.gateway.routing.task_model import chosen, named_for_task


def a_zoo(**tasks):
    return FakeLeasing(
        {
            name: ModelSpec(command=("serve",), task=task, aliases=(f"{name}-alias",))
            for name, task in tasks.items()
        }
    )


ONE = a_zoo(sdxl="image", qwen="chat", any=None)
TWO = a_zoo(sdxl="image", flux="image")


def meant(body, query=b"", zoo=ONE, task=Task.IMAGE):
    return chosen(named_for_task(body, query), task, zoo, zoo.cards)


@pytest.mark.parametrize(
    ("body", "query", "name"),
    [
        (b'{"model":"flux","prompt":"a cat"}', b"", "flux"),
        (b"", b"model=flux", "flux"),
        (b"{}", b"a=b&model=flux", "flux"),
        (b'{"model":"flux"}', b"model=flux", "flux"),
        (b'{"model":null,"n":NaN}', b"model=flux", "flux"),
        (b'{"override_settings":{"CLIP":1,"sd_model_checkpoint":"flux"}}', b"", "flux"),
        (b'{"override_settings":{"sd_model_checkpoint":"flux-alias"},"steps":[1]}', b"", "flux-alias"),
        (b'{"sd_model_checkpoint":"flux"}', b"", "flux"),
        (b'{"sd_model_checkpoint":"sdxl","override_settings":{"sd_model_checkpoint":"flux"}}', b"", "flux"),
        (b'{"model":"sdxl","override_settings":{"sd_model_checkpoint":"flux"}}', b"", "sdxl"),
        (b'{"model":"unknown"}', b"", "unknown"),
        (b'{"sd_model_checkpoint":"v1-5.safetensors [6ce0161689]"}', b"", "v1-5.safetensors [6ce0161689]"),
    ],
)
def test_of_several_the_one_that_is_named_is_meant(body, query, name):
    assert name == meant(body, query, TWO)


@pytest.mark.parametrize(
    "body",
    [b"", b" \n", b'{"prompt":"a cat"}', b'{"override_settings":{}}', b'{"override_settings":null,"model":""}',
     b'{"override_settings":{"sd_model_checkpoint":"v1-5.safetensors [6ce0161689]"}}'],
)  # fmt: skip
def test_the_only_one_of_the_task_needs_no_name_and_its_servers_checkpoints_are_its_own(body):
    assert "sdxl" == meant(body)


@pytest.mark.parametrize(
    ("body", "query", "zoo", "code"),
    [
        (b"", b"", TWO, "missing_required_parameter"),
        (b"", b"", a_zoo(qwen="chat"), "missing_required_parameter"),
        (b'{"model":"a"}', b"model=b", ONE, "ambiguous_model"),
        (b"", b"model=a&model=b", ONE, "ambiguous_model"),
        (b"prompt", b"", ONE, "invalid_json"),
        (b'{"override_settings":{"a"}}', b"", ONE, "invalid_json"),
        (b'{"override_settings":{"sd_model_checkpoint":3}}', b"", ONE, "invalid_type"),
    ],
)
def test_what_can_not_be_told_is_refused(body, query, zoo, code):
    with pytest.raises(DeniedError) as caught:
        meant(body, query, zoo)
    assert (400, code) == (caught.value.status, caught.value.code)


def test_who_names_one_has_nobody_list_them():
    assert "flux" == chosen(named_for_task(b"", b"model=flux"), Task.IMAGE, TWO, shown=pytest.fail)


def test_the_refusal_names_those_there_are():
    with pytest.raises(DeniedError, match="several have task: image: sdxl, flux; add"):
        meant(b"", b"", TWO)
    with pytest.raises(DeniedError, match="none has task: audio"):
        meant(b"", b"", TWO, Task.AUDIO)


def test_variants_of_the_only_one_are_no_others():
    varied = ModelSpec(command=("serve",), task="image", variants={"sdxl-quick": {}})
    assert "sdxl" == meant(b"{}", zoo=FakeLeasing({"sdxl": varied}))
