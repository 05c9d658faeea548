"""What a YAML parser says of a text that is none, in the words of people: the mistakes that are made every day.

Looks at the lines around the place alone. Refuses to mend anything; what it does not know it hands on as it was told.
"""

import re

_MERGE_MARKER = re.compile(r"(?:<{7}|={7}|>{7}|\|{7})(?: |$)")
_TEMPLATE = re.compile(r"[\[{].*\$\{")
_COLON_IN_TEXT = re.compile(r"^\s*(?:- )?[^\s:#'\"\[{][^:]*: [^'\"\[{|>#].*:(?: |$)")
_TAB = re.compile(r"^ *\t")


_SAME = "keys of one mapping in one column"
_INDENTED = "not YAML: the line is indented less or more than those it belongs to", _SAME
_SAID = (
    ("did not find expected ',' or", "not YAML: a bracket is opened and not closed", "brackets in pairs"),
    ("did not find expected key", *_INDENTED),
    ("did not find expected '-'", *_INDENTED),
    ("block end", *_INDENTED),
    ("could not find expected ':'", "not YAML: a line without a colon, where a key stands", "key: value"),
    ("scanning a quoted", "not YAML: a quote is opened and not closed", "quotes in pairs"),
    ("unexpected end of stream", "not YAML: a quote is opened and not closed", "quotes in pairs"),
)
"""What the parser says, and what it means."""


def in_words(text: str, place: tuple[int, int], said: str) -> tuple[str, str]:
    """What is wrong at a place (line and column from 1) and what was expected, `said` being the parser's word."""
    rows = text.split("\n")
    row = rows[min(place[0], len(rows)) - 1]
    marker = next((number for number, each in enumerate(rows, 1) if _MERGE_MARKER.match(each)), None)
    if marker is not None:
        return (
            f"not YAML: line {marker} is git's mark of a merge that was not finished",
            "one of the two sides",
        )
    if _TAB.match(row):
        return "not YAML: the line is indented with a tab", "blanks"
    if _TEMPLATE.search(row):
        return f"not YAML: {said}", "quotes around text with ${…} inside { } or [ ]"
    if "mapping values are not allowed" in said:
        return _misplaced_colon(row)
    return next(((what, wanted) for words, what, wanted in _SAID if words in said), (f"not YAML: {said}", ""))


def _misplaced_colon(row: str) -> tuple[str, str]:
    if _COLON_IN_TEXT.match(row):
        return "not YAML: the text holds a colon and a blank, as a key does", "quotes around the text"
    return "not YAML: a key is indented more than the line above, or that one lacks its colon", _SAME
