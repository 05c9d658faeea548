"""Every field has a class, and the class is what happens. The fields are found, not listed: a new one needs a case."""

import gc

import pytest
from pydantic import BaseModel

from zoosup.spec import changes
from zoosup.spec.changes import (
    change_class,
    changed,
    leaf_fields,
    live_changes,
    outdated,
    restart_fields,
)
from zoosup.spec.model.api_keys import ApiKeySpec
from zoosup.spec.model.base import CHANGE_KEY, KEYS_CHANGE_KEY, ChangeClass
from zoosup.spec.model.external import ExternalModelSpec
from zoosup.spec.model.model import ModelSpec
from zoosup.spec.model.zoo import ZooSpec
from zoosup.spec.parse import parse
from zoosup.spec.schema import schema

MODEL_TEXT = """\
active: [m]
models:
  m:
    command: serve
    memory: {ram: 1GiB, vram: 2GiB}
    live: {http: /health}
    stop: {before: {http: POST /drain}}
    restart: {limit: {count: 5, within: 10m}}
    park: {sleep: POST /sleep, wake: POST /wake_up, holds: {ram: 1GiB, vram: 1GiB}}
    %s
  other: {command: x}
"""
FLIPS = {
    "command": ("command: serve", "command: serve --more"),
    "env": ("%s", "env: {A: b}"),
    "cwd": ("%s", "cwd: /srv"),
    "port": ("%s", "port: 8000"),
    "fetch": ("%s", "fetch: true"),
    "memory.ram": ("ram: 1GiB", "ram: 2GiB"),
    "memory.vram": ("vram: 2GiB", "vram: 3GiB"),
    "gpus": ("%s", "gpus: [0, 1]"),
    "sessions.keep": ("%s", "sessions: {keep: true}"),
    "sessions.limit": ("%s", "sessions: {limit: 1GiB}"),
    "ready.http": ("%s", "ready: {http: /ok}"),
    "ready.tcp": ("%s", "ready: {tcp: true}"),
    "ready.exec": ("%s", "ready: {exec: [ok]}"),
    "ready.interval": ("%s", "ready: {interval: 1s}"),
    "ready.timeout": ("%s", "ready: {timeout: 1s}"),
    "ready.deadline": ("%s", "ready: {deadline: 1s}"),
    "live.http": ("{http: /health}", "{http: /ok}"),
    "live.tcp": ("{http: /health}", "{tcp: true}"),
    "live.exec": ("{http: /health}", "{exec: ok}"),
    "live.period": ("{http: /health}", "{period: 1s}"),
    "live.timeout": ("{http: /health}", "{timeout: 1s}"),
    "live.failures": ("{http: /health}", "{failures: 1}"),
    "stop.drain": ("{before:", "{drain: 1s, before:"),
    "stop.signal": ("{before:", "{signal: INT, before:"),
    "stop.grace": ("{before:", "{grace: 1s, before:"),
    "stop.before.http": ("/drain", "/sleep"),
    "stop.command": ("{before:", "{command: halt, before:"),
    "restart.policy": ("{limit:", "{policy: never, limit:"),
    "restart.initial": ("{limit:", "{initial: 1s, limit:"),
    "restart.factor": ("{limit:", "{factor: 3, limit:"),
    "restart.max": ("{limit:", "{max: 1m, limit:"),
    "restart.reset_after": ("{limit:", "{reset_after: 1m, limit:"),
    "restart.limit.count": ("count: 5", "count: 6"),
    "restart.limit.within": ("within: 10m", "within: 11m"),
    "on_demand": ("%s", "on_demand: true"),
    "idle_timeout": ("%s", "idle_timeout: 1m"),
    "max_inflight": ("%s", "max_inflight: 4"),
    "hosts": ("%s", "hosts: [gpu-1]"),
    "replicas": ("%s", "replicas: all"),
    "spans": ("spans: 2", "spans: 3"),
    "worker.command": ("command: work", "command: toil"),
    "worker.ready": ("ready: check", "ready: look"),
    "aliases": ("%s", "aliases: [gpt-4o-mini]"),
    "task": ("%s", "task: embed"),
    "upstream_model": ("%s", "upstream_model: default"),
    "upstream_headers": ("%s", "upstream_headers: {X-Team: a}"),
    "default_params": ("%s", "default_params: {temperature: 0.5}"),
    "variants": ("%s", "variants: {fast: {set_params: {temperature: 0.5}}}"),
    "strip_params": ("%s", "strip_params: [temperature]"),
    "set_params": ("%s", "set_params: {temperature: 0.5}"),
    "park.sleep": ("POST /sleep", "POST /sleep?level=1"),
    "park.wake": ("/wake_up", "/wake"),
    "park.holds.ram": ("holds: {ram: 1GiB", "holds: {ram: 3GiB"),
    "park.holds.vram": ("vram: 1GiB}}", "vram: 2GiB}}"),
    "description": ("%s", "description: New"),
}
FORMS = {
    "llama": ("/m.gguf", {
        "weights": "/n.gguf", "mmproj": "/p.gguf", "context": "8192", "parallel": "2", "gpu_layers": "all",
        "kv": "q8_0", "flash": "on", "batch": "512", "draft": "/d.gguf", "cpu_moe": "true", "cache_ram": "0B",
        "chat_template": "chatml", "loras": "[{path: /l.gguf}]", "task": "embed",
    }),
    "vllm": ("a/b", {
        "weights": "a/c", "context": "8192", "gpu_memory": "0.5", "tensor_parallel": "2", "quantization": "awq",
        "loras": "[{path: /l}]", "sleep": "true", "task": "rerank",
    }),
    "sglang": ("a/b", {
        "weights": "a/c", "context": "8192", "gpu_memory": "0.5", "tensor_parallel": "2", "quantization": "awq",
        "loras": "[{path: /l}]", "task": "embed",
    }),
    "mlx": ("a/b", {
        "weights": "a/c", "adapter": "/l", "draft": "a/d", "parallel": "2", "cache_ram": "1GiB", "chat_template": "x",
    }),
    "mlx_image": ("a/b", {
        "weights": "a/c", "config": "flux-dev", "edit": "true", "quantize": "4", "loras": "[{path: /l}]",
    }),
    "whisper": ("/m.bin", {
        "weights": "/n.bin", "language": "de", "translate": "true", "convert": "true", "threads": "2",
    }),
    "sd": ("/m.gguf", {
        "weights": "/n.gguf", "diffusion": "/d.gguf", "vae": "/v", "llm": "/l", "clip_l": "/c", "clip_g": "/c",
        "t5xxl": "/t", "lora_dir": "/l", "flash": "true", "offload": "true",
    }),
}  # fmt: skip
"""By short form: its weights, and another value of each of its fields but those that all have."""

CONTAINER = {
    "image": "{image: j}", "args": "{image: i, args: [--x]}", "volumes": "{image: i, volumes: [/a:/b]}",
    "port": "{image: i, port: 8080}", "engine": "{image: i, engine: podman}", "pull": "{image: i, pull: always}",
    "options": "{image: i, options: {ipc: host}}",
}  # fmt: skip
COMMON = {"program": "other", "args": "[--more]"}
EXTERNAL_TEXT = """\
active: []
models:
  m:
    external: {url: https://box2/v1}
    %s
"""
EXTERNAL_FLIPS = {
    "external.url": ("box2", "box3"),
    "external.api_key": ("/v1}", "/v1, api_key: k}"),
    "external.ca_file": ("/v1}", "/v1, ca_file: /etc/ca.pem}"),
    "external.models": ("/v1}", "/v1, models: {a: org/a}}"),
    "ready.http": ("%s", "ready: {http: /ok}"),
    "ready.tcp": ("%s", "ready: {tcp: true}"),
    "ready.interval": ("%s", "ready: {interval: 1s}"),
    "ready.timeout": ("%s", "ready: {timeout: 1s}"),
}
ZOO_TEXT = """\
active: [m]
budget: {ram: 8GiB, ram_reserve: 1GiB, vram: auto, vram_reserve: 512MiB}
switch: {strategy: auto, rollback: true, cooldown: {min: 0s, max: 30s}}
gateway: {listen: 127.0.0.1:8080, api_keys: [old], queue_timeout: 10m, loading: comments}
status: {listen: 127.0.0.1:8081, token: old}
fleet: {head: '10.0.0.5:6379', token_file: /etc/token, ports: {node: 6380, objects: 6381, workers: 6400-6449}}
vars: {v: old}
models:
  m: {command: serve}
  other: {command: x}
"""
ZOO_FLIPS = {
    "active": ("active: [m]", "active: [other]"),
    "budget.ram": ("8GiB", "9GiB"),
    "budget.ram_reserve": ("1GiB", "2GiB"),
    "budget.vram": ("vram: auto", "vram: {0: 22GiB}"),
    "budget.vram_reserve": ("512MiB", "1GiB"),
    "switch.strategy": ("strategy: auto", "strategy: replace"),
    "switch.rollback": ("true", "false"),
    "switch.cooldown.min": ("min: 0s", "min: 2s"),
    "switch.cooldown.max": ("max: 30s", "max: 31s"),
    "gateway.listen": ("127.0.0.1:8080", "127.0.0.1:8090"),
    "gateway.api_keys": ("[old]", "[old, new]"),
    "gateway.api_key_file": ("loading:", "api_key_file: /etc/keys, loading:"),
    "gateway.open": ("loading:", "open: true, loading:"),
    "gateway.cors": ("loading:", "cors: ['*'], loading:"),
    "gateway.max_body": ("loading:", "max_body: 1MiB, loading:"),
    "gateway.max_buffered": ("loading:", "max_buffered: 1MiB, loading:"),
    "gateway.queue_timeout": ("10m", "11m"),
    "gateway.max_queue": ("loading:", "max_queue: 9, loading:"),
    "gateway.patience": ("loading:", "patience: 1s, loading:"),
    "gateway.min_residency": ("loading:", "min_residency: 1s, loading:"),
    "gateway.request_timeout": ("loading:", "request_timeout: 1m, loading:"),
    "gateway.default_model": ("loading:", "default_model: m, loading:"),
    "gateway.loading": ("comments", "off"),
    "gateway.access_log": ("loading:", "access_log: json, loading:"),
    "gateway.list_aliases": ("loading:", "list_aliases: true, loading:"),
    "gateway.count_tokens": ("loading:", "count_tokens: false, loading:"),
    "gateway.prewarm": ("loading:", "prewarm: false, loading:"),
    "status.listen": ("8081", "8082"),
    "status.token": ("token: old", "token: new"),
    "status.hosts": ("token: old", "token: old, hosts: [box.example.org]"),
    "status.open": ("token: old", "token: old, open: true"),
    "fleet.head": ("10.0.0.5", "10.0.0.6"),
    "fleet.node": ("token_file:", "node: gpu-1, token_file:"),
    "fleet.address": ("token_file:", "address: 10.0.0.7, token_file:"),
    "fleet.labels": ("token_file:", "labels: {gpu: a100}, token_file:"),
    "fleet.token_file": ("/etc/token", "/etc/other"),
    "fleet.ports.node": ("node: 6380", "node: 6390"),
    "fleet.ports.objects": ("6381", "6382"),
    "fleet.ports.workers": ("6449", "6459"),
    "fleet.lost_after": ("token_file:", "lost_after: 5s, token_file:"),
    "fleet.head_store": ("token_file:", "head_store: memory, token_file:"),
    "vars": ("v: old", "v: new"),
    "include": ("vars:", "include: [more.yaml]\nvars:"),
}


def flip_of(path):
    """A file, and what to replace in it: of a short form its field is added, or its weights are others."""
    form, _, field = path.partition(".")
    if form == "container":
        base = "container: {image: i}"
        return MODEL_TEXT.replace("command: serve", base), (base, f"container: {CONTAINER[field]}")
    if form in {"spans", "worker"}:
        wide = f"fleet: {{head: '127.0.0.2:6379'}}\n{MODEL_TEXT}"
        return wide.replace("%s", "spans: 2\n    worker: {command: work, ready: check}"), FLIPS[path]
    if form not in FORMS:
        return MODEL_TEXT, FLIPS[path]
    if path == "llama.loras":
        base = "llama: {weights: /m.gguf, loras: [{path: /l.gguf}]}"
        return MODEL_TEXT.replace("command: serve", base), (
            base,
            base.replace("l.gguf}", "l.gguf, scale: 0.5}"),
        )
    weights, fields = FORMS[form]
    base = f"{form}: {{weights: {weights}}}"
    other = (fields | COMMON)[field]
    if field == "diffusion":
        flipped = f"{form}: {{diffusion: {other}}}"
    else:
        flipped = f"{form}: {{weights: {other if field == 'weights' else weights}"
        flipped += "}" if field == "weights" else f", {field}: {other}}}"
    return MODEL_TEXT.replace("command: serve", base), (base, flipped)


def spec_of(text):
    return parse(text.replace("%s", ""), path="z", environ={})


def value_at(part, path):
    for name in path.split("."):
        part = getattr(part, name)
    return part


def schema_class(root, path):
    """Follow a path through the schema's references, as an editor does."""
    full = schema()
    node = {"$ref": f"#/$defs/{root}"} if root else full
    for name in path.split("."):
        node = resolved(full, node)["properties"][name]
    return node[CHANGE_KEY]


def resolved(full, node):
    options = [node, *node.get("anyOf", []), *node.get("oneOf", [])]
    reference = next((option["$ref"] for option in options if "$ref" in option), None)
    return full["$defs"][reference.rpartition("/")[2]] if reference else node


FIELDS = [(".".join(path), change_class(field)) for path, field in leaf_fields(ModelSpec)]
ZOO_FIELDS = [
    (".".join(path), change_class(field))
    for path, field in leaf_fields(ZooSpec)
    if path[0] not in {"models", *ZooSpec.apart}
]
EXTERNAL_FIELDS = [(".".join(path), change_class(field)) for path, field in leaf_fields(ExternalModelSpec)]


@pytest.mark.parametrize(("path", "change"), FIELDS)
def test_flipping_a_field_of_a_model_costs_what_its_class_says(path, change):
    text, flip = flip_of(path)
    before = spec_of(text).models["m"]
    after = spec_of(text.replace(*flip)).models["m"]
    assert value_at(before, path) != value_at(after, path), "the flip flips nothing"
    restarted = restart_fields(before) != restart_fields(after)
    assert (change is ChangeClass.RESTART) == restarted
    assert change == schema_class("ModelSpec", path)


@pytest.mark.parametrize(("path", "change"), EXTERNAL_FIELDS)
def test_flipping_a_field_of_a_server_elsewhere_touches_no_process(path, change):
    before = spec_of(EXTERNAL_TEXT)
    after = spec_of(EXTERNAL_TEXT.replace(*(FLIPS | EXTERNAL_FLIPS)[path]))
    assert value_at(before.externals["m"], path) != value_at(after.externals["m"], path), (
        "the flip flips nothing"
    )
    assert {} == before.models == after.models
    assert change is not ChangeClass.RESTART
    assert change == schema_class("ExternalModelSpec", path)


@pytest.mark.parametrize(("path", "change"), ZOO_FIELDS)
def test_flipping_a_field_of_the_zoo_touches_no_model(path, change):
    before = spec_of(ZOO_TEXT)
    after = spec_of(ZOO_TEXT.replace(*ZOO_FLIPS[path]))
    assert value_at(before, path) != value_at(after, path), "the flip flips nothing"
    assert before.models == after.models
    assert change is not ChangeClass.RESTART
    assert change == schema_class("", path)


KEY_FLIPS = {
    "name": ("[{name: a, key: old}]", "[{name: b, key: old}]"),
    "key": ("[{name: a, key: old}]", "[{name: a, key: new}]"),
    "models": ("[{name: a, key: old}]", "[{name: a, key: old, models: [m]}]"),
}


@pytest.mark.parametrize(
    ("path", "change"), [(".".join(path), change_class(field)) for path, field in leaf_fields(ApiKeySpec)]
)
def test_flipping_a_field_of_a_key_touches_no_model(path, change):
    before, after = (spec_of(ZOO_TEXT.replace("[old]", text)) for text in KEY_FLIPS[path])
    assert before.gateway.api_keys != after.gateway.api_keys, "the flip flips nothing"
    assert before.models == after.models
    assert ChangeClass.LIVE is change
    assert change == schema_class("ApiKeySpec", path)


def test_the_walk_finds_every_field_that_the_models_dump():
    spec = spec_of(MODEL_TEXT)
    forms = {f"{form}.{field}" for form, (_, fields) in FORMS.items() for field in fields | COMMON}
    forms |= {f"container.{field}" for field in CONTAINER}
    forms |= {"worker.command", "worker.ready"}
    assert set(dumped(spec.models["m"])) - {"worker"} | forms == {path for path, _ in FIELDS}


def dumped(part, prefix=""):
    for name in type(part).model_fields:
        value = getattr(part, name)
        if isinstance(value, BaseModel):
            yield from dumped(value, f"{prefix}{name}.")
        elif f"{prefix}{name}" in {"container", *FORMS}:
            continue
        else:
            yield f"{prefix}{name}"


KEYED = [
    ("vram: {0: 2GiB}", "vram: {1: 2GiB}"),
    ("vram: {0: 2GiB}", "vram: {0: 2GiB, 1: 2GiB}"),
    ("vram: 2GiB", "vram: {0: 2GiB}"),
    ("vram: {0: 2GiB}", "vram: 2GiB"),
]


@pytest.mark.parametrize(("before", "after"), KEYED)
def test_other_gpus_in_the_mapping_of_vram_replace_the_process(before, after):
    """Its sizes are live; its keys say where the model is, which no running process can follow."""
    old, new = (spec_of(MODEL_TEXT.replace("vram: 2GiB", text, 1)).models["m"] for text in (before, after))
    assert outdated(old, new)
    assert "memory.vram (its keys)" == changed(old, new)
    assert () == live_changes(old, new)


def test_another_size_for_the_same_gpu_is_live_in_whatever_order_they_stand():
    texts = ("vram: {0: 2GiB, 1: 1GiB}", "vram: {1: 1GiB, 0: 3GiB}")
    old, new = (spec_of(MODEL_TEXT.replace("vram: 2GiB", text, 1)).models["m"] for text in texts)
    assert not outdated(old, new)
    assert ("memory.vram",) == live_changes(old, new)


def test_the_class_of_the_keys_is_written_in_the_schema():
    vram = schema()["$defs"]["MemorySpec"]["properties"]["vram"]
    assert ("live", "restart") == (vram[CHANGE_KEY], vram[KEYS_CHANGE_KEY])


def test_a_container_in_place_of_a_command_replaces_the_process():
    text = MODEL_TEXT.replace("command: serve", "container: {image: x}")
    command, container = (spec_of(each).models["m"] for each in (MODEL_TEXT, text))
    assert outdated(command, container)
    assert "container.image" in changed(command, container)
    assert "container.image" in changed(container, command)


def test_the_restart_fields_are_these():
    fields = restart_fields(ModelSpec(command=("serve", "${PORT}"), env={"A": "b"}))
    expected = {
        "command": ("serve", "${PORT}"), "env": {"A": "b"}, "cwd": None, "port": "auto", "gpus": "auto",
    }  # fmt: skip
    assert expected == fields


def test_they_are_found_once_for_each_spec_and_kept_no_longer_than_it():
    spec = ModelSpec(command=("serve",))
    fields = restart_fields(spec)
    assert restart_fields(spec) is fields
    other = spec.model_copy(update={"command": ("another",)})
    assert restart_fields(other)["command"] == ("another",)
    found = {id(spec), id(other)}
    assert found <= changes._FOUND.keys()
    del spec, other
    gc.collect()
    assert found.isdisjoint(changes._FOUND)


def test_the_words_of_a_short_form_are_not_compared_for_a_later_version_may_choose_others():
    model = spec_of(MODEL_TEXT.replace("command: serve", "whisper: {weights: /m.bin}")).models["m"]
    before = model.model_copy(update={"command": ("whisper-server", "--model", "/m.bin")})
    assert not outdated(before, model)
    assert "whisper.weights" in restart_fields(model)


def test_a_command_that_becomes_a_short_form_replaces_the_process():
    before = spec_of(MODEL_TEXT).models["m"]
    after = spec_of(MODEL_TEXT.replace("command: serve", "llama: {weights: /m.gguf}")).models["m"]
    assert outdated(before, after)
    assert outdated(after, before)
    assert "llama.weights" in changed(before, after)


def with_loras(loras, form="llama"):
    return spec_of(
        MODEL_TEXT.replace("command: serve", f"{form}: {{weights: /m.gguf, loras: {loras}}}")
    ).models["m"]


@pytest.mark.parametrize(
    ("before", "after", "restarts"),
    [
        ("[{path: /a, scale: 0.5}]", "[{path: /a, scale: 0.75}]", False),
        ("[{path: /a}, {path: /b}]", "[{path: /a, scale: 0}, {path: /b, scale: 2}]", False),
        ("[{path: /a}, {path: /b}]", "[{path: /b}, {path: /a}]", True),
        ("[{path: /a}]", "[{path: /c}]", True),
        ("[{path: /a}]", "[{path: /a}, {path: /b}]", True),
        ("[{path: /a}]", "[]", True),
    ],
)
def test_scales_of_adapters_are_live_and_any_other_change_of_their_list_restarts(before, after, restarts):
    before, after = with_loras(before), with_loras(after)
    assert restarts == outdated(before, after)
    assert (() if restarts else ("llama.loras",)) == live_changes(before, after)


def test_scales_of_a_server_that_takes_them_at_its_start_alone_restart():
    scaled = [with_loras(f"[{{path: /a, scale: {scale}}}]", "mlx_image") for scale in (0.5, 0.75)]
    assert outdated(*scaled)
