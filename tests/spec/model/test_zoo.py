import pytest
from pydantic import SecretStr, ValidationError

from zoosup.spec.model.gateway import StatusSpec
from zoosup.spec.model.memory import MemorySpec
from zoosup.spec.model.model import ModelSpec
from zoosup.spec.model.process.lifetime import LiveSpec, ReadySpec, RestartSpec, StopSpec
from zoosup.spec.model.zoo import ZooSpec


def test_code_may_build_models_with_plain_numbers():
    model = ModelSpec(
        command=("serve",), memory=MemorySpec(ram=1024), stop=StopSpec(grace=0.5), live=LiveSpec(period=1)
    )
    assert isinstance(model.memory, MemorySpec)
    assert (1024, 0.5, 1.0) == (model.memory.ram, model.stop.grace, model.live and model.live.period)


@pytest.mark.parametrize(
    "build",
    [
        lambda: StopSpec(grace=-1),
        lambda: StopSpec(grace=float("inf")),
        lambda: StopSpec(grace=float("nan")),
        lambda: StopSpec(grace=True),
        lambda: ReadySpec(timeout=0),
        lambda: MemorySpec(ram=-1),
        lambda: MemorySpec(ram=1.5),
        lambda: MemorySpec(ram=2**63),
        lambda: ModelSpec(command=()),
        lambda: ModelSpec(command=("a",), port=0),
        lambda: ReadySpec(http="/a", tcp=True),
        lambda: RestartSpec(initial=301),
    ],
)
def test_code_is_held_to_the_same_bounds(build):
    with pytest.raises(ValidationError):
        build()


def test_models_are_frozen():
    with pytest.raises(ValidationError):
        ZooSpec().active = ("a",)


def test_a_validation_error_shows_no_value():
    with pytest.raises(ValidationError) as caught:
        ModelSpec.model_validate({"command": ["x"], "env": {"KEY": ["hunter2"]}})
    assert "hunter2" not in str(caught.value)


def test_a_token_is_never_shown():
    status = StatusSpec(token=SecretStr("hunter2"))
    assert "hunter2" not in repr(status) + status.model_dump_json()
    assert status.token is not None
    assert "hunter2" == status.token.get_secret_value()


def test_a_dump_to_json_is_written_with_units_and_can_be_read_again():
    model = ModelSpec(command=("serve", "a b"), memory=MemorySpec(ram=3 * 2**29), stop=StopSpec(grace=90))
    text = model.model_dump_json()
    assert '"1.5GiB"' in text
    assert '"1m30s"' in text
    assert model == ModelSpec.model_validate_json(text)
