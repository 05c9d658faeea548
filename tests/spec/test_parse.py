import pytest
from pydantic import ValidationError

from zoosup.errors import ExitCode
from zoosup.spec.model.memory import MemorySpec, Strategy
from zoosup.spec.model.model import ModelSpec
from zoosup.spec.model.process.lifetime import RestartPolicy
from zoosup.spec.parse import decode, parse, spec_hash
from zoosup.spec.syntax.problems import SpecError

ENVIRON = {"HOME": "/home/ann", "ODD": "a b ${PORT}", "ZOO_TOKEN": "hunter2"}

WHOLE = """\
active: [qwen3:8b, org/embed]
budget: {ram: 48GiB, ram_reserve: 2GiB}
switch: {strategy: replace, rollback: false, cooldown: {min: 2s, max: 1m}}
status: {listen: "[::1]:9000", token: "${env.ZOO_TOKEN}"}
vars: {root: "${env.HOME}/models", weights: "${root}/gguf"}
x-notes: {anything: [goes, 1, null]}
defaults:
  ready: {http: /health, deadline: 5m}
  stop: {grace: 10s}
models:
  qwen3:8b:
    command: llama-server -m ${weights}/q.gguf --host ${HOST} --port ${PORT}
    env: {CUDA_VISIBLE_DEVICES: "0", NAME: "${MODEL_ID}"}
    cwd: ${root}
    port: 9100
    memory: {ram: 1.5GiB}
    live: {http: /live, period: 5s, timeout: 1s, failures: 2}
    stop: {signal: sigint, before: {http: POST /drain}, command: "docker stop zoo-${MODEL_ID}"}
    restart: {policy: on-failure, initial: 1s, factor: 3, max: 1m, reset_after: 5m, limit: {count: 5, within: 10m}}
    description: The chat model
  org/embed:
    command: [embed, --note, "${env.ODD}", --port, "${PORT}"]
    ready: {tcp: true}
"""


def read(text, environ=ENVIRON):
    return parse(text, path="zoo.yaml", environ=environ)


def refused(text, environ=ENVIRON):
    with pytest.raises(SpecError) as caught:
        read(text, environ)
    return str(caught.value).splitlines()


def model(text):
    return read(f"active: []\nmodels:\n  m:\n{text}\n").models["m"]


def test_what_has_been_read_stays_as_it_is():
    spec = read(WHOLE)
    for part in (spec, spec.budget, spec.models["qwen3:8b"], spec.models["qwen3:8b"].restart):
        for name in type(part).model_fields:
            with pytest.raises(ValidationError, match="frozen"):
                setattr(part, name, None)


def test_a_whole_file_is_read_as_it_says():
    spec = read(WHOLE)
    assert ("qwen3:8b", "org/embed") == spec.active
    assert (48 * 2**30, 2 * 2**30) == (spec.budget.ram, spec.budget.ram_reserve)
    assert (Strategy.REPLACE, False, 2.0, 60.0) == (
        spec.switch.strategy,
        spec.switch.rollback,
        spec.switch.cooldown.min,
        spec.switch.cooldown.max,
    )
    assert "[::1]:9000" == spec.status.listen
    assert spec.status.token is not None
    assert "hunter2" == spec.status.token.get_secret_value()
    variables = {"root": "/home/ann/models", "weights": "/home/ann/models/gguf"}
    assert variables == spec.vars
    assert ["qwen3:8b", "org/embed"] == list(spec.models)


def test_a_whole_model_is_read_as_it_says():
    found = read(WHOLE).models["qwen3:8b"]
    command = (
        "llama-server",
        "-m",
        "/home/ann/models/gguf/q.gguf",
        "--host",
        "127.0.0.1",
        "--port",
        "${PORT}",
    )
    assert command == found.command
    environment = {"CUDA_VISIBLE_DEVICES": "0", "NAME": "qwen3:8b"}
    assert environment == found.env
    assert ("/home/ann/models", 9100, MemorySpec(ram=3 * 2**29)) == (found.cwd, found.port, found.memory)
    assert ("/health", 300.0, "adaptive", 2.0) == (
        found.ready.http,
        found.ready.deadline,
        found.ready.interval,
        found.ready.timeout,
    )
    assert found.live is not None
    assert ("/live", 5.0, 1.0, 2) == (
        found.live.http,
        found.live.period,
        found.live.timeout,
        found.live.failures,
    )
    assert ("INT", 10.0, ("docker", "stop", "zoo-qwen3:8b")) == (
        found.stop.signal,
        found.stop.grace,
        found.stop.command,
    )
    assert found.stop.before is not None
    assert ("POST", "/drain") == (found.stop.before.method, found.stop.before.path)
    assert (RestartPolicy.ON_FAILURE, 1.0, 3.0, 60.0, 300.0) == (
        found.restart.policy,
        found.restart.initial,
        found.restart.factor,
        found.restart.max,
        found.restart.reset_after,
    )
    assert found.restart.limit is not None
    assert (5, 600.0) == (found.restart.limit.count, found.restart.limit.within)


def test_what_is_not_written_has_its_default():
    found = model("    command: serve")
    assert ({}, None, "auto", "auto", None, "") == (
        found.env,
        found.cwd,
        found.port,
        found.memory,
        found.live,
        found.description,
    )
    assert ("/health", False, None, "adaptive", 2.0, 600.0) == tuple(dict(found.ready).values())
    assert (600.0, "TERM", 30.0, None, None) == tuple(dict(found.stop).values())
    assert (RestartPolicy.ALWAYS, 2.0, 2.0, 300.0, 600.0, None) == tuple(dict(found.restart).values())
    spec = read("active: []\nmodels: {}\n")
    assert ("auto", "auto", "auto", 512 * 2**20) == tuple(dict(spec.budget).values())
    assert ("127.0.0.1:8081", None, (), False) == tuple(dict(spec.status).values())


def test_a_substituted_value_stays_one_argument_and_literal():
    command = ("embed", "--note", "a b $${PORT}", "--port", "${PORT}")
    assert command == read(WHOLE).models["org/embed"].command


def test_a_probe_chosen_by_a_model_replaces_the_inherited_one():
    ready = read(WHOLE).models["org/embed"].ready
    assert (None, True, 300.0) == (ready.http, ready.tcp, ready.deadline)


def test_live_without_a_choice_asks_for_health():
    assert "/health" == model("    command: x\n    live: {}").live.http


def test_active_may_be_one_name():
    assert ("m",) == read("active: m\nmodels: {m: {command: x}}\n").active


TRAPS = [
    "no",
    "on",
    "off",
    "yes",
    "y",
    "1e3",
    "0777",
    "12:30:00",
    "2024-01-01",
    "true",
    "0x10",
    "1_000",
    "1.10",
]


@pytest.mark.parametrize("name", TRAPS)
def test_yaml_1_1_never_changes_a_name(name):
    for written in (name, f"[{name}]", f"\n- {name}"):
        spec = read(f"active: {written}\nmodels:\n  {name}: {{command: x}}\n")
        assert ((name,), [name]) == (spec.active, list(spec.models))


GOOD_NAMES = ["q", "qwen3:8b", "org/model", "Qwen3-8B_Q4.K+M@v1", "a" * 128, "1", "a..b"]
BAD_NAMES = [
    "",
    "../x",
    "a/../b",
    "a/..",
    "a//b",
    "a/",
    "a/./b",
    "/a",
    ".a",
    "-a",
    "a b",
    "é",
    "a" * 129,
    "a\\b",
    "a$b",
]


@pytest.mark.parametrize("name", GOOD_NAMES)
def test_a_name_people_use_is_taken(name):
    assert [name] == list(read(f"active: []\nmodels: {{'{name}': {{command: x}}}}\n").models)


@pytest.mark.parametrize("name", BAD_NAMES)
def test_a_name_that_could_lead_elsewhere_is_refused_at_its_key(name):
    (line,) = refused(f"active: []\nmodels:\n  '{name}': {{command: x}}\n")
    assert line.startswith(f"zoo.yaml:3:3: models.{name}: is no name for a model, expected a name of letters")


NO_ZOO = ["", "\n\n", "# only a comment\n", "null\n", "~\n", "---\n", "---\n...\n"]


@pytest.mark.parametrize("text", NO_ZOO)
def test_an_empty_file_never_empties_the_zoo(text):
    (line,) = refused(text)
    assert "the file is empty, expected a mapping with active and models" in line


@pytest.mark.parametrize("text", ["- a\n", "a\n", "12\n", "[]\n"])
def test_a_document_that_is_no_mapping_is_refused(text):
    (line,) = refused(text)
    assert "expected a mapping with active and models" in line


def test_both_active_and_models_must_be_there():
    assert [
        "zoo.yaml:1:1: models: is missing, expected this key always; for none write models: {}",
    ] == refused("active: []\n")
    assert [
        "zoo.yaml:1:1: active: is missing, expected this key always; for none write active: []",
    ] == refused("models: {}\n")


@pytest.mark.parametrize("cut", range(1, len(WHOLE), 7))
def test_a_truncated_file_is_refused_or_still_a_zoo(cut):
    """A save seen half way: what is read must at least name its active models."""
    try:
        spec = read(WHOLE[:cut])
    except SpecError:
        return
    assert set(spec.active) <= set(spec.models)


def test_every_problem_is_told_at_once_in_the_order_of_the_file():
    text = """\
active: [qwen4, no, no]
budget: {ram: 12, ram_reserv: 1GiB}
vars: {a: "${later}", later: x}
x-frag: &frag
  stop: {grace: 30}
defaults:
  ready: {http: health, deadline: 10 m}
  port: 99999
models:
  no:
    command: serve ${nope} ${env.NOPE}
    env: {CUDA: 0}
  qwen3:
    <<: *frag
    commnd: [a]
    ready: {tcp: true, exec: [x]}
  q5:
    command: [a, 1, 2.5]
    memory: 7GiB
    restart: {limit: {count: 0}, initial: 10m}
    live: {failures: 1}
    live: {tcp: yes}
status: {listen: "a:99999", token: 5}
"""
    size = "a size with a unit, such as 512MiB, 7GiB or 7GB"
    duration = "a duration with a unit, such as 250ms, 30s, 10m or 1h30m"
    keys = f"one of {', '.join(ModelSpec.model_fields)}"
    command = "the program and its arguments: a list, or a string, split as a shell would"
    budget = "expected one of ram, ram_reserve, vram, vram_reserve"
    quote = "got a number or a truth value, expected a string; put quotes around it"
    listen = "HOST:PORT or [IPv6]:PORT, such as 127.0.0.1:8081; a port is 0 to 65535"
    assert [
        "1:10: active.0: qwen4 is no model of this file; did you mean qwen3?, expected a name that stands under models",
        "1:21: active.2: names no a second time, expected each name once",
        f"2:15: budget.ram: got 12, expected {size}, or auto",
        f"2:19: budget.ram_reserv: unknown key; did you mean ram_reserve?, {budget}",
        "3:11: vars.a: ${later} is not in vars, expected env.NAME or a name above",
        f"5:17: models.qwen3.stop.grace: got 30, expected {duration}",
        "7:17: defaults.ready.http: got health, expected a path that begins with /, without blanks",
        f"7:35: defaults.ready.deadline: got 10 m, expected {duration}, above 0s",
        "8:9: defaults.port: got 99999, expected 1 to 65535 or auto",
        "11:14: models.no.command: ${nope} is not in vars",
        "11:14: models.no.command: ${env.NOPE} is not set in the environment",
        f"12:17: models.no.env.CUDA: {quote}",
        f"13:3: models.qwen3.command: is missing, expected {command}",
        f"15:5: models.qwen3.commnd: unknown key; did you mean command?, expected {keys}",
        "16:24: models.qwen3.ready.exec: has tcp and exec, expected one of http, tcp and exec",
        f"18:18: models.q5.command.1: {quote}",
        f"18:21: models.q5.command.2: {quote}",
        "19:13: models.q5.memory: got 7GiB, expected auto or {ram: SIZE, vram: SIZE}",
        "20:5: models.q5.restart: initial is above max, expected initial at most max",
        "20:15: models.q5.restart.limit.within: is missing, expected the time in which they are counted",
        "20:30: models.q5.restart.limit.count: got 0, expected a whole number of 1 to 1000000",
        "22:5: models.q5.live: the key stands in line 21 already, expected each key once",
        f"23:18: status.listen: got 'a:99999', expected {listen}",
        "23:36: status.token: got a number or a truth value, expected a string; put quotes around it",
    ] == [line.removeprefix("zoo.yaml:") for line in refused(text)]


REFUSALS = {
    # what is written in a model -> the path, and a part of what is said
    "port: 0": ("port", "expected 1 to 65535 or auto"),
    "port: 65536": ("port", "expected 1 to 65535 or auto"),
    'port: "8080"': ("port", "got '8080', expected 1 to 65535 or auto"),
    "port: 0o17": ("port", "got 0o17"),
    "port: 0777": ("port", "got 0777"),
    "port: true": ("port", "got true"),
    "port: 8080.0": ("port", "got 8080.0"),
    "port:": ("port", "got nothing"),
    "memory: {ram: 1024}": ("memory.ram", "got 1024, expected a size with a unit"),
    "memory: {ram: 8388608TiB}": ("memory.ram", "at most"),
    "memory: {}": ("memory.ram", "is missing"),
    "memory: [1GiB]": ("memory", "got a list, expected a mapping"),
    "memory: {vrom: 1GiB, ram: 1GiB}": ("memory.vrom", "unknown key; did you mean vram?"),
    "memory: {vram: 7, ram: 1GiB}": ("memory.vram", "got 7, expected a size with a unit"),
    "memory: {vram: {}, ram: 1GiB}": ("memory.vram", "names no GPU"),
    "memory: {vram: {0: 7}, ram: 1GiB}": ("memory.vram", "expected a size with a unit"),
    "memory: {vram: {H100: 1GiB}, ram: 1GiB}": ("memory.vram", "'H100' names no GPU, expected an index"),
    "gpus: 0": ("gpus", "got 0, expected auto, none, a number of GPUs, or a list"),
    "gpus: all": ("gpus", "got all, expected auto, none"),
    "gpus: true": ("gpus", "got true, expected auto, none"),
    "gpus: []": ("gpus", "got a list, expected auto, none"),
    f"gpus: {'x' * 40}": ("gpus", f"got {'x' * 40}, expected auto, none"),
    f"gpus: {'x' * 41}": ("gpus", f"got {'x' * 40}…, expected auto, none"),
    "gpus: [0, '0']": ("gpus", "names a GPU twice"),
    "gpus: [GPU 0]": ("gpus", "'GPU 0' names no GPU"),
    "gpus: none\n    memory: {ram: 1GiB, vram: 1GiB}": ("gpus", "is none, and memory.vram is not 0"),
    "gpus: 2\n    memory: {ram: 1GiB, vram: {0: 1GiB}}": ("gpus", "is 2, and memory.vram names 1 GPUs"),
    "env: [A=b]": ("env", "got a list, expected a mapping"),
    "env: {A: true}": ("env.A", "put quotes around it"),
    "env: {A: 1e3}": ("env.A", "put quotes around it"),
    "env: {A: null}": ("env.A", "got nothing, expected a string"),
    'env: {"A=B": x}': ("env.A=B", "expected the name of an environment variable"),
    'env: {A: "x\\0y"}': ("env.A", "NUL"),
    "cwd: models": ("cwd", "expected an absolute path"),
    "ready: {tcp: yes}": ("ready.tcp", "got yes, expected true or false"),
    "ready: {timeout: 0s}": ("ready.timeout", "above 0s"),
    "ready: {interval: fast}": ("ready.interval", "above 0s, or adaptive"),
    "ready: {exec: ''}": ("ready.exec", "names no program"),
    "ready: {http: /a b}": ("ready.http", "without blanks"),
    "ready:": ("ready", "got nothing, expected a mapping"),
    "live: {period: 15}": ("live.period", "got 15, expected a duration with a unit"),
    "live: {failures: 6.0}": ("live.failures", "got 6.0, expected a whole number"),
    "stop: {signal: STOP}": ("stop.signal", "expected the name of a signal"),
    "stop: {signal: 15}": ("stop.signal", "expected the name of a signal"),
    "stop: {grace: 0}": ("stop.grace", "got 0, expected a duration with a unit"),
    "stop: {before: POST /drain}": ("stop.before", "got POST /drain, expected a mapping"),
    "stop: {before: {http: /drain}}": ("stop.before.http", "expected a method and a path"),
    "stop: {command: a | b}": ("stop.command", "holds the shell's |"),
    "restart: {policy: sometimes}": ("restart.policy", "expected one of always, on-failure, never"),
    "restart: {factor: 0.5}": ("restart.factor", "expected a number of 1 to 100"),
    "restart: {factor: .nan}": ("restart.factor", "expected a number of 1 to 100"),
    "restart: {max: 1s}": ("restart.max", "initial is above max"),
    "restart: {initial: 0s}": ("restart.initial", "above 0s"),
    "restart: {limit: {count: 3}}": ("restart.limit.within", "is missing"),
    "max_inflight: -1": ("max_inflight", "got -1, expected a whole number of 0 to 1000000"),
    "description: 5": ("description", "got 5, expected a string; put quotes around it"),
    "set_params: [a]": ("set_params", "got a list, expected a mapping of names of parameters to values"),
    "strip_params: [model]": (
        "strip_params",
        "names of parameters other than model, which upstream_model sets",
    ),
    "strip_params: ['']": ("strip_params", "names of parameters other than model"),
    "upstream_headers: [a]": ("upstream_headers", "expected a mapping of names of headers to values"),
    "upstream_model: ''": ("upstream_model", "got '', expected a string that is not empty, or null"),
    "alias: [a]": ("alias", "unknown key; did you mean aliases?"),
}


@pytest.mark.parametrize(("field", "refusal"), REFUSALS.items())
def test_a_field_of_a_model_is_refused_by_its_path(field, refusal):
    (line,) = refused(f"active: []\nmodels:\n  m:\n    command: x\n    {field}\n")
    path, message = refusal
    assert line.startswith("zoo.yaml:5:")
    assert f": models.m.{path}: " in line
    assert message in line


SIGNALS = """ABRT ALRM BUS CHLD CONT FPE HUP ILL INT IO KILL PIPE PROF QUIT SEGV SYS TERM TRAP URG USR1 USR2 VTALRM
    WINCH XCPU XFSZ"""


@pytest.mark.parametrize("name", SIGNALS.split())
def test_a_signal_is_known_by_its_name_however_it_is_written(name):
    for written in (name, f"SIG{name}", f"sig{name}".lower()):
        assert name == model(f"    command: x\n    stop: {{signal: {written}}}").stop.signal


@pytest.mark.parametrize(
    ("word", "meant"),
    [
        ("cmd", "command"), ("args", "command"), ("environment", "env"), ("workdir", "cwd"), ("working_dir", "cwd"),
        ("ttl", "idle_timeout"), ("ram", "memory"), ("vram", "memory"), ("gpu", "gpus"), ("healthcheck", "ready"),
        ("Health", "ready"),
    ],
)  # fmt: skip
def test_the_words_of_other_programs_lead_to_ours(word, meant):
    (line,) = refused(f"active: []\nmodels:\n  m:\n    command: x\n    {word}: 1\n")
    assert f"models.m.{word}: unknown key; did you mean {meant}?" in line


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ("", "got nothing, expected a string or a list of strings"),
        ("''", "names no program"),
        ("[]", "names no program"),
        ("['', a]", "names no program"),
        ("{a: b}", "got a mapping, expected a string or a list of strings"),
        ("5", "expected a string or a list of strings"),
        ("a | b", "zoosup runs no shell; write command: [sh, -c, …]"),
        ("a 'b", "not closed"),
        ("x ${PORT", "is not closed by `}`"),
    ],
)
def test_a_command_that_is_none_is_refused(written, message):
    (line,) = refused(f"active: []\nmodels:\n  m:\n    command: {written}\n")
    assert ": models.m.command: " in line
    assert message in line


@pytest.mark.parametrize("command", ["[sh, -c, 'a | b']", "sh -c 'a | b'", "[a, '|', '>']"])
def test_a_shell_that_is_asked_for_by_name_is_no_error(command):
    assert "|" in " ".join(model(f"    command: {command}").command)


SECTIONS = {
    "active: 5.5\nmodels: {}": "active: 5.5 is no model of this file",
    "active:\nmodels: {}": "active: got nothing, expected the name of a model, a list of names, or [] for none",
    "active: {a: b}\nmodels: {}": "active: got a mapping, expected the name of a model",
    "active: [[a]]\nmodels: {}": "active.0: got a list, expected the name of a model",
    "active: []\nmodels:": "models: got nothing, expected a mapping of names to models; {} for none",
    "active: []\nmodels: []": "models: got a list, expected a mapping of names to models; {} for none",
    "active: []\nmodels: {}\ninclude: ['']": "include: got a list, expected a list of files such as [models.d/*.yaml]",
    "active: []\nmodels: {}\ninclude: [5]": "include: got a list, expected a list of files such as",
    "active: []\ndefaults: []\nmodels: {a: {external: {url: 'http://h'}}}": "defaults: got a list, expected a mapping",
    "active: []\nmodels: {a: }": "models.a: got nothing, expected a mapping",
    "active: []\nmodels: {}\ndefaults: 5": "defaults: got 5, expected a mapping",
    "active: []\nmodels: {}\ndefaults: {prot: 5}": "defaults.prot: unknown key; did you mean port?",
    "active: []\nmodels: {}\nbugdet: {}": "bugdet: unknown key; did you mean budget?",
    "active: []\nmodels: {}\nvars: [a]": "vars: got a list, expected a mapping",
    "active: []\nmodels: {}\nvars: {a: 5}": "vars.a: got a number or a truth value, expected a string",
    "active: []\nmodels: {}\nvars: {PORT: a}": "vars.PORT: got a string, expected a name of letters",
    "active: []\nmodels: {}\nbudget: {ram: lots}": "budget.ram: got lots, expected a size with a unit",
    "active: []\nmodels: {}\nswitch: {cooldown: {min: 1m}}": "switch.cooldown: min is above max",
    "active: []\nmodels: {}\nswitch: {strategy: swap}": "switch.strategy: got swap, expected one of auto, overlap",
    "active: []\nmodels: {}\nstatus: {listen: 8081}": "status.listen: got 8081, expected a string",
    "active: []\nmodels: {}\nstatus: {listen: ':8081'}": "status.listen: got ':8081', expected HOST:PORT",
    "active: []\nmodels: {}\nstatus: {listen: '::1:80'}": "status.listen: got '::1:80', expected HOST:PORT",
    "active: []\nmodels: {}\nstatus: {token: ''}": "expected a string that is not empty",
    "active: []\nmodels: {}\nstatus: {token: '${env.NO}'}": "${env.NO} is not set in the environment",
    "active: []\nmodels: {}\nstatus: {listen: '${HOST}:1'}": "${HOST} is known only inside a model",
}


@pytest.mark.parametrize(("text", "message"), SECTIONS.items())
def test_a_section_is_refused_by_its_path(text, message):
    (line,) = refused(text)
    assert message in line


def test_a_mistake_in_defaults_is_told_once_and_stands_in_defaults():
    models = "".join(f"  m{n}: {{command: x}}\n" for n in range(3))
    (line,) = refused(f"active: []\ndefaults:\n  stop: {{grace: 5}}\nmodels:\n{models}")
    assert line.startswith("zoo.yaml:3:17: defaults.stop.grace: got 5")


def test_two_fields_clash_only_once_defaults_are_merged_in():
    text = "active: []\ndefaults: {restart: {initial: 10m}}\nmodels:\n  m: {command: x, restart: {max: %s}}\n"
    assert 600.0 == read(text % "20m").models["m"].restart.initial
    (line,) = refused(text % "5m")
    assert line.startswith("zoo.yaml:4:29: models.m.restart.max: initial is above max")


def test_a_command_may_come_from_defaults():
    spec = read("active: m\ndefaults: {command: 'serve ${MODEL_ID}'}\nmodels: {m: {}}\n")
    assert ("serve", "m") == spec.models["m"].command


def test_defaults_in_every_model_are_bounded():
    env = ", ".join(f"K{n}: v" for n in range(500))
    models = "".join(f"  m{n}: {{command: x}}\n" for n in range(500))
    (line,) = refused(f"active: []\ndefaults: {{env: {{{env}}}}}\nmodels:\n{models}")
    assert "more than 100000 values once defaults are in every model" in line


SECRETS = [
    "models: {m: {command: x, env: {API_KEY: 1234567}}}",
    "models: {m: {command: x, env: {PLAIN: 1234567}}}",
    "models: {m: {command: [x, --api-key, 1234567]}}",
    "models: {m: {command: x --api-key=1234567; y}}",
    "models: {m: {command: x, env: {API_KEY: '1234567${'}}}",
    "models: {m: {command: x, ready: {http: 'v1?token=1234567'}}}",
    "models: {}\nstatus: {token: 1234567}",
    "models: {}\nvars: {secret: 1234567}",
    "models: {}\ngateway: {api_keys: [*1234567]}",
    "models: {}\ngateway: {api_keys: [!1234567]}",
]


@pytest.mark.parametrize("text", SECRETS)
def test_a_refusal_never_shows_a_secret(text):
    lines = refused(f"active: []\n{text}\n")
    assert lines
    assert "1234567" not in "\n".join(lines)


def test_neither_env_nor_vars_nor_the_token_stand_in_a_repr():
    text = 'active: []\nmodels: {m: {command: x, env: {A: s3cret}}}\nvars: {v: s3cret}\nstatus: {token: "${v}"}\n'
    spec = read(text)
    assert "s3cret" == spec.models["m"].env["A"]
    assert "s3cret" not in repr(spec) + str(spec) + repr(spec.models["m"])


def test_an_invalid_file_exits_with_78_and_its_problems_are_data():
    with pytest.raises(SpecError) as caught:
        read("active: []\nmodels: {}\nbudget: {ram: 5}\n")
    (problem,) = caught.value.problems
    assert ExitCode.INVALID_FILE == caught.value.exit_code
    assert ("zoo.yaml", 3, 15, "budget.ram", "got 5") == (
        problem.file,
        problem.line,
        problem.column,
        problem.path,
        problem.what,
    )


def test_bytes_that_are_no_utf_8_are_refused_with_their_place():
    with pytest.raises(SpecError) as caught:
        decode(b"a: 1\nb: \xff\n", path="zoo.yaml")
    assert "zoo.yaml:2:4: the byte 0xFF is not UTF-8, expected UTF-8 text" == str(caught.value)
    assert "é" == decode("é".encode(), path="zoo.yaml")


def test_one_content_has_one_hash():
    assert "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb" == spec_hash("a")


def test_crlf_and_a_byte_order_mark_change_nothing():
    assert read(WHOLE) == read("\ufeff" + WHOLE.replace("\n", "\r\n"))


GATEWAY_REFUSALS = {
    "true": ("gateway", "expected a mapping, or false"),
    "{listen: 0.0.0.0:8080}": ("gateway", "which other hosts reach, and asks for no key"),
    "{listen: '[::]:8080', open: false}": ("gateway.open", "which other hosts reach"),
    "{max_queue: 0}": ("gateway.max_queue", "got 0, expected a whole number"),
    "{cors: ['example.org']}": ("gateway.cors", "a list of origins"),
    "{api_keys: ['']}": ("gateway.api_keys.0", "a string that is not empty"),
    "{api_keys: hunter2}": ("gateway.api_keys", "a list of strings"),
    "{loading: dots}": ("gateway.loading", "one of comments, reasoning, off"),
}


@pytest.mark.parametrize(("written", "refusal"), GATEWAY_REFUSALS.items())
def test_a_gateway_is_refused_by_its_path(written, refusal):
    (line,) = refused(f"active: []\nmodels: {{}}\ngateway: {written}\n")
    path, message = refusal
    assert f": {path}: " in line
    assert message in line
    assert "hunter2" not in line


@pytest.mark.parametrize(
    "written",
    [
        "{listen: 0.0.0.0:8080, open: true}",
        "{listen: 0.0.0.0:8080, api_keys: ['${env.ZOO_TOKEN}']}",
        "{listen: 0.0.0.0:8080, api_key_file: /etc/zoosup/keys}",
        "{listen: '[::1]:8080'}",
        "{listen: localhost:0}",
    ],
)
def test_a_gateway_that_is_guarded_or_local_is_accepted(written):
    spec = parse(f"active: []\nmodels: {{}}\ngateway: {written}\n", path="z", environ=ENVIRON)
    assert spec.gateway


def test_gateway_false_turns_it_off():
    assert parse("active: []\nmodels: {}\ngateway: false\n", path="z", environ={}).gateway is False


def test_no_name_leads_to_two_models():
    lines = refused(
        "active: []\nmodels:\n  a: {command: x, aliases: [b, one]}\n  b: {command: x, aliases: [one, b, no]}\n"
    )
    assert [line.split(": ", 1)[1] for line in lines] == [
        "models.a.aliases.0: b is the name of a model already, expected each name once",
        "models.b.aliases.0: one is an alias of a already, expected each name once",
        "models.b.aliases.1: b is the name of a model already, expected each name once",
    ]


def test_an_alias_that_defaults_give_to_all_is_an_error_at_its_place_said_once():
    lines = refused(
        "active: []\ndefaults: {aliases: [x, y]}\nmodels:\n  a: {command: x}\n  b: {command: x, aliases: [z]}\n"
        "  c: {command: x}\n  d: {command: x}\n"
    )
    assert all(":2:" in line for line in lines)
    assert [line.split(": ", 1)[1] for line in lines] == [
        f"defaults.aliases.{at}: is an alias of c too by this, and {name} is an alias of a already, "
        "expected aliases under the one model that they mean"
        for at, name in enumerate("xy")
    ]


def test_defaults_may_give_the_only_model_an_alias():
    text = "active: []\ndefaults: {aliases: [x]}\nmodels: {a: {command: x}}\n"
    assert parse(text, path="z", environ={}).models["a"].aliases == ("x",)


def test_names_that_differ_in_case_alone_are_an_error():
    lines = refused("active: []\nmodels:\n  Qwen: {command: x}\n  qwen: {command: x}\n")
    assert [line.split(": ", 1)[1] for line in lines] == [
        "models.qwen: differs from Qwen in upper and lower case alone, expected names that differ in more"
    ]


def test_an_alias_is_read_as_it_is_written():
    spec = parse("active: []\nmodels:\n  a: {command: x, aliases: [no, 1e3, 0777]}\n", path="z", environ={})
    assert spec.models["a"].aliases == ("no", "1e3", "0777")


@pytest.mark.parametrize("option", ["-d", "--restart always"])
def test_a_container_out_of_zoosups_hands_is_refused_where_it_stands(option):
    text = f"active: []\nmodels:\n  a:\n    command: docker run {option} x\n"
    (line,) = refused(text)
    assert line.startswith("zoo.yaml:4:14: models.a.command: ")
    assert "expected " in line


def test_a_container_out_of_zoosups_hands_stays_readable_where_it_was_accepted_once():
    assert ("docker", "run", "-d", "x") == ModelSpec(command=("docker", "run", "-d", "x")).command


def test_a_text_of_vars_that_names_itself_is_refused():
    text = "active: []\nvars: {a: 'x${a}', b: '${a}'}\nmodels: {}\n"
    assert ["zoo.yaml:2:11: vars.a: ${a} is not in vars, expected env.NAME or a name above"] == refused(text)
