"""One way to serve, said once: in the model, or in `defaults`."""

import pytest
from pydantic import ValidationError

from zoosup.spec.model.model import ModelSpec
from zoosup.spec.parse import parse
from zoosup.spec.syntax.problems import SpecError


def read(text):
    return parse(f"active: []\n{text}", path="z", environ={})


def refused(text):
    with pytest.raises(SpecError) as caught:
        read(text)
    return [str(each) for each in caught.value.problems]


def of_model(text):
    return refused(f"models:\n  m:\n    {text}\n")


def test_two_ways_to_serve_are_refused_and_named():
    one_of = "expected one of command, container, llama, vllm, sglang, mlx, mlx_image, whisper, sd, external, which say"
    assert [f"z:4:22: models.m.llama: stands beside command, {one_of} who serves the model"] == of_model(
        "{command: serve, llama: {weights: /m}}"
    )
    (said,) = of_model("{vllm: {weights: a/b}, llama: {weights: /m}}")
    assert "models.m.llama: stands beside vllm" in said
    (said,) = of_model("{command: serve, container: {image: i}}")
    assert "models.m.container: stands beside command" in said
    (said,) = of_model("{external: {url: 'http://x'}, llama: {weights: /m}}")
    assert "models.m.llama: stands beside external" in said


def test_two_ways_without_a_file_are_refused_too():
    with pytest.raises(ValidationError, match="has llama and vllm"):
        ModelSpec.model_validate({"llama": {"weights": "/m"}, "vllm": {"weights": "o/r"}})


def test_none_at_all_is_a_missing_command():
    (said,) = of_model("{port: 8000}")
    assert said.startswith("z:3:3: models.m.command: is missing, expected the program and its arguments")


def test_a_mistake_in_a_form_is_told_alone():
    found = of_model("llama: {weights: /m, context: 32k}")
    assert 1 == len(found)
    assert "models.m.llama.context: got 32k, expected a whole number of tokens" in found[0]


@pytest.mark.parametrize(
    ("form", "said"),
    [
        ("llama: {}", "models.m.llama.weights: is missing, expected the model"),
        (
            "llama: {weights: ''}",
            "expected a path, hf://owner/repo:QUANT, hf://owner/repo/file.gguf or ollama://name:tag",
        ),
        ("llama: {weights: 'ollama://'}", "expected a path, hf://owner/repo:QUANT,"),
        ("llama: {weights: 'hf://o/r/f.safetensors'}", "expected a path, hf://owner/repo:QUANT,"),
        ("llama: {weights: 'hf://o/../f.gguf'}", "expected a path, hf://owner/repo:QUANT,"),
        ("llama: {weights: 'hf://justone'}", "expected a path, hf://owner/repo:QUANT,"),
        ("llama: {weights: 's3://o/r/f.gguf'}", "expected a path, hf://owner/repo:QUANT,"),
        ("vllm: {weights: 'hf://o/r:Q4'}", "expected a path, hf://owner/repo, or owner/repo"),
        ("vllm: {weights: 'ollama://x'}", "expected a path, hf://owner/repo, or owner/repo"),
        ("whisper: {weights: 'hf://o/r'}", "expected a path or hf://owner/repo/file"),
        ("llama: {weights: /m, kv: q3}", "expected one of f32, f16"),
        ("llama: {weights: /m, kv: [q8_0]}", "or two of them in a list"),
        ("llama: {weights: /m, gpu_layers: most}", "expected auto, all, or a whole number"),
        ("llama: {weights: /m, flash: maybe}", "expected one of on, off, auto"),
        ("llama: {weights: /m, cpu_moe: 0}", "expected a whole number of 1 to"),
        ("llama: {weights: /m, task: image}", "expected one of chat, embed, rerank"),
        ("llama: {weights: /m, loras: [/l]}", "expected adapters of the form"),
        ("llama: {weights: /m, loras: [{path: '/a,b'}]}", "has an adapter with a comma in its path"),
        ("llama: {weights: /m, loras: [{path: /a, scale: big}]}", "whose scale is no number"),
        ("llama: {weights: /m, loras: /l}", "expected a list of adapters such as"),
        ("llama: {weights: /m, loras: [{path: 's3://a'}]}", "expected a path"),
        (
            "vllm: {weights: o/r, loras: [{path: /a, name: 5}]}",
            "whose name is no text, expected a name without =",
        ),
        ("vllm: {weights: o/r, loras: [{path: /a, name: a=b}]}", "whose name is no text"),
        ("llama: {weights: /m, cache_ram: 100}", "expected a size with a unit"),
        ("llama: {weights: /m, wieghts: x}", "unknown key; did you mean weights?"),
        ("llama: {weights: /m, args: 'a | b'}", "holds the shell's |"),
        ("vllm: {weights: o/r, gpu_memory: 1.5}", "expected a share above 0"),
        ("vllm: {weights: o/r, loras: [{path: /a, scale: 0.5}]}", "has an adapter with a scale"),
        ("mlx_image: {weights: o/r, quantize: 5}", "expected 4, 8 or 16"),
        ("sd: {vae: /v}", "has neither weights nor diffusion"),
        ("sd: {weights: /a, diffusion: /b}", "has weights and diffusion"),
        ("{llama: {weights: /m}, task: embed}", "is embed, and its server is started for chat"),
    ],
)
def test_what_a_form_can_not_have_is_refused(form, said):
    found = of_model(form)
    assert 1 == len(found), found
    assert said in found[0]


def test_defaults_may_hold_a_part_of_a_form_and_a_form_for_each_kind_of_model():
    spec = read(
        "defaults:\n  llama: {program: /opt/llama-server, cache_ram: 0B}\n"
        "models:\n  a: {llama: {weights: /a}}\n  b: {command: serve}\n  c: {vllm: {weights: o/r}}\n"
    )
    assert ("/opt/llama-server", "-m", "/a", "--cache-ram", "0") == spec.models["a"].command[:5]
    assert ("serve",) == spec.models["b"].command
    assert spec.models["b"].llama is None
    assert "vllm" == spec.models["c"].command[0]


def test_a_record_keeps_the_words_that_were_executed():
    written = read("models:\n  m: {vllm: {weights: o/r, sleep: true}}").models["m"]
    data = written.model_dump(mode="json", exclude_defaults=True)
    data["command"] = ["vllm", "serve", "o/r", "--as-it-was"]
    again = ModelSpec.model_validate(data)
    assert ("vllm", "serve", "o/r", "--as-it-was") == again.command
    assert written.model_copy(update={"command": again.command}) == again


@pytest.mark.parametrize(
    "form",
    [
        "llama: {weights: /m, kv: [q8_0, f16], cache_ram: 1GiB, loras: [{path: /l, scale: 0.5}], cpu_moe: 3}",
        "sd: {diffusion: /d, flash: true}",
        "mlx: {weights: o/r}",
        "mlx_image: {weights: o/r, quantize: 4}",
    ],
)
def test_a_record_is_read_as_it_was_written(form):
    written = read(f"models:\n  m: {{{form}}}").models["m"]
    assert written == ModelSpec.model_validate(written.model_dump(mode="json", exclude_defaults=True))


def test_a_short_form_and_a_container_go_together():
    spec = read(
        "defaults: {container: {image: ghcr.io/ggml-org/llama.cpp:server, port: 8080}}\n"
        "models:\n  a: {llama: {weights: /models/a.gguf, args: --jinja}}\n  b: {command: serve}\n"
        "  c: {container: {image: vllm/vllm-openai, port: 80, args: [--x]}, vllm: {weights: o/r}}\n"
        "  d: {container: {image: lmsysorg/sglang}, sglang: {weights: o/r}}\n"
    )
    a, c = spec.models["a"], spec.models["c"]
    assert ("-m", "/models/a.gguf", "--host", "0.0.0.0", "--port", "8080", "--jinja") == a.container.args
    assert ((), "chat", 30.0) == (a.command, a.task, a.stop.grace)
    assert (("serve",), None) == (spec.models["b"].command, spec.models["b"].container)
    assert ("o/r", "--host", "0.0.0.0", "--port", "80", "--x") == c.container.args
    assert ("python3", "-m", "sglang.launch_server") == spec.models["d"].container.args[:3]


def test_a_record_of_a_form_in_a_container_is_read_as_it_was_written():
    form = "llama: {weights: /m}, container: {image: i, port: 8080, args: [--more]}"
    written = read(f"models:\n  m: {{{form}}}").models["m"]
    again = ModelSpec.model_validate(written.model_dump(mode="json", exclude_defaults=True))
    assert (written.container.args, written) == (again.container.args, again)
