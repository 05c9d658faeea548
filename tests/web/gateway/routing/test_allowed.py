"""What a key is for: names by what they mean, so that an alias is its model and a variant is not."""

import pytest

from tests.web.gateway.fake_leasing import FakeLeasing
from zoosup.spec.model.model import ModelSpec
from zoosup.spec.model.requests import VariantSpec
from zoosup.web.gateway.caller import ANYBODY, Caller
from zoosup.web.gateway.errors import DeniedError
from zoosup.web.gateway.routing.allowed import cards_for, check_allowed

QUICK = VariantSpec(set_params={"top_k": 1})
ALL = ["qwen", "gpt", "quick", "gemma", ""]


@pytest.fixture
def leasing():
    return FakeLeasing(
        {
            "qwen": ModelSpec(command=("x",), aliases=("gpt",), variants={"quick": QUICK}),
            "gemma": ModelSpec(command=("x",)),
        },
        default="gemma",
    )


def allowed(caller, leasing):
    names = [name for name in ALL if refusal(caller, name, leasing) is None]
    return names, [card.name for card in cards_for(caller, leasing)]


def refusal(caller, name, leasing):
    try:
        check_allowed(caller, name, leasing.find(name), leasing)
    except DeniedError as error:
        return error.status, error.code, error.param
    return None


@pytest.mark.parametrize(
    ("models", "names", "listed"),
    [
        (None, ALL, ["qwen", "quick", "gemma"]),
        (("qwen",), ["qwen", "gpt"], ["qwen"]),
        (("gpt",), ["qwen", "gpt"], ["qwen"]),
        (("quick",), ["quick"], ["quick"]),
        (("gemma",), ["gemma", ""], ["gemma"]),
        (("quick", "gemma"), ["quick", "gemma", ""], ["quick", "gemma"]),
        (("left-the-file",), [], []),
        ((), [], []),
    ],
)
def test_a_name_is_what_it_means(leasing, models, names, listed):
    assert (names, listed) == allowed(Caller("alice", models), leasing)


def test_who_has_no_name_may_use_all(leasing):
    assert ALL == allowed(ANYBODY, leasing)[0]


def test_a_refusal_says_which_key_and_which_model(leasing):
    assert (403, "model_not_allowed", "model") == refusal(Caller("alice", ("qwen",)), "gemma", leasing)
    with pytest.raises(
        DeniedError, match="the key alice is not for gemma; GET /v1/models lists what it is for"
    ):
        check_allowed(Caller("alice", ("qwen",)), "", leasing.find(""), leasing)
