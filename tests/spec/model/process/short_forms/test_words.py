"""What each short form comes to, as the documentation of its server has it."""

import shlex

import pytest

from zoosup.spec.model.process.short_forms.chosen import SHORT_FORMS
from zoosup.spec.parse import parse

AT = "--host 127.0.0.1 --port ${PORT}"


def model(text, **more):
    extra = "".join(f"\n    {key}: {value}" for key, value in more.items())
    return parse(
        f"active: []\nvars: {{w: /srv}}\nmodels:\n  m:\n    {text}{extra}\n", path="z", environ={}
    ).models["m"]


WORDS = {
    "llama: {weights: '${w}/m.gguf'}": f"llama-server -m /srv/m.gguf {AT}",
    "llama: {weights: 'hf://o/r:Q4_K_M'}": f"llama-server -m hf://o/r:Q4_K_M {AT}",
    "llama: {weights: 'hf://o/r'}": f"llama-server -m hf://o/r {AT}",
    "llama: {weights: 'hf://o/r/sub/x.gguf@main', mmproj: 'hf://o/r/p.gguf', draft: 'ollama://qwen3:0.6b'}":
        f"llama-server -m hf://o/r/sub/x.gguf@main --mmproj hf://o/r/p.gguf -md ollama://qwen3:0.6b {AT}",
    "llama: {weights: /m, context: 32768, parallel: 2, gpu_layers: 20, kv: q8_0, flash: true, batch: 4096}":
        f"llama-server -m /m -c 32768 -np 2 -ngl 20 -ctk q8_0 -ctv q8_0 -fa on -b 4096 {AT}",
    "llama: {weights: /m, mmproj: /p, draft: /d, cpu_moe: true, cache_ram: 2GiB, kv: [q8_0, f16], flash: off}":
        f"llama-server -m /m --mmproj /p -ctk q8_0 -ctv f16 -fa off -md /d --cpu-moe --cache-ram 2048 {AT}",
    "llama: {weights: /m, cpu_moe: 12, cache_ram: 0B, chat_template: /t.jinja}":
        f"llama-server -m /m --n-cpu-moe 12 --cache-ram 0 --chat-template-file /t.jinja {AT}",
    "llama: {weights: /m, chat_template: chatml, loras: [{path: /a, scale: 0.5}, {path: /b}]}":
        f"llama-server -m /m --chat-template chatml --lora-scaled /a:0.5,/b:1 {AT}",
    "llama: {weights: /m, task: embed, batch: 2048}": f"llama-server -m /m -b 2048 --embedding -ub 2048 {AT}",
    "llama: {weights: /m, task: rerank}": f"llama-server -m /m --reranking {AT}",
    "llama: {weights: /m, program: [nice, llama, serve], args: --jinja --temp 0.7}":
        f"nice llama serve -m /m {AT} --jinja --temp 0.7",
    "vllm: {weights: o/r}": f"vllm serve o/r {AT}",
    "vllm: {weights: 'hf://o/r', context: 32768, gpu_memory: 0.8, tensor_parallel: 2, quantization: awq}":
        "vllm serve hf://o/r --max-model-len 32768 --gpu-memory-utilization 0.8 --tensor-parallel-size 2 "
        f"--quantization awq --served-model-name o/r {AT}",
    "vllm: {weights: o/r, loras: [{path: /l/sql}, {path: /l/x, name: y}], sleep: true}":
        "vllm serve o/r --served-model-name m --enable-lora --lora-modules sql=/l/sql y=/l/x "
        f"--enable-sleep-mode {AT}",
    "vllm: {weights: o/r, task: embed}": f"vllm serve o/r --runner pooling {AT}",
    "sglang: {weights: o/r, context: 8192, gpu_memory: 0.7, tensor_parallel: 2}":
        "python3 -m sglang.launch_server --model-path o/r --context-length 8192 --mem-fraction-static 0.7 "
        f"--tp-size 2 {AT}",
    "sglang: {weights: o/r, task: embed, loras: [{path: /l/a}]}":
        f"python3 -m sglang.launch_server --model-path o/r --enable-lora --lora-paths a=/l/a --is-embedding {AT}",
    "mlx: {weights: o/r, adapter: /l, draft: o/d, parallel: 4, cache_ram: 1GiB}":
        "mlx_lm.server --model o/r --adapter-path /l --draft-model o/d --decode-concurrency 4 "
        f"--prompt-cache-bytes 1073741824 {AT}",
    "mlx_image: {weights: o/r, config: flux-dev, quantize: 8, loras: [{path: /a, scale: 0.8}, {path: /b}]}":
        "mlx-openai-server launch --model-path o/r --model-type image-generation --config-name flux-dev --quantize 8 "
        f"--lora-paths /a,/b --lora-scales 0.8,1 --no-log-file {AT}",
    "mlx_image: {weights: o/r, edit: true}":
        f"mlx-openai-server launch --model-path o/r --model-type image-edit --no-log-file {AT}",
    "whisper: {weights: /m.bin, language: de, translate: true, convert: true, threads: 2}":
        "whisper-server -m /m.bin -l de --translate --convert -t 2 --inference-path /v1/audio/transcriptions "
        f"{AT}",
    "sd: {diffusion: /d, vae: /v, llm: /l, flash: true, offload: true}":
        "sd-server --diffusion-model /d --vae /v --llm /l --diffusion-fa --offload-to-cpu "
        "--listen-ip 127.0.0.1 --listen-port ${PORT}",
    "sd: {weights: /m, lora_dir: /l, args: [--type, q8_0]}":
        "sd-server -m /m --lora-model-dir /l --listen-ip 127.0.0.1 --listen-port ${PORT} --type q8_0",
}  # fmt: skip


@pytest.mark.parametrize(("text", "words"), WORDS.items())
def test_a_short_form_comes_to_these_words(text, words):
    assert shlex.split(words) == list(model(text).command)


def test_every_form_is_among_them():
    assert set(SHORT_FORMS) == {text.partition(":")[0] for text in WORDS}


def test_an_image_begins_with_the_program_unless_another_is_said():
    form = model("whisper: {weights: /m.bin}").short_form
    assert (
        "whisper-server -m /m.bin --inference-path /v1/audio/transcriptions --host 0.0.0.0 --port 8080",
    ) == (form.image_words("0.0.0.0", "8080"))
    own = model("llama: {weights: /m, program: /opt/x}").short_form
    assert ("/opt/x", "-m", "/m") == own.image_words("0.0.0.0", "8080")[:3]


def test_a_path_with_blanks_and_a_literal_dollar_stay_one_word():
    command = model('llama: {weights: "/my models/a$${b}.gguf", args: ["--alias", "a b"]}').command
    assert ("llama-server", "-m", "/my models/a$${b}.gguf") == command[:3]
    assert "a b" == command[-1]


FILLED = {
    "llama": ("weights: /m", "chat", "/health", 600.0, 30.0, None),
    "vllm": ("weights: o/r", "chat", "/health", 1200.0, 60.0, "o/r"),
    "sglang": ("weights: o/r", "chat", "/health", 1200.0, 60.0, None),
    "mlx": ("weights: o/r", "chat", None, 600.0, 30.0, "default_model"),
    "mlx_image": ("weights: o/r", "image", "/health", 600.0, 30.0, None),
    "whisper": ("weights: /m", "audio", "/health", 600.0, 30.0, None),
    "sd": ("weights: /m", "image", "/v1/models", 600.0, 30.0, None),
}


@pytest.mark.parametrize("form", SHORT_FORMS)
def test_a_form_fills_in_task_probe_grace_and_the_name_that_its_server_takes(form):
    fields, *expected = FILLED[form]
    found = model(f"{form}: {{{fields}}}")
    assert expected == [
        found.task, found.ready.http, found.ready.deadline, found.stop.grace, found.upstream_model,
    ]  # fmt: skip


def test_mlx_is_asked_for_a_token_for_its_health_says_nothing():
    ready = model("mlx: {weights: o/r}").ready
    assert "http://127.0.0.1:${PORT}/v1/chat/completions" == ready.exec[-1]
    assert (1.0, 60.0) == (ready.interval, ready.timeout)


def test_what_the_file_says_goes_before_what_the_form_fills_in():
    found = model(
        "vllm: {weights: o/r, sleep: true}",
        ready="{tcp: true, timeout: 9s}",
        stop="{grace: 5s}",
        upstream_model="x",
        env='{VLLM_SERVER_DEV_MODE: "0", A: b}',
        park="{sleep: POST /a, wake: POST /b}",
    )
    assert (None, True, 9.0, 1200.0) == (
        found.ready.http, found.ready.tcp, found.ready.timeout, found.ready.deadline,
    )  # fmt: skip
    assert (5.0, 600.0, "x", "POST /a") == (
        found.stop.grace, found.stop.drain, found.upstream_model, found.park.sleep[0].http,
    )  # fmt: skip
    assert {"VLLM_SERVER_DEV_MODE": "0", "A": "b"} == found.env


def test_a_vllm_that_may_sleep_can():
    found = model("vllm: {weights: o/r, sleep: true}")
    assert ("POST /sleep?level=1", "POST /wake_up") == (found.park.sleep[0].http, found.park.wake[0].http)
    assert {"VLLM_SERVER_DEV_MODE": "1"} == found.env
    asleep_not = model("vllm: {weights: o/r}")
    assert (None, {}) == (asleep_not.park, asleep_not.env)


def test_with_adapters_the_name_that_the_client_chose_reaches_vllm():
    found = model("vllm: {weights: o/r, loras: [{path: /l/sql}]}", aliases="[sql]")
    assert found.upstream_model is None
