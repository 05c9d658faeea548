"""What each key of a llama-swap file becomes, and what is said where it becomes nothing."""

import json

import pytest
from hypothesis import given, strategies as st

from tests.importing.imports import llama_swap
from zoosup.errors import InvalidFileError
from zoosup.importing.draft import Host

SERVER = "llama-server -m /m.gguf --port ${PORT}"


def one(rest="", cmd=SERVER, top="", **more):
    """The only model of a file."""
    lines = "".join(f"    {line}\n" for line in rest.splitlines())
    return llama_swap(f"{top}\nmodels:\n  m:\n    cmd: {cmd}\n{lines}", **more)


def model(*args, **more):
    return one(*args, **more).spec.models["m"]


@pytest.mark.parametrize(
    ("rest", "top", "seconds"),
    [
        ("", "", 0.0),
        ("ttl: 300", "", 300.0),
        ("ttl: 0", "globalTTL: 60", 0.0),
        ("ttl: -1", "globalTTL: 60", 60.0),
        ("", "globalTTL: 60", 60.0),
        ("ttl:", "globalTTL: 60", 60.0),
    ],
)
def test_how_long_it_stays_without_requests(rest, top, seconds):
    found = model(rest, top=top)
    assert (seconds, True) == (found.idle_timeout, found.on_demand)


@pytest.mark.parametrize(
    ("text", "deadline"), [("healthCheckTimeout: 500", 500.0), ("healthCheckTimeout: 3", 15.0), ("", 600.0)]
)
def test_how_long_it_may_load(text, deadline):
    assert deadline == model(top=text).ready.deadline


@pytest.mark.parametrize(
    ("endpoint", "http", "tcp"),
    [("/health", "/health", False), ("/v1/models", "/v1/models", False), ("v1/models", "/v1/models", False),
     ("none", None, True), ("/a/", "/a/", False)],
)  # fmt: skip
def test_how_it_is_asked_whether_it_is_ready(endpoint, http, tcp):
    ready = model(f"checkEndpoint: {endpoint}").ready
    assert (http, tcp) == (ready.http, ready.tcp)


def test_macros_are_texts_in_texts_and_a_models_own_go_first():
    top = "macros: {a: '${b} -c ${n}', b: llama-server -m /x, n: 7, 'long-one': '--port ${PORT}'}"
    assert ("llama-server", "-m", "/x", "-c", "7", "--port", "${PORT}") == model(
        cmd="${a} ${long-one}", top=top
    ).command
    assert "8" in model("macros: {n: 8}", cmd="${a} ${long-one}", top=top).command


def test_macros_of_one_file_serve_another():
    found = llama_swap("macros: {s: llama-server -m /m --port}", "models: {m: {cmd: '${s} ${PORT}'}}")
    assert ("llama-server", "-m", "/m", "--port", "${PORT}") == found.spec.models["m"].command


@pytest.mark.parametrize(
    ("macros", "said"),
    [("{a: '${a}'}", "the macro a contains itself"), ("{b: x}", "no macro is named a: ${a} stays as it is"),
     ("{a: '${b}${b}', b: '${a}'}", "contains itself")],
)  # fmt: skip
def test_a_macro_that_leads_nowhere_is_said(macros, said):
    found = one(cmd="serve ${a} ${PORT}", top=f"macros: {macros}")
    assert found.said(said)


def test_a_macro_bomb_is_cut():
    macros = (
        "macros:\n  a0: "
        + "x" * 100
        + "\n"
        + "".join(f"  a{n}: '{f'${{a{n - 1}}}' * 10}'\n" for n in range(1, 9))
    )
    assert one(cmd="serve ${a8}", top=macros).said("come to more than")


def test_names_that_can_be_are_kept_and_others_said():
    found = one("aliases: [gpt-4o, 'a b', m, {id: mini, name: x}, 3]\nuseModelName: o/r")
    assert (("gpt-4o", "mini", "3"), "o/r") == (
        found.spec.models["m"].aliases,
        found.spec.models["m"].upstream_model,
    )
    assert ["c.yaml:5: the alias 'a b' can't be a name here and is left out"] == found.remarks


def test_ids_that_can_not_be_names_are_mended_and_stay_apart():
    found = llama_swap(
        f"models: {{'a b': {{cmd: '{SERVER}'}}, a-b: {{cmd: '{SERVER}'}}, A-B: {{cmd: '{SERVER}'}}}}"
    )
    assert ["a-b", "a-b-2", "A-B-3"] == list(found.spec.models)
    assert 3 == len(found.said("can't be a name here: clients have to ask for"))


def test_the_id_stands_for_itself_where_the_name_is_another():
    found = llama_swap("models: {'a b': {cmd: 'llama-server -m /m --port ${PORT} --alias \"${MODEL_ID}\"'}}")
    assert "a b" == found.spec.models["a-b"].command[-1]


@pytest.mark.parametrize(
    ("env", "gpus", "kept"),
    [
        ("['CUDA_VISIBLE_DEVICES=1']", ("1",), {}),
        ("['CUDA_VISIBLE_DEVICES=GPU-8f,0', 'A=b=c']", ("GPU-8f", "0"), {"A": "b=c"}),
        ("['CUDA_VISIBLE_DEVICES=']", "none", {}),
        ("['CUDA_VISIBLE_DEVICES=x']", "auto", {"CUDA_VISIBLE_DEVICES": "x"}),
        ("['HIP_VISIBLE_DEVICES=0']", "auto", {"HIP_VISIBLE_DEVICES": "0"}),
    ],
)
def test_gpus_that_its_environment_names_become_its_gpus(env, gpus, kept):
    found = model(f"env: {env}")
    assert (gpus, kept) == (found.gpus, dict(found.env))


def test_what_is_no_variable_is_said():
    assert 3 == len(one("env: [7, 'a b=c', x]").said("which is no NAME=value"))
    assert one("env: {A: b}").said("env is no list")


def test_parameters_are_stripped_and_set_but_never_the_model():
    found = model(
        "filters: {stripParams: 'temperature, model, top_p,,top_p', setParams: {top_k: 1, model: x, a: {b: [1]}}}"
    )
    assert (("temperature", "top_p"), {"top_k": 1, "a": {"b": [1]}}) == (
        found.strip_params,
        dict(found.set_params),
    )


VARIANTS = (
    "filters: {setParamsByID: {'${MODEL_ID}': {x: 1}, '${MODEL_ID}:think': {kw: {on: true}}, 'a b': {y: 1}}}"
)


def test_names_with_other_parameters_are_variants():
    found = one(f"aliases: ['m:think', other]\n{VARIANTS}").spec.models["m"]
    assert {"x": 1} == dict(found.set_params)
    assert {"m:think": {"kw": {"on": True}}} == {
        name: dict(each.set_params) for name, each in found.variants.items()
    }
    assert ("other",) == found.aliases


@pytest.mark.parametrize(
    "url", ["http://box:1", "http://box", "http://[fd00::2]:1", "https://box", "https://box:8443/api"]
)
def test_a_proxy_to_another_host_is_a_server_elsewhere(url):
    found = one(f"proxy: '{url}/'", cmd="serve")
    assert url == found.spec.externals["m"].external.url
    assert [
        "c.yaml:3: m: its proxy is on another host; it is a server elsewhere now, at " + url
    ] == found.remarks


@pytest.mark.parametrize("host", ["127.0.0.2", "box.local", "192.168.1.5"])
def test_a_proxy_at_the_port_that_was_chosen_for_it_is_a_server_here(host):
    found = one(f"proxy: 'http://{host}:${{PORT}}'", cmd="bash ./serve.sh ${PORT}")
    assert ("bash", "./serve.sh", "${PORT}") == found.spec.models["m"].command
    assert found.said(f"llama-swap asked it at {host}; here it has to listen on 127.0.0.1")


def test_a_fixed_port_of_the_hosts_other_loopback_addresses_is_here_too():
    found = one("proxy: http://127.0.0.3:9001", cmd="serve --port 9001")
    assert ("serve", "--port", "${PORT}") == found.spec.models["m"].command


@pytest.mark.parametrize("proxy", ["127.0.0.1:9000", "localhost:9000", "ftp://[::bad", "http://h:99999"])
def test_a_proxy_that_is_no_address_is_said(proxy):
    found = one(f"proxy: '{proxy}'")
    assert [f"c.yaml:3: m: proxy {proxy!r} is no address"] == found.remarks


def test_a_command_that_serves_nothing_is_a_server_elsewhere():
    rest = "proxy: http://10.0.0.9:1234\ncheckEndpoint: none\nttl: 5\naliases: [far]\nuseModelName: org/m"
    found = one(rest, cmd="sleep infinity")
    model = found.spec.externals["m"]
    assert ("http://10.0.0.9:1234", ("far",), "org/m") == (
        model.external.url,
        model.aliases,
        model.upstream_model,
    )
    assert found.said("it is a server elsewhere now, at http://10.0.0.9:1234")


def test_peers_are_servers_elsewhere_with_their_models_and_keys():
    text = "peers:\n  box: {proxy: 'http://10.0.0.7:8080', apiKey: '${env.K}', models: [big, bigger, m], filters: {}}\n"
    found = one(top=text)
    external = found.spec.externals["box"].external
    assert ("http://10.0.0.7:8080", {"big": "big", "bigger": "bigger"}) == (
        external.url,
        dict(external.models),
    )
    assert "unset-K" == external.api_key.get_secret_value()
    assert found.said("the alias m of box is a name of m already")
    assert found.said("filters of the peer box can't be carried over")


@pytest.mark.parametrize(
    ("proxy", "cmd", "command", "port"),
    [
        ("http://127.0.0.1:8012", "s --port 8012", "s --port ${PORT}", "auto"),
        ("http://0.0.0.0:8012/", "s --port=8012", "s --port=${PORT}", "auto"),
        ("http://localhost:${PORT}", "s --port ${PORT}", "s --port ${PORT}", "auto"),
        ("http://127.0.0.1:9012", "s", "s", 9012),
    ],
)
def test_fixed_ports_go_back_to_the_models_own(proxy, cmd, command, port):
    found = model(f"proxy: {proxy}", cmd=cmd)
    assert (tuple(command.split()), port) == (found.command, found.port)


def test_a_port_that_is_zoosups_own_can_not_be_a_models():
    found = one("proxy: http://127.0.0.1:8080", cmd="serve")
    assert {} == found.spec.models
    assert found.said("m is left out: port: 8080 is the port of the gateway")


@pytest.mark.parametrize(
    ("cmd", "rest", "why"),
    [
        ("docker compose up x", "", "compose starts it"),
        ("docker-compose -f a up", "", "compose starts it"),
        (r"C:\x\llama-server.exe -m x", "", "for Windows"),
        ("serve 'open", "", "can't be read: no closing quotation"),
        ("''", "", "it has no cmd"),
        ("docker run --network x i", "", "nothing says at which port"),
    ],
)
def test_what_can_not_be_a_model_is_a_comment_with_its_reason(cmd, rest, why):
    found = one(rest, cmd="|\n      " + cmd if cmd.strip("'") else cmd)
    assert {} == found.spec.models
    assert found.said("m is left out: ")
    assert found.said(why)
    assert "# m is left out: " in found.text


def test_a_server_of_which_no_need_is_known_counts_for_what_the_host_says():
    found = one(cmd="bash /x.sh ${PORT}", host=Host(40 * 2**30, 20 * 2**30)).spec.models["m"].memory
    assert (40 * 2**30, 20 * 2**30) == (found.ram, found.vram)
    without = one(cmd="bash /x.sh ${PORT}", host=Host())
    assert "auto" == without.spec.models["m"].memory
    assert "# memory: say what it needs" in without.text
    assert "auto" == model(host=Host(40 * 2**30, None)).memory


def test_what_is_preloaded_is_active_by_name_or_alias_once():
    top = "hooks: {on_startup: {preload: [other, m, x]}}"
    found = one("aliases: [other]", top=top)
    assert ("m",) == found.spec.active
    assert found.said("hooks: 'x' is no model")


def test_what_is_preloaded_by_the_name_of_a_variant_is_its_model():
    found = one(VARIANTS, top="hooks: {on_startup: {preload: ['m:think']}}")
    assert (("m",), []) == (found.spec.active, found.said("hooks"))


@pytest.mark.parametrize(
    "text", ["hooks:", "hooks: {on_startup: {preload: }}", "hooks: {on_startup: {preload: []}}", ""]
)
def test_nothing_preloaded_is_nothing_active(text):
    assert () == one(top=text).spec.active


@pytest.mark.parametrize(
    ("preload", "persistent", "on_demand"),
    [("[m]", "true", False), ("[]", "true", True), ("[m]", "false", True)],
)
def test_a_persistent_group_keeps_what_is_preloaded(preload, persistent, on_demand):
    groups = f"groups: {{g: {{persistent: {persistent}, members: [m]}}}}"
    found = one(top=f"hooks: {{on_startup: {{preload: {preload}}}}}\n{groups}")
    assert on_demand == found.spec.models["m"].on_demand
    assert found.said("the group g is a comment now")


def test_keys_of_clients_and_what_they_see_meanwhile():
    gateway = one(top="apiKeys: ['${env.K}', sk-1]\nsendLoadingState: true").spec.gateway
    assert ["unset-K", "sk-1"] == [each.key.get_secret_value() for each in gateway.api_keys]
    assert "reasoning" == gateway.loading


def test_keys_that_nobody_knows_are_said_and_passed_over():
    top = (
        "port: 80\nlisten: x\nlogLevel: debug\nprofiles: {a: [m]}\nui: {}\n"
        "routing: {scheduler: {use: fifo, settings: {fifo: {priority: {m: 1}}}}}"
    )
    found = one("readyTimeout: 1\nttl: soon\ncompat: {ignoreWebsockets: true}", top=top)
    assert {"port", "listen", "readyTimeout"} == {
        each.split(" is no key")[0].rpartition(" ")[2] for each in found.said("is no key of llama-swap's")
    }
    for each in ("profiles", "ui", "the scheduler", "m: compat of a model"):
        assert found.said(f"{each} has no counterpart")
    assert found.said("ttl 'soon' is no number")


def test_keys_that_stand_twice_count_once_and_are_said():
    found = llama_swap(f"models:\n  m:\n    cmd: x\n  m:\n    cmd: {SERVER}\n    ttl: 1\n    ttl: 2\n")
    assert 2.0 == found.spec.models["m"].idle_timeout
    assert 2 == len(found.said("already; this one counts"))


def test_a_model_of_two_files_is_the_last_ones():
    found = llama_swap("models: {m: {cmd: x}}", f"models: {{m: {{cmd: '{SERVER}'}}}}")
    assert "llama-server" == found.spec.models["m"].command[0]
    assert ["d.yaml:1: m stands in c.yaml:1 already; this one counts"] == found.said("stands in")


def test_anchors_and_merged_tables_are_read():
    text = f"x-base: &b {{cmd: '{SERVER}', ttl: 5}}\nmodels: {{m: {{<<: *b, ttl: 7}}, n: *b}}"
    found = llama_swap(text).spec.models
    assert (7.0, 5.0) == (found["m"].idle_timeout, found["n"].idle_timeout)


@pytest.mark.parametrize(
    "text", ["a: [", "a: &x [*x]", "\tx: 1", "a: *nobody", "x: " + "[" * 99, "a: \x01"], ids=range(6)
)
def test_what_can_not_be_read_is_refused_with_its_place(text):
    with pytest.raises(InvalidFileError, match=r"^c\.yaml"):
        llama_swap(text)


@pytest.mark.parametrize(
    "text", ["", "# nothing", "models:", "models: []", "models: {m: }", "[a, b]", "just text", "7"]
)
def test_a_file_without_models_is_an_empty_zoo(text):
    found = llama_swap(text)
    assert ((), {}) == (found.spec.active, dict(found.spec.models))


LETTERS = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=12)
TEXTS = st.one_of(
    LETTERS, st.sampled_from(["${PORT}", "${MODEL_ID}", "${x}", "${env.A}", "0.0.0.0", "none", "/a b", "#"])
)
SCALARS = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), TEXTS)
ANY = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)
COMMANDS = st.lists(
    st.sampled_from(
        ["llama-server", "-m", "/m.gguf", "--port", "${PORT}", "8080", "--host", "0.0.0.0", "docker", "run", "-p",
         "1:2", "i", "podman", "stop", "rm", "-f", "#", "\n", "'a b'", "${x}", "${MODEL_ID}", "--port=8012", "sleep",
         "x.sh", "'", "|", "$(x)", "A=b", "${env.B}", "ü", "\\"]
    ),
    max_size=9,
).map(" ".join)  # fmt: skip
MODELS = st.fixed_dictionaries(
    {"cmd": COMMANDS | ANY},
    optional={
        "proxy": st.sampled_from(["http://127.0.0.1:8012", "http://b:9/x", "http://[::1", "http://h:99999"]) | ANY,
        "checkEndpoint": TEXTS, "ttl": SCALARS, "aliases": st.lists(TEXTS) | ANY, "useModelName": TEXTS,
        "env": st.lists(st.one_of(TEXTS, st.just("CUDA_VISIBLE_DEVICES=0,0"), st.just("A=b"))) | ANY,
        "filters": ANY | st.fixed_dictionaries({"stripParams": TEXTS, "setParams": ANY, "setParamsByID": ANY}),
        "cmdStop": COMMANDS | ANY, "macros": ANY, "concurrencyLimit": SCALARS, "name": TEXTS, "description": TEXTS,
        "unloadTimeout": SCALARS, "capabilities": ANY, "metadata": ANY, "unlisted": SCALARS,
    },
)  # fmt: skip
FILES = st.fixed_dictionaries(
    {"models": st.dictionaries(TEXTS, MODELS, max_size=3) | ANY},
    optional={
        "macros": st.dictionaries(st.sampled_from("xyz"), TEXTS) | ANY, "globalTTL": SCALARS,
        "healthCheckTimeout": SCALARS, "hooks": ANY, "groups": ANY, "matrix": ANY, "routing": ANY, "peers": ANY,
        "apiKeys": st.lists(TEXTS) | ANY,
        "sendLoadingState": SCALARS, "odd": ANY,
    },
)  # fmt: skip


@given(FILES)
def test_any_mapping_becomes_a_file_that_passes_or_says_what_is_missing(data):
    text = json.dumps(data)
    try:
        found = llama_swap(text)
    except InvalidFileError:
        return
    spec = found.spec
    models = data["models"] if isinstance(data["models"], dict) else {}
    assert len(spec.models) + len(spec.externals) + len(found.said("is left out: ")) >= len(
        {str(key) for key in models}
    )
    assert found.text == llama_swap(text).text
