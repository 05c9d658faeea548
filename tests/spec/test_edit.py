import pytest
from hypothesis import given, strategies as st

from zoosup.errors import ZoosupError
from zoosup.spec.edit import set_active
from zoosup.spec.syntax.document import compose, names, plain
from zoosup.spec.syntax.problems import Problems

MODELS = "models: {}\n"

EDITS = {
    "a name": ("active: a  # now\n", ["b"], "active: b  # now\n"),
    "a quoted name": ("active: 'a'\n", ["b"], "active: b\n"),
    "a name on its own line": ("active:\n  a\n", ["b"], "active:\n  b\n"),
    "a name becomes a list": ("active: a # now\n", ["b", "c"], "active: [b, c] # now\n"),
    "a name becomes nothing": ("active: a # now\n", [], "active: [] # now\n"),
    "nothing becomes a name": ("active: []\n", ["b"], "active: [b]\n"),
    "a missing value": ("active:  # none yet\n", ["b"], "active: b  # none yet\n"),
    "a list in brackets": ("active: [a, 'b'] # now\n", ["b"], "active: [b] # now\n"),
    "brackets over lines": ("active: [\n  a,\n  b,\n]\n", ["c"], "active: [c]\n"),
    "words YAML 1.1 misreads": ("active: a\n", ["no", "1e3", "Off"], 'active: ["no", "1e3", "Off"]\n'),
    "a name with a colon": ("active: a\n", ["qwen3:8b"], "active: qwen3:8b\n"),
    "names with colons": ("active: a\n", ["qwen3:8b", "o/m:1"], "active: [qwen3:8b, o/m:1]\n"),
    "a name that ends in a colon": ("active: a\n", ["a:"], 'active: "a:"\n'),
    "CRLF": ("active: a\r\n", ["b"], "active: b\r\n"),
    "a byte order mark": ("\ufeffactive: a\n", ["b"], "\ufeffactive: b\n"),
    "an anchor nobody uses": ("active: &x a\n", ["b"], "active: b\n"),
    "lines: another name keeps the comment": (
        "active:\n  # top\n  - a   # chat\n  - b # embed\n  # end\n",
        ["c", "b"],
        "active:\n  # top\n  - c   # chat\n  - b # embed\n  # end\n",
    ),
    "lines: a name less": ("active:\n- a\n- b\n", ["b"], "active:\n- b\n"),
    "lines: a name less leaves its comment": (
        "active:\n  - a   # chat\n  - b # embed\n",
        ["b"],
        "active:\n  # chat\n  - b # embed\n",
    ),
    "lines: more names": (
        "active:\n  - a  # chat\n",
        ["a", "b", "c"],
        "active:\n  - a  # chat\n  - b\n  - c\n",
    ),
    "lines: a name before": ("active:\n  - a  # chat\n", ["b", "a"], "active:\n  - b\n  - a  # chat\n"),
    "lines: other order": ("active:\n- a # 1\n- b # 2\n", ["b", "a"], "active:\n- b\n- a # 1\n# 2\n"),
    "lines: none left": ("active: # now\n  - a # chat\n  - b\n", [], "active: [] # now\n  # chat\n"),
    "lines: CRLF": ("active:\r\n  - a\r\n", ["a", "b"], "active:\r\n  - a\r\n  - b\r\n"),
    "lines: the same": ("active:\n  -   a\n  - 'b'\n", ["a", "b"], "active:\n  -   a\n  - 'b'\n"),
}


@pytest.mark.parametrize(("before", "active", "after"), EDITS.values(), ids=EDITS)
def test_only_the_value_of_active_is_rewritten(before, active, after):
    assert after + MODELS == set_active(before + MODELS, active)


def test_a_list_at_the_end_of_a_file_without_a_line_end_grows():
    assert "models: {}\nactive:\n- a\n- b" == set_active("models: {}\nactive:\n- a", ["a", "b"])


def test_a_file_in_braces_is_rewritten():
    assert "{active: [b, c], models: {}}" == set_active("{active: a, models: {}}", ["b", "c"])


REFUSED = {
    "no active": "models: {}\n",
    "no mapping": "- active\n",
    "not YAML": "active: [a\n",
    "twice": "active: a\nactive: b\n",
    "an alias": "x-a: &x [a]\nactive: *x\n",
    "an anchor that is used": "active: &x [a]\nx-a: *x\n",
    "an anchored name that is used": "active:\n  - &x a\nx-a: *x\n",
    "merged in": "x-a: &x {active: a}\n<<: *x\n",
    "a text block": "active: |\n  a\n",
    "a mapping": "active: {a: b}\n",
    "comments in brackets": "active: [a, # chat\n  b]\n",
    "two items in a line": "active:\n  - - a\n",
    "an item on the line below": "active:\n  -\n    a\n",
}


@pytest.mark.parametrize("text", REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_changed_safely_is_refused(text):
    with pytest.raises(ZoosupError, match="by hand"):
        set_active(text, ["c"])


NAMES = st.lists(
    st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._:/@+-]{0,6}", fullmatch=True)
    | st.sampled_from(["no", "1e3", "null", "a:b"]),
    max_size=4,
    unique=True,
)
COMMENTS = st.sampled_from(["", " # why", "   #- x", "\t# tab: [", ' # "q" é'])
STYLES = st.sampled_from(['"{}"', "'{}'", "{}"])


@st.composite
def files(draw):
    """A file with `active` in any style between other keys, with comments and either line end."""
    old = draw(NAMES.filter(bool))
    quoted = [draw(STYLES.filter(lambda s: s != "{}")).format(name) for name in old]
    style = draw(st.sampled_from(["name", "brackets", "lines", "indented lines", "long brackets"]))
    if style == "name":
        value = f"active: {quoted[0]}{draw(COMMENTS)}\n"
    elif style == "brackets":
        value = f"active: [{', '.join(quoted)}]{draw(COMMENTS)}\n"
    elif style == "long brackets":
        rows = ",\n   ".join(quoted)
        value = f"active: [\n   {rows}\n  ]{draw(COMMENTS)}\n"
    else:
        lead = "- " if style == "lines" else "   -  "
        rows = "".join(f"{lead}{name}{draw(COMMENTS)}\n" for name in quoted)
        value = f"active:{draw(COMMENTS)}\n# above\n{rows}"
    before = draw(st.sampled_from(["", "# top\n", "vars: {a: active}\n\n", "x-é: [é, 'ü'] # é\n"]))
    after = (
        draw(st.sampled_from(["", "# next\n", "\n# next\nbudget: {ram: 1GiB}\n"]))
        + "models: {active: {command: x}}\n"
    )
    text = before + value + after
    return text.replace("\n", "\r\n") if draw(st.booleans()) else text, before, after


def contents(text):
    root = compose(text, Problems("z"))
    active = names(root.entries["active"].value)
    return [active] if isinstance(active, str) else active, {
        k: plain(e.value) for k, e in root.entries.items() if k != "active"
    }


def comments(text):
    return [line[line.index("#") :] for line in text.splitlines() if "#" in line]


@given(files(), NAMES)
def test_whatever_the_style_the_names_are_new_and_all_else_is_old(file, active):
    text, before, after = file
    result = set_active(text, active)
    assert (active, contents(text)[1]) == contents(result)
    line_end = "\r\n" if "\r\n" in text else "\n"
    assert result.startswith(before.replace("\n", line_end))
    assert result.endswith(after.replace("\n", line_end))
    assert comments(text) == comments(result)
    assert result.count("\n") == result.count(line_end)


@given(files(), NAMES)
def test_rewriting_twice_is_rewriting_once(file, active):
    once = set_active(file[0], active)
    assert once == set_active(once, active)
