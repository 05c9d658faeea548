"""What a command's words say that probably won't work: what only a shell would change, and ports that differ.

Knows how words came to be, and where each stands. Refuses to know what a container's words mean (`engine_lint`).
"""

import re
from collections.abc import Iterator

from zoosup.spec.engine.client import find_client
from zoosup.spec.model.zoo import ZooSpec
from zoosup.spec.syntax.document import Place, YamlMapping, YamlNode, YamlScalar, YamlSequence
from zoosup.spec.syntax.problems import Problems
from zoosup.spec.syntax.words import WordsError, split_words, values_of

_HOME = re.compile(r"(?:^|=)~(?:/|$)")
_SHELL_VARIABLE = re.compile(r"(?<![$\\])\$[A-Z_][A-Z0-9_]*")
_VARIABLE = re.compile(r"\$\{([^{}.$]+)\}")
_SHELLS = frozenset({"sh", "bash", "zsh", "dash", "env"})


def look_at_command(spec: ZooSpec, name: str, command: YamlNode, warnings: Problems) -> None:
    """Words that zoosup hands on as they stand, though they look as if somebody was to change them."""
    words = list(_words(command))
    program = words[0][0].rpartition("/")[2] if words else ""
    for word, quoted, at in words:
        path = f"models.{name}.command"
        if found := _HOME.search(word):
            what = f"{found[0].lstrip('=')} stays as it is, for no shell reads it"
            warnings.add(at.place, path, what, "the whole path, or ${env.HOME}")
        if program not in _SHELLS and (found := _SHELL_VARIABLE.search(word)):
            what = f"{found[0]} stays as it is, for no shell reads it"
            warnings.add(at.place, path, what, f"${{env.{found[0][1:]}}}")
        if not quoted:
            for variable in _blanks(spec, word):
                what = f"${{{variable}}} has blanks and stays one word here"
                warnings.add(at.place, path, what, "it unquoted, as a whole word of a string")
    if find_client(spec.models[name].command) is None:
        _look_at_port(spec, name, words, warnings)


def look_at_paths(fields: YamlNode, path: str, warnings: Problems) -> None:
    """Paths among a short form's fields that begin as only a shell reads them; `path`: the form's own."""
    for key, entry in fields.entries.items() if isinstance(fields, YamlMapping) else ():
        if isinstance(entry.value, YamlScalar) and (found := _HOME.search(entry.value.text)):
            what = f"{found[0]} stays as it is, for no shell reads it"
            warnings.add(entry.value.place, f"{path}.{key}", what, "the whole path, or ${env.HOME}")


def place_of_word(command: YamlNode, at: int) -> Place:
    """Where a word of a command stands, by its index; of a string, where the string does."""
    if isinstance(command, YamlSequence) and at < len(command.items):
        return command.items[at].place
    return command.place


def _words(command: YamlNode) -> Iterator[tuple[str, bool, YamlNode]]:
    """Each word, whether a person has quoted it or left it whole to be split, and where it stands."""
    if isinstance(command, YamlSequence):
        for item in command.items:
            if isinstance(item, YamlScalar):
                yield item.text, False, item
    elif isinstance(command, YamlScalar):
        bare: set[str] = set()

        def note(word: str) -> None:
            bare.add(word)

        try:
            found = split_words(command.text, note)
        except WordsError:
            return
        for word in found:
            whole = word in bare and _VARIABLE.fullmatch(word) is not None
            yield word, whole or word not in bare, command


def _blanks(spec: ZooSpec, word: str) -> Iterator[str]:
    for match in _VARIABLE.finditer(word):
        if len(spec.vars.get(match[1], "").split()) > 1:
            yield match[1]


def _look_at_port(
    spec: ZooSpec, name: str, words: list[tuple[str, bool, YamlNode]], warnings: Problems
) -> None:
    port = spec.models[name].port
    for at, _, text in values_of([word for word, _, _ in words], {"--port"}):
        if text.isascii() and text.isdecimal() and text.lstrip("0") != str(port):  # int has a limit
            what = f"--port {text} is not the model's port, which is {port}"
            warnings.add(words[at][2].place, f"models.{name}.command", what, "${PORT}, or port: " + text)
