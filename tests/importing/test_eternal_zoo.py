"""Eternal Zoo's YAML and its folder: what its users have, with nothing lost."""

import json
from contextlib import suppress

import pytest
from hypothesis import given, strategies as st

from tests.importing.imports import eternal_folder, eternal_zoo
from zoosup.errors import InvalidFileError
from zoosup.importing.eternal_zoo.folder import Folder


def one(fields, folder=Folder("/ez")):  # noqa: B008 - frozen
    return eternal_zoo(f"models: {{m: {{{fields}}}}}", folder)


def test_a_chat_model_is_a_llama_server_with_its_templates():
    form = one("hf_repo: o/r, model: f.gguf, backend: gguf, context_length: 4096").spec.models["m"].llama
    assert ("hf://o/r/f.gguf", 4096, "all", "on", "chat") == (
        form.weights, form.context, form.gpu_layers, form.flash, form.task,
    )  # fmt: skip
    assert "--jinja" in form.args


def test_an_embedding_model_takes_texts_of_4096_tokens():
    form = one("hf_repo: o/r, model: f.gguf, task: embed").spec.models["m"].llama
    assert ("embed", 4096, ("--pooling", "mean")) == (form.task, form.batch, form.args)


def test_a_model_for_mlx_keeps_its_server():
    command = one("hf_repo: o/r, backend: mlx-lm, context_length: 8192").spec.models["m"].command
    assert (
        "mlx-openai-server",
        "launch",
        "--model-path",
        "o/r",
        "--model-type",
        "lm",
        "--context-length",
        "8192",
    ) == command[:8]
    assert ("--port", "${PORT}", "--host", "127.0.0.1") == command[8:12]


def test_an_image_model_of_the_catalogue_is_one_whatever_the_file_calls_it():
    found = one("model: flux-dev, task: chat, backend: gguf")
    form = found.spec.models["m"].mlx_image
    assert ("NikolaSigmoid/FLUX.1-dev", "flux-dev", "image") == (
        form.weights,
        form.config,
        found.spec.models["m"].task,
    )
    assert found.said("flux-dev is a model for mlx-flux, not gguf")


def test_weights_that_are_in_its_folder_are_taken_from_there():
    folder = Folder(
        "/ez", frozenset({"f.gguf", "f.gguf-projector", "o_r_Q4", "o_r_Q4/Q4/a-00001-of-00002.gguf"})
    )
    form = one("hf_repo: o/r, model: f.gguf, mmproj: p.gguf", folder).spec.models["m"].llama
    assert ("/ez/f.gguf", "/ez/f.gguf-projector") == (form.weights, form.mmproj)
    split = one("hf_repo: o/r, pattern: Q4", folder).spec.models["m"].llama
    assert "/ez/o_r_Q4/Q4/a-00001-of-00002.gguf" == split.weights


def test_what_is_not_there_is_named_at_the_hub():
    assert "hf://o/r:Q4" == one("hf_repo: o/r, pattern: Q4").spec.models["m"].llama.weights
    assert "hf://o/r" == one("hf_repo: o/r").spec.models["m"].llama.weights
    found = one("hf_repo: o/r, model: f.gguf, mmproj: p.gguf")
    assert found.said("its projector p.gguf is not on this host")


@pytest.mark.parametrize(
    ("models", "active"),
    [
        ("a: {on_demand: True, hf_repo: o/r}, b: {on_demand: False, hf_repo: o/r}", ("b",)),
        ("a: {on_demand: True, hf_repo: o/r}, b: {hf_repo: o/r}", ("b",)),
        ("a: {on_demand: True, hf_repo: o/r}, b: {on_demand: True, hf_repo: o/r}", ("a",)),
        ("a: {model: nobody}, b: {on_demand: True, hf_repo: o/r}", ()),
    ],
)
def test_the_first_that_is_not_on_demand_is_the_main_one_else_the_first(models, active):
    found = eternal_zoo(f"models: {{{models}}}").spec
    assert active == found.active
    assert all(each.on_demand for each in found.models.values())


def test_its_port_is_kept_and_its_address_is_this_hosts_own():
    found = eternal_zoo("port: 9090\nhost: 0.0.0.0\nmodels: {}")
    assert "127.0.0.1:9090" == found.spec.gateway.listen
    assert [
        "ez.yaml:2: it listened on 0.0.0.0; here only this host may connect. For others: gateway.listen, api_keys"
    ] == (found.remarks)


def metadata(**fields):
    return json.dumps({"task": "chat", "model_name": "m", **fields})


HASH = "bafkreiabc"


def test_a_folder_is_a_model_for_each_json_file():
    found = eternal_folder(
        {f"{HASH}.gguf", f"{HASH}-projector", "b.gguf"},
        {
            f"{HASH}.json": metadata(
                model_name="seeing", multimodal=True, hf_data={"repo": "o/r", "backend": "gguf"}
            ),
            "b.gguf.json": metadata(
                model_name=None, task="embed", hf_data={"repo": "o/r", "model": "b.gguf"}
            ),
            "c.json": metadata(
                model_name="far", hf_data={"repo": "o/far", "model": "c.gguf", "backend": "gguf"}
            ),
        },
    )
    models = found.spec.models
    assert ["b.gguf", "seeing", "far"] == list(models)
    assert ("/ez/bafkreiabc.gguf", "/ez/bafkreiabc-projector") == (
        models["seeing"].llama.weights,
        models["seeing"].llama.mmproj,
    )
    assert ("/ez/b.gguf", "embed") == (models["b.gguf"].llama.weights, models["b.gguf"].llama.task)
    assert "hf://o/far/c.gguf" == models["far"].llama.weights
    assert ("b.gguf",) == found.spec.active


def lora(**fields):
    return {f"{HASH}.json": metadata(task="image-generation", lora=True, architecture="flux-dev",
                                     hf_data={"repo": "o/lab", "backend": "mlx-flux"}),
            f"{HASH}.gguf/metadata.json": json.dumps(fields)}  # fmt: skip


def test_adapters_and_their_base_model_carry_over():
    texts = lora(base_model="bafbase", lora_paths=["a.safetensors", "b.safetensors"], lora_scales=[0.8, 1])
    form = eternal_folder({f"{HASH}.gguf", "bafbase.gguf"}, texts).spec.models["m"].mlx_image
    assert ("/ez/bafbase.gguf", "flux-dev") == (form.weights, form.config)
    assert [("/ez/bafkreiabc.gguf/a.safetensors", 0.8), ("/ez/bafkreiabc.gguf/b.safetensors", 1.0)] == [
        (each.path, each.scale) for each in form.loras
    ]


def test_a_base_model_that_is_not_there_is_named_by_the_catalogue():
    texts = lora(base_model="elsewhere", lora_paths=[], lora_scales=[])
    assert (
        "NikolaSigmoid/FLUX.1-dev"
        == eternal_folder({f"{HASH}.gguf"}, texts).spec.models["m"].mlx_image.weights
    )


@pytest.mark.parametrize(
    ("texts", "why"),
    [
        ({"a.json": "["}, "is no JSON object"),
        ({"a.json": "[]"}, "is no JSON object"),
        ({"a.json": metadata()}, "its weights are not in the folder"),
        (
            {"a.json": metadata(lora=True, hf_data={"repo": "o/r", "backend": "mlx-flux"})},
            "without a metadata.json",
        ),
        (lora(lora_paths=["a"], lora_scales=[]), "not as many scales as adapters"),
        ({"a.json": metadata(hf_data={"repo": "o/r", "backend": "torch"})}, "its backend is 'torch'"),
    ],
)
def test_what_can_not_be_a_model_is_said(texts, why):
    found = eternal_folder({f"{HASH}.gguf"}, texts)
    assert {} == found.spec.models
    assert found.said(why)


@pytest.mark.parametrize("text", ["models: [", "a: &x [*x]"])
def test_what_is_no_yaml_is_refused(text):
    with pytest.raises(InvalidFileError, match=r"^ez\.yaml"):
        eternal_zoo(text)


ANY = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(max_size=6)
    | st.sampled_from(["o/r", "gguf", "mlx-lm", "flux-dev"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "models",
                    "hf_repo",
                    "model",
                    "backend",
                    "task",
                    "mmproj",
                    "repo",
                    "hf_data",
                    "lora",
                    "model_name",
                    "a b",
                    "port",
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=10,
)


@given(ANY)
def test_any_mapping_becomes_a_file_that_passes(data):
    text = json.dumps(data)
    with suppress(InvalidFileError):
        assert eternal_zoo(text).spec is not None
    assert eternal_folder(set(), {"x.json": text}).spec is not None
