"""Every field has a class, and the class is what happens. The fields are found, not listed: a new one needs a case."""

import pytest
from pydantic import BaseModel

from zoosup.spec.changes import change_class, leaf_fields, restart_fields
from zoosup.spec.model.base import CHANGE_KEY, ChangeClass
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
    "memory.ram": ("ram: 1GiB", "ram: 2GiB"),
    "memory.vram": ("vram: 2GiB", "vram: {0: 2GiB}"),
    "gpus": ("%s", "gpus: [0, 1]"),
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
    "aliases": ("%s", "aliases: [gpt-4o-mini]"),
    "task": ("%s", "task: embed"),
    "upstream_model": ("%s", "upstream_model: default"),
    "strip_params": ("%s", "strip_params: [temperature]"),
    "set_params": ("%s", "set_params: {temperature: 0.5}"),
    "park.sleep": ("POST /sleep", "POST /sleep?level=1"),
    "park.wake": ("/wake_up", "/wake"),
    "park.holds.ram": ("holds: {ram: 1GiB", "holds: {ram: 3GiB"),
    "park.holds.vram": ("vram: 1GiB}}", "vram: 2GiB}}"),
    "description": ("%s", "description: New"),
}
ZOO_TEXT = """\
active: [m]
budget: {ram: 8GiB, ram_reserve: 1GiB, vram: auto, vram_reserve: 512MiB}
switch: {strategy: auto, rollback: true, cooldown: {min: 0s, max: 30s}}
gateway: {listen: 127.0.0.1:8080, api_keys: [old], queue_timeout: 10m, loading: comments}
status: {listen: 127.0.0.1:8081, token: old}
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
    "gateway.loading": ("comments", "off"),
    "gateway.prewarm": ("loading:", "prewarm: false, loading:"),
    "status.listen": ("8081", "8082"),
    "status.token": ("token: old", "token: new"),
    "status.hosts": ("token: old", "token: old, hosts: [box.example.org]"),
    "status.open": ("token: old", "token: old, open: true"),
    "vars": ("v: old", "v: new"),
}


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
    (".".join(path), change_class(field)) for path, field in leaf_fields(ZooSpec) if path[0] != "models"
]


@pytest.mark.parametrize(("path", "change"), FIELDS)
def test_flipping_a_field_of_a_model_costs_what_its_class_says(path, change):
    before = spec_of(MODEL_TEXT).models["m"]
    after = spec_of(MODEL_TEXT.replace(*FLIPS[path])).models["m"]
    assert value_at(before, path) != value_at(after, path), "the flip flips nothing"
    restarted = restart_fields(before) != restart_fields(after)
    assert (change is ChangeClass.RESTART) == restarted
    assert change == schema_class("ModelSpec", path)


@pytest.mark.parametrize(("path", "change"), ZOO_FIELDS)
def test_flipping_a_field_of_the_zoo_touches_no_model(path, change):
    before = spec_of(ZOO_TEXT)
    after = spec_of(ZOO_TEXT.replace(*ZOO_FLIPS[path]))
    assert value_at(before, path) != value_at(after, path), "the flip flips nothing"
    assert before.models == after.models
    assert change is not ChangeClass.RESTART
    assert change == schema_class("", path)


def test_the_walk_finds_every_field_that_the_models_dump():
    spec = spec_of(MODEL_TEXT)
    assert set(dumped(spec.models["m"])) == {path for path, _ in FIELDS}


def dumped(part, prefix=""):
    for name in type(part).model_fields:
        value = getattr(part, name)
        if isinstance(value, BaseModel):
            yield from dumped(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}"


def test_the_restart_fields_are_these():
    fields = restart_fields(ModelSpec(command=("serve", "${PORT}"), env={"A": "b"}))
    expected = {
        "command": ("serve", "${PORT}"), "env": {"A": "b"}, "cwd": None, "port": "auto", "gpus": "auto",
    }  # fmt: skip
    assert expected == fields
