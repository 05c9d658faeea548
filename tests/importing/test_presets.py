"""llama.cpp's models.ini: sections as short forms, `[*]` as what they share."""

import pytest
from hypothesis import given, strategies as st

from tests.importing.imports import presets
from zoosup.errors import InvalidFileError


def form(keys, shared=""):
    text = f"[*]\n{shared}\n[m]\nm = /m.gguf\n{keys}\n"
    return presets(text).spec.models["m"].llama


@pytest.mark.parametrize(
    ("key", "field", "value"),
    [
        ("c = 8192", "context", 8192),
        ("ctx-size=8192 # tokens", "context", 8192),
        ("ctx_size = 8192 ; tokens", "context", 8192),
        ("ngl = 20", "gpu_layers", 20),
        ("n-gpu-layers = 9999", "gpu_layers", 999),
        ("gpu-layers = all", "gpu_layers", "all"),
        ("fa = true", "flash", "on"),
        ("fa = Enabled", "flash", "on"),
        ("fa = 0", "flash", "off"),
        ("flash-attn = auto", "flash", "auto"),
        ("ctk = q8_0", "kv", ("q8_0", "f16")),
        ("ctk = q8_0\nctv = q8_0", "kv", ("q8_0", "q8_0")),
        ("cache-ram = 2048", "cache_ram", 2**31),
        ("cram = 0", "cache_ram", 0),
        ("cpu-moe = true", "cpu_moe", True),
        ("cpu-moe = on", "cpu_moe", True),
        ("ncmoe = 12", "cpu_moe", 12),
        ("md = d.gguf", "draft", "/srv/d.gguf"),
        ("mmproj = ./p.gguf", "mmproj", "/srv/p.gguf"),
        ("embeddings = true", "task", "embed"),
        ("rerank = true", "task", "rerank"),
        ("rerank = 1", "task", "rerank"),
        ("chat-template-file = /t.jinja", "chat_template", "/t.jinja"),
        ("chat-template-file = t.jinja", "chat_template", "/srv/t.jinja"),
        ("chat-template = chatml", "chat_template", "chatml"),
        ("np = 4", "parallel", 4),
    ],
)
def test_options_that_the_short_form_has(key, field, value):
    found = form(key)
    assert value == getattr(found, field)
    assert () == found.args


@pytest.mark.parametrize(
    ("key", "args"),
    [
        ("temp = 0.7", ("--temp", "0.7")),
        ("jinja = true", ("--jinja",)),
        ("jinja = false", ("--no-jinja",)),
        ("no-mmap = true", ("--no-mmap",)),
        ("no-mmap = false", ("--mmap",)),
        ("t = 8", ("-t", "8")),
        ("ub = 256", ("-ub", "256")),
        ("fit = on", ("--fit", "on")),
        ("fit = true", ("--fit", "on")),
        ("fit = 0", ("--fit", "off")),
        ("reasoning = false", ("--reasoning", "off")),
        ("log-colors = auto", ("--log-colors", "auto")),
        ("jinja = on", ("--jinja",)),
        ("jinja = 1", ("--jinja",)),
        ("no-webui = enabled", ("--no-webui",)),
        ("no-webui = off", ("--webui",)),
        ("mmap = 0", ("--no-mmap",)),
        ("metrics = on", ("--metrics",)),
        ("metrics = false", ()),
        ("mlock = 0", ()),
        ("embedding = off", ()),
        ("poll = 1", ("--poll", "1")),
        ("kvu = off", ("--no-kv-unified",)),
        ("no-kvu = on", ("--no-kv-unified",)),
        ("nkvo = true", ("--no-kv-offload",)),
        ("nkvo = false", ("--kv-offload",)),
        ("cb = false", ("--no-cont-batching",)),
        ("lcs = /c", ("-lcs", "/c")),
        ("lora = a.gguf", ("--lora", "/srv/a.gguf")),
        ("cache-ram = -1", ("--cache-ram", "-1")),
        ("ctk = q3", ("--cache-type-k", "q3")),
        ('chat-template-kwargs = {"a": "b # c"}', ("--chat-template-kwargs", '{"a": "b')),
        ("override-kv = a=int:1", ("--override-kv", "a=int:1")),
    ],
)
def test_all_others_are_words_at_its_end(key, args):
    assert args == form(key).args


def test_what_all_share_is_a_default_and_a_section_goes_before_it():
    found = presets("[*]\nc = 8192\njinja = true\ntemp = 1\n[a]\nm=/a\n[b]\nm=/b\nc = 1\ntemp = 0\n")
    assert "defaults:\n  on_demand: true\n  idle_timeout: 0s\n  llama: {context: 8192}\n" in found.text
    a, b = (found.spec.models[name].llama for name in "ab")
    assert (8192, ("--jinja", "--temp", "1")) == (a.context, a.args)
    assert (1, ("--jinja", "--temp", "0")) == (b.context, b.args)


@pytest.mark.parametrize(
    ("section", "weights"),
    [
        ("[o/r:Q4_K_M]", "hf://o/r:Q4_K_M"),
        ("[x]\nhf = o/r", "hf://o/r"),
        ("[x]\nhf-repo = o/r:Q8\nhff = f.gguf", "hf://o/r/f.gguf"),
        ("[x]\nmodel = models/a b.gguf", "/srv/models/a b.gguf"),
    ],
)
def test_weights_by_path_at_the_hub_and_by_the_sections_name(section, weights):
    ((_, model),) = presets(section).spec.models.items()
    assert weights == model.llama.weights


def test_a_section_without_weights_is_left_out():
    found = presets("[x]\ntemp = 1\n")
    assert {} == found.spec.models
    assert ["m.ini:1: x is left out: it names no weights"] == found.remarks


@pytest.mark.parametrize("path", [r"D:\m\a.gguf", "C:/m/a.gguf", r"\\box\m\a.gguf"])
def test_a_section_with_paths_of_windows_is_left_out(path):
    found = presets(f"[x]\nm = {path}\n[y]\nm = /y.gguf\n")
    assert ["y"] == list(found.spec.models)
    assert ["m.ini:1: x is left out: its paths are for Windows, where zoosup does not run"] == found.remarks


def test_names_aliases_and_what_starts_by_itself():
    found = presets(
        "[a b]\nm=/a\nalias = x, y z,\nload-on-startup = true\nstop-timeout = 60\n[c]\nm=/c\nalias=x\n"
    )
    assert ("a-b",) == found.spec.active
    assert ("x",) == found.spec.models["a-b"].aliases
    assert 60.0 == found.spec.models["a-b"].stop.grace
    assert 3 == len(found.remarks)


def test_what_is_the_routers_is_said():
    found = presets("[a]\nm=/a\nport = 9000\nhost = 0.0.0.0\n")
    assert () == found.spec.models["a"].llama.args
    assert ["m.ini:3", "m.ini:4"] == [each.partition(": ")[0] for each in found.said("is the router's")]


def test_variables_stay_variables():
    assert {"LLAMA_ARG_THREADS": "4"} == dict(
        presets("[a]\nm=/a\nLLAMA_ARG_THREADS = 4\n").spec.models["a"].env
    )


def test_what_stands_twice_is_said():
    found = presets("[a]\nm=/a\nm=/b\n[a]\nc=1\n")
    assert ("/b", 1) == (found.spec.models["a"].llama.weights, found.spec.models["a"].llama.context)
    assert 2 == len(found.remarks)


@pytest.mark.parametrize("text", ["[a]\njust words\n", "{json}", "a:\n  b"])
def test_what_is_no_ini_is_refused_with_its_line(text):
    with pytest.raises(InvalidFileError, match=r"^m\.ini:\d+:1: neither"):
        presets(text)


LINES = st.one_of(
    st.sampled_from(
        ["[*]", "[a]", "[o/r:Q]", "[a b]", "; x", "m = /m", "hf = o/r", "hf=", "c = 0", "fa = 3", "= x",
         ""]
    ),
    st.builds(
        "{} = {}".format,
        st.sampled_from(
            ["c", "ctk", "ctv", "cram", "ngl", "cmoe", "ncmoe", "embeddings", "alias", "LLAMA_ARG_X", "LLAMA_ARG-X",
             "temp", "mmproj", "md", "b", "np", "chat-template", "load-on-startup", "stop-timeout", "x y"]
        ),
        st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), max_size=8)
        | st.sampled_from(["true", "-1"]),
    ),
)  # fmt: skip


@given(st.lists(LINES, max_size=12).map("\n".join))
def test_any_lines_become_a_file_that_passes_or_say_why_not(text):
    try:
        found = presets(text)
    except InvalidFileError:
        return
    assert found.text == presets(text).text
    assert found.spec.models is not None
