"""The schema and the parser agree; where they can't, the schema is the milder one."""

import json
import re
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from zoosup.spec.model.base import CHANGE_KEY, ChangeClass
from zoosup.spec.parse import parse
from zoosup.spec.schema import schema, schema_text
from zoosup.spec.syntax.document import compose, plain
from zoosup.spec.syntax.problems import Problems, SpecError

HERE = Path(__file__).parents[2]
VALIDATOR = Draft202012Validator(schema())
HEAD = "active: []\nmodels: {}\n"

GOOD = {
    "the empty zoo": HEAD,
    "one active": "active: m\nmodels: {m: {command: serve}}",
    "several active": "active: [m, n]\nmodels: {m: {command: serve}, n: {command: [a, b]}}",
    "a name that looks like a number": "active: 1e3\nmodels: {1e3: {command: serve}}",
    "auto budget": HEAD + "budget: {ram: auto, ram_reserve: 1.5GiB}",
    "GPU budgets": HEAD + "budget: {vram: {0: 22GiB, '1:0': 5GB, GPU-8f6f: 40GiB}, vram_reserve: 1GiB}",
    "one budget for every GPU": HEAD + "budget: {vram: 22GiB}",
    "GPUs": "active: []\nmodels: {a: {command: x, gpus: 2}, b: {command: x, gpus: [0, '1', GPU-8f6f]}, "
    "c: {command: x, gpus: none}, d: {command: x, gpus: auto, memory: {ram: 1GiB, vram: {0: 1GiB, 1: 2GiB}}}}",
    "cool-down": HEAD + "switch: {strategy: overlap, rollback: false, cooldown: {min: 2s, max: 1h30m}}",
    "no server": HEAD + "status: {listen: null}",
    "IPv6": HEAD + "status: {listen: '[::1]:80', token: x}",
    "templates": HEAD + "vars: {a: x, h: '127.0.0.1:1'}\nstatus: {listen: '${h}', token: '${a}'}",
    "fragments": HEAD + "x-a: [1, {b: c}]\nx-b: null",
    "a command in defaults": "active: []\ndefaults: {command: serve}\nmodels: {m: {}}",
    "half a limit in defaults": "active: []\ndefaults: {restart: {limit: {within: 1m}}}\n"
    "models: {m: {command: x, restart: {limit: {count: 3}}}}",
    "probes": "active: []\nmodels: {m: {command: x, ready: {exec: a b, tcp: false, http: null}, live: null}}",
    "paths": "active: []\nvars: {r: /r}\nmodels: {m: {command: x, cwd: '${r}/x', ready: {http: '${r}'}}}",
    "signals": "active: []\nmodels: {m: {command: x, stop: {signal: SigUsr1, before: {http: GET /}, command: [a]}}}",
    "back-off": "active: []\nmodels: {m: {command: x, restart: {policy: never, factor: 1.5, limit: null}}}",
    "included files": HEAD + "include: [models.d/*.yaml, /etc/more.yaml]",
    "short forms": "active: []\ndefaults: {llama: {program: x, args: -a b}, vllm: {sleep: true}}\nmodels: {a: {llama: "
    "{weights: /m, kv: [q8_0, f16], flash: on, cpu_moe: 3, gpu_layers: all, loras: [{path: /l, scale: 1}]}}, "
    "b: {vllm: {weights: o/r, gpu_memory: 0.5}}, c: {command: x, llama: null}, d: {sd: {diffusion: /d}}}",
    "a short form in defaults": "active: []\ndefaults: {llama: {weights: /m}}\nmodels: {m: {}}",
    "a server elsewhere": "active: []\nmodels: {m: {external: {url: 'https://box2:8000/v1'}}}",
    "a server elsewhere with a key in vars": "active: []\nvars: {u: 'http://[::1]:80'}\nmodels: {m: {external: {url: "
    "'${u}', api_key: x, ca_file: /ca.pem, models: {a: org/a}}, upstream_headers: {X-Team: a}, variants: {v: {}}}}",
    "models of a server elsewhere": "active: []\nmodels: {m: {external: {url: 'https://b', models: [a, b]}}}",
    "command in defaults and a server elsewhere": "active: []\ndefaults: {command: x, port: 1}\n"
    "models: {m: {external: {url: 'https://b'}}}",
    "variants": "active: []\nmodels: {m: {command: x, variants: {f: {set_params: {k: {e: false}}, description: d}}, "
    "default_params: {a: 1}, upstream_headers: {Authorization: Bearer x}}}",
    "keys with names": "active: []\nmodels: {m: {command: x}}\ngateway: {api_keys: [k, {name: a, key: b, "
    "models: [m]}]}",
    "a default model": HEAD + "gateway: {default_model: active, request_timeout: 10m}",
    "a fleet": HEAD
    + "fleet: {head: '10.0.0.5:6379', node: gpu-1, address: 10.0.0.7, labels: {gpu: a100}, token_file: "
    "/etc/token, ports: {node: 6380, objects: 6381, workers: 6400-6449}, lost_after: 5s, head_store: 'redis://r:6379'}",
    "a fleet of one host": HEAD
    + "vars: {n: a}\nfleet: {head: '127.0.0.2:6379', node: '${n}', labels: {a: '${n}'}}",
    "hosts of models": "active: []\nmodels: {a: {command: x, hosts: gpu-1}, b: {command: x, hosts: [1, no, gpu-2], "
    "replicas: 3}, c: {command: x, hosts: {gpu: a100}, replicas: all}, d: {command: x, hosts: []}}",
    "a model over several hosts": "active: []\nfleet: {head: '127.0.0.2:6379'}\nmodels: {a: {command: x, spans: 2, "
    "memory: {ram: 1GiB}, worker: {command: 'w ${LEADER}', ready: [check, '${ADDRESS}']}}}",
    "numbers": "active: []\nmodels: {m: {command: x, port: 80, live: {failures: 3}, ready: {interval: 50ms}}}",
}
BAD = {
    "empty": "",
    "no models": "active: []",
    "no active": "models: {}",
    "null active": "active:\nmodels: {}",
    "null models": "active: []\nmodels:",
    "unknown key": HEAD + "bugdet: {}",
    "unknown field": "active: []\nmodels: {m: {command: x, prot: 1}}",
    "unknown field in defaults": HEAD + "defaults: {prot: 1}",
    "no command": "active: []\nmodels: {m: {}}",
    "no command, other defaults": "active: []\ndefaults: {port: 1}\nmodels: {m: {}}",
    "a key without a name": HEAD + "gateway: {api_keys: [{key: k}]}",
    "a key for no model": HEAD + "gateway: {api_keys: [{name: a, key: k, models: []}]}",
    "a key with an odd name": HEAD + "gateway: {api_keys: [{name: a b, key: k}]}",
    "included files that are no list": HEAD + "include: models.d/*.yaml",
    "an included file twice": HEAD + "include: [a, a]",
    "no weights' size": "active: []\nmodels: {m: {llama: {weights: /m, cache_ram: 1}}}",
    "an unknown cache type": "active: []\nmodels: {m: {llama: {weights: /m, kv: q3}}}",
    "an odd key of a short form": "active: []\nmodels: {m: {llama: {weights: /m, ctx: 1}}}",
    "an adapter that is a text": "active: []\nmodels: {m: {llama: {weights: /m, loras: [/l]}}}",
    "empty command": "active: []\nmodels: {m: {command: []}}",
    "blank command": "active: []\nmodels: {m: {command: ' '}}",
    "numbers in a command": "active: []\nmodels: {m: {command: [x, 1]}}",
    "a bare size": HEAD + "budget: {ram: 12}",
    "no GPU at all": "active: []\nmodels: {m: {command: x, gpus: 0}}",
    "an empty list of GPUs": "active: []\nmodels: {m: {command: x, gpus: []}}",
    "a GPU by its name": "active: []\nmodels: {m: {command: x, gpus: [H100]}}",
    "a bare size of VRAM": "active: []\nmodels: {m: {command: x, memory: {ram: 1GiB, vram: 7}}}",
    "a budget of a GPU by its name": HEAD + "budget: {vram: {H100: 1GiB}}",
    "a wrong unit": HEAD + "budget: {ram: 12G}",
    "a bare duration": "active: []\nmodels: {m: {command: x, stop: {grace: 5}}}",
    "no duration at all": "active: []\nmodels: {m: {command: x, stop: {grace: ''}}}",
    "zero where none may be": "active: []\nmodels: {m: {command: x, ready: {timeout: 0s}}}",
    "units in the wrong order": "active: []\nmodels: {m: {command: x, stop: {grace: 1s1m}}}",
    "a port out of range": "active: []\nmodels: {m: {command: x, port: 65536}}",
    "a quoted port": "active: []\nmodels: {m: {command: x, port: '80'}}",
    "a number in env": "active: []\nmodels: {m: {command: x, env: {A: 1}}}",
    "a bad name in env": "active: []\nmodels: {m: {command: x, env: {A=B: c}}}",
    "a bad name of a model": "active: []\nmodels: {a/../b: {command: x}}",
    "a reserved variable": HEAD + "vars: {PORT: x}",
    "a relative cwd": "active: []\nmodels: {m: {command: x, cwd: models}}",
    "two kinds of probe": "active: []\nmodels: {m: {command: x, ready: {tcp: true, exec: y}}}",
    "yes for true": "active: []\nmodels: {m: {command: x, ready: {tcp: yes}}}",
    "a path without slash": "active: []\nmodels: {m: {command: x, ready: {http: health}}}",
    "a call without method": "active: []\nmodels: {m: {command: x, stop: {before: {http: /drain}}}}",
    "an unknown signal": "active: []\nmodels: {m: {command: x, stop: {signal: STOP}}}",
    "an unknown policy": "active: []\nmodels: {m: {command: x, restart: {policy: often}}}",
    "a factor below one": "active: []\nmodels: {m: {command: x, restart: {factor: 0.5}}}",
    "an unknown strategy": HEAD + "switch: {strategy: swap}",
    "an address without host": HEAD + "status: {listen: ':80'}",
    "a server elsewhere at the top": HEAD + "externals: {}",
    "a server without an address": "active: []\nmodels: {m: {external: {}}}",
    "an address without http": "active: []\nmodels: {m: {external: {url: 'box2:8000'}}}",
    "an address with a query": "active: []\nmodels: {m: {external: {url: 'https://box2/v1?key=x'}}}",
    "an address with a password": "active: []\nmodels: {m: {external: {url: 'https://a:b@box2/v1'}}}",
    "a server elsewhere with a port": "active: []\nmodels: {m: {external: {url: 'https://b'}, port: 1}}",
    "a header of the connection": "active: []\nmodels: {m: {command: x, upstream_headers: {Host: a}}}",
    "an unknown field of a variant": "active: []\nmodels: {m: {command: x, variants: {f: {command: y}}}}",
    "a model's name set by a variant": "active: []\nmodels: {m: {command: x, variants: {f: {set_params: {model: y}}}}}",
    "a fleet without a head": HEAD + "fleet: {node: a}",
    "a head without a port": HEAD + "fleet: {head: 127.0.0.2}",
    "an odd key of a fleet": HEAD + "fleet: {head: '127.0.0.2:1', nodes: a}",
    "an odd name of a host": HEAD + "fleet: {head: '127.0.0.2:1', node: -a}",
    "a label that is a number": HEAD + "fleet: {head: '127.0.0.2:1', labels: {rack: 1}}",
    "ports that are no range": HEAD + "fleet: {head: '127.0.0.2:1', ports: {workers: 6400}}",
    "an unknown store": HEAD + "fleet: {head: '127.0.0.2:1', head_store: disk}",
    "no hosts to span": "active: []\nmodels: {m: {command: x, spans: 0}}",
    "no replicas": "active: []\nmodels: {m: {command: x, replicas: 0}}",
    "replicas by another word": "active: []\nmodels: {m: {command: x, replicas: each}}",
    "hosts by an odd name": "active: []\nmodels: {m: {command: x, hosts: [a b]}}",
    "hosts of a server elsewhere": "active: []\nmodels: {m: {external: {url: 'https://b'}, hosts: [a]}}",
    "the same name twice": "active: [m, m]\nmodels: {m: {command: x}}",
}


def document(text):
    node = compose(text, Problems("z"))
    return None if node is None else plain(node)


def mentioned(node):
    if isinstance(node, dict):
        yield node
        for inner in node.values():
            yield from mentioned(inner)
    elif isinstance(node, list):
        for inner in node:
            yield from mentioned(inner)


def test_the_committed_schema_is_fresh():
    """When this fails: python -m zoosup.spec.schema > schemas/zoo.schema.json."""
    assert schema_text() == (HERE / "schemas/zoo.schema.json").read_text(encoding="utf-8")


def test_the_schema_is_a_schema():
    Draft202012Validator.check_schema(json.loads(schema_text()))


@pytest.mark.parametrize("text", GOOD.values(), ids=GOOD)
def test_what_the_parser_takes_the_schema_takes(text):
    parse(text, path="z", environ={})
    assert [] == [error.message for error in VALIDATOR.iter_errors(document(text))]


@pytest.mark.parametrize("text", BAD.values(), ids=BAD)
def test_what_the_schema_refuses_the_parser_refuses(text):
    assert not VALIDATOR.is_valid(document(text))
    with pytest.raises(SpecError):
        parse(text, path="z", environ={})


VALUES = {"ADDRESS": "127.0.0.2", "NODE_PORT": "2", "WORKER_PORTS": "3-4"}
"""Of variables that an example speaks of, where not any number will do."""

EXAMPLES = sorted((HERE / "examples").glob("*/zoo.yaml"))


@pytest.mark.parametrize("path", EXAMPLES, ids=[path.parent.name for path in EXAMPLES])
def test_the_examples_are_valid_for_both(path):
    text = path.read_text(encoding="utf-8")
    named = re.findall(r"\$\{env\.(\w+)\}", text)
    parse(text, path=str(path), environ={name: VALUES.get(name, "1") for name in named})
    assert [] == [error.message for error in VALIDATOR.iter_errors(document(text))]


def test_there_are_examples():
    assert EXAMPLES


def test_every_field_says_what_it_is_and_what_its_change_costs():
    silent = [
        name
        for node in mentioned(schema())
        for name, field in node.get("properties", {}).items()
        if "additionalProperties" in node
        and not (field.get("description") and field.get(CHANGE_KEY) in list(ChangeClass))
    ]
    assert [] == silent


def test_defaults_are_written_as_a_person_would():
    definitions = schema()["$defs"]
    written = (
        definitions["StopSpec"]["properties"]["grace"],
        definitions["RestartSpec"]["properties"]["max"],
    )
    assert ["30s", "5m"] == [field["default"] for field in written]
