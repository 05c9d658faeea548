"""The table of cases by supervisors, for a terminal or for a README. Pure: texts in, text out."""

from collections.abc import Mapping, Sequence

Table = Mapping[str, Mapping[str, str]]
"""What each supervisor (inner key) did in each case (outer key)."""


def plain(table: Table, names: Sequence[str]) -> str:
    rows = _rows(table, names)
    widths = [max(len(row[i]) for row in rows) for i in range(len(names) + 1)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )


def markdown(table: Table, names: Sequence[str]) -> str:
    head, *rows = _rows(table, names)
    return "\n".join(f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *rows))


def _rows(table: Table, names: Sequence[str]) -> list[list[str]]:
    return [["", *names], *([case, *(row.get(name, "-") for name in names)] for case, row in table.items())]
