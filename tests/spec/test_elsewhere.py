"""`external`, `variants` and `upstream_headers` in the file: what they become, and how mistakes in them are told."""

import pytest

from zoosup.spec.defaults import SERVED_BY
from zoosup.spec.parse import parse
from zoosup.spec.syntax.problems import SpecError

HEAD = "active: []\n"
URL = "external: {url: 'https://box2/v1'}"


def spec_of(text, environ=None):
    return parse(HEAD + text, path="z", environ=environ or {})


def mistakes(text):
    with pytest.raises(SpecError) as caught:
        parse(text, path="z", environ={})
    return [str(problem) for problem in caught.value.problems]


def test_a_server_elsewhere_stands_among_the_models_and_is_none_of_ours():
    spec = spec_of(
        "models: {a: {command: x}, b: {external: {url: 'https://${env.BOX}/v1', api_key: '${env.KEY}'}}}",
        {"BOX": "box2", "KEY": "hunter2"},
    )
    assert (["a"], ["b"]) == (list(spec.models), list(spec.externals))
    external = spec.externals["b"].external
    assert "https://box2/v1" == external.url
    assert external.api_key is not None
    assert "hunter2" == external.api_key.get_secret_value()
    assert "hunter2" not in repr(spec) + spec.model_dump_json()


def test_what_defaults_say_of_processes_is_no_matter_for_a_server_elsewhere():
    spec = spec_of(
        "defaults: {command: x, port: 9, stop: {grace: 1s}, ready: {exec: [ok]}, default_params: {top_k: 1}}\n"
        f"models: {{a: {{}}, b: {{{URL}, ready: {{interval: 1s}}}}}}"
    )
    assert {"top_k": 1} == spec.externals["b"].default_params
    assert 1.0 == spec.externals["b"].ready.interval
    assert ("x",) == spec.models["a"].command


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            f"models:\n  a:\n    command: x\n    {URL}",
            (
                f"z:5:5: models.a.external: stands beside command, expected one of {', '.join(SERVED_BY)}, which "
                "say who serves the model"
            ),
        ),
        (
            f"models:\n  a:\n    {URL}\n    command: x",
            (
                f"z:5:5: models.a.command: stands beside external, expected one of {', '.join(SERVED_BY)}, which "
                "say who serves the model"
            ),
        ),
        (
            f"models:\n  a: {{{URL}, idle_timeout: 1m}}",
            (
                "z:3:43: models.a.idle_timeout: is about a process of zoosup's, and external is somebody else's "
                "server, expected it left out"
            ),
        ),
        (
            f"models:\n  a: {{{URL}, idel: 1m}}",
            (
                "z:3:43: models.a.idel: unknown key, expected one of external, aliases, task, upstream_model, "
                "upstream_headers, strip_params, default_params, set_params, variants, ready, description"
            ),
        ),
        (
            f"models:\n  a: {{{URL}, ready: {{exec: [x]}}}}",
            "z:3:51: models.a.ready.exec: unknown key, expected one of http, tcp, interval, timeout",
        ),
        (
            f"models:\n  a: {{{URL}, ready: {{tcp: true, http: /x}}}}",
            "z:3:51: models.a.ready.tcp: has http and tcp, expected one of http and tcp",
        ),
        (
            "models:\n  a: {external: {url: 'https://k:hunter2@b'}}",
            (
                "z:3:23: models.a.external.url: got 'https://k:hunter2@b', expected an address such as "
                "https://box2:8000/v1, without a name, a key or a query in it"
            ),
        ),
        (
            "models:\n  a: {external: {url: 'https://b:70000'}}",
            (
                "z:3:23: models.a.external.url: got 'https://b:70000', expected an address such as "
                "https://box2:8000/v1, without a name, a key or a query in it"
            ),
        ),
        (
            "models:\n  a: {external: {url: 'http://b:${PORT}'}}",
            "z:3:23: models.a.external.url: ${PORT} has no value",
        ),
        (
            f"models:\n  a: {{{URL}, ready: {{http: '/x${{PORT}}'}}}}",
            "z:3:57: models.a.ready.http: ${PORT} has no value",
        ),
        (
            "models:\n  a: {external: {}}",
            (
                "z:3:7: models.a.external.url: is missing, expected the address of its API, such as "
                "https://box2:8000/v1: what its clients call the base URL"
            ),
        ),
        (
            "models:\n  a: {command: x, upstream_headers: {X-Key: [hunter2]}}",
            "z:3:45: models.a.upstream_headers.X-Key: got a list, expected a string",
        ),
        (
            'models:\n  a: {command: x, upstream_headers: {X-Key: "a\\r\\nHost: b"}}',
            "z:3:45: models.a.upstream_headers.X-Key: holds what no header may, expected printable ASCII, in one line",
        ),
        (
            "models:\n  a: {command: x, upstream_headers: {X-Key: a, x-key: b}}",
            "z:3:37: models.a.upstream_headers: holds the same header twice, expected each header once",
        ),
        (
            "externals: {}\nmodels: {}",
            "z:2:1: externals: unknown key, expected models with `external` under models",
        ),
        (
            "models:\n  a: {command: x, variants: {b: {}}}\n  b: {command: x}",
            "z:3:30: models.a.variants.b: b is the name of a model already, expected each name once",
        ),
        (
            "models:\n  a: {command: x, variants: {v: {}}}\n  b: {command: x, aliases: [v]}",
            "z:4:29: models.b.aliases.0: v is a variant of a already, expected each name once",
        ),
        (
            "models:\n  a: {command: x}\n  b: {external: {url: 'http://b', models: {a: x}}}",
            "z:4:44: models.b.external.models.a: a is the name of a model already, expected each name once",
        ),
        (
            "models:\n  a: {command: x, aliases: [q]}\n  b: {external: {url: 'http://b', models: [q]}}",
            "z:4:44: models.b.external.models.q: q is an alias of a already, expected each name once",
        ),
        (
            "defaults: {variants: {v: {}}}\nmodels: {a: {command: x}, b: {command: x}}",
            (
                "z:2:23: defaults.variants.v: is a variant of b too by this, and v is a variant of a already, expected "
                "variants under the one model that they mean"
            ),
        ),
        (
            "gateway: {default_model: bb}\nmodels: {a: {command: x, aliases: [b]}}",
            (
                "z:2:26: gateway.default_model: bb is no model of this file; did you mean b?, expected a name that "
                "clients may use, or active"
            ),
        ),
    ],
)
def test_a_mistake_is_told_with_its_place(text, expected):
    assert [expected] == mistakes(HEAD + text)


def test_a_server_elsewhere_can_t_be_active():
    expected = (
        "z:1:9: active: a is a server elsewhere, which zoosup does not start, expected a model of this host"
    )
    assert [expected] == mistakes(f"active: a\nmodels: {{a: {{{URL}}}}}")
