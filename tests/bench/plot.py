"""A plot of a few lines as an SVG, readable on a light page and on a dark one. Pure: numbers in, text out."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import ceil, log10
from xml.sax.saxutils import escape

WIDTH, HEIGHT = 800, 400
_LEFT, _RIGHT, _TOP, _BOTTOM = 72, 36, 84, 56
_STYLE = """\
  <style>
    text { font: 13px system-ui, sans-serif; fill: #24292f }
    .title { font-size: 15px; font-weight: 600 }
    .page { fill: #ffffff; stroke: #d0d7de }
    .grid { stroke: #d8dee4 }
    path { fill: none; stroke-width: 2.5 }
    .l0 { stroke: #0969da } .l1 { stroke: #bc4c00 } .l2 { stroke: #1a7f37 }
    .d0 { fill: #0969da } .d1 { fill: #bc4c00 } .d2 { fill: #1a7f37 }
    @media (prefers-color-scheme: dark) {
      text { fill: #e6edf3 }
      .page { fill: #0d1117; stroke: #30363d }
      .grid { stroke: #30363d }
      .l0 { stroke: #58a6ff } .l1 { stroke: #ffa657 } .l2 { stroke: #56d364 }
      .d0 { fill: #58a6ff } .d1 { fill: #ffa657 } .d2 { fill: #56d364 }
    }
  </style>
"""
_DASHES = ("", ' stroke-dasharray="7 4"', ' stroke-dasharray="2 4"')  # told apart without colours, too

Points = Sequence[tuple[float, float]]


@dataclass
class Plot:
    """Up to three lines over one pair of axes that begin at 0."""

    title: str
    across: str
    upward: str
    lines: dict[str, Points] = field(default_factory=dict)

    def add(self, name: str, points: Points) -> None:
        self.lines[name] = points

    def svg(self) -> str:
        """The whole file."""
        xs, ys = (_ticks(max(point[n] for line in self.lines.values() for point in line)) for n in (0, 1))
        parts = [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img">\n',
            f"  <title>{escape(self.title)}</title>\n{_STYLE}",
            f'  <rect class="page" x="0.5" y="0.5" width="{WIDTH - 1}" height="{HEIGHT - 1}" rx="6"/>\n',
            _text(_LEFT, 26, self.title, "start", ' class="title"'),
            *(_across(tick, xs[-1]) for tick in xs),
            *(_upward(tick, ys[-1]) for tick in ys),
            _text((_LEFT + WIDTH - _RIGHT) / 2, HEIGHT - 12, self.across, "middle"),
            _text(_LEFT - 8, _TOP - 12, self.upward, "end"),
        ]
        legend = float(_LEFT)
        for number, (name, points) in enumerate(self.lines.items()):
            parts += [_key(number, legend, name), _line(number, points, xs[-1], ys[-1])]
            legend += 60 + 7 * len(name)
        return "".join([*parts, "</svg>\n"])


def _ticks(most: float) -> list[float]:
    """From 0 past the greatest value in four to ten steps of a round size."""
    size = 10.0 ** ceil(log10(most or 1)) / 10
    step = next(size * n for n in (0.25, 0.5, 1, 2) if most <= size * n * 10)
    step = step * 2 if most > step * 6 else step
    return [step * n for n in range(ceil(most / step) + 1)]


def _x(value: float, most: float) -> float:
    return round(_LEFT + value / most * (WIDTH - _LEFT - _RIGHT), 1)


def _y(value: float, most: float) -> float:
    return round(HEIGHT - _BOTTOM - value / most * (HEIGHT - _TOP - _BOTTOM), 1)


def _across(tick: float, most: float) -> str:
    return _text(_x(tick, most), HEIGHT - _BOTTOM + 20, f"{tick:,.10g}", "middle")


def _upward(tick: float, most: float) -> str:
    y = _y(tick, most)
    line = f'  <line class="grid" x1="{_LEFT}" x2="{WIDTH - _RIGHT}" y1="{y}" y2="{y}"/>\n'
    return line + _text(_LEFT - 8, y + 4, f"{tick:,.10g}", "end")


def _key(number: int, x: float, name: str) -> str:
    dashes = _DASHES[number]
    return f'  <path class="l{number}"{dashes} d="M{x:.0f} 50h30"/>\n' + _text(x + 38, 54, name, "start")


def _line(number: int, points: Points, across: float, upward: float) -> str:
    places = [(_x(x, across), _y(y, upward)) for x, y in points]
    path = "L".join(f"{x} {y}" for x, y in places)
    dots = "".join(f'  <circle class="d{number}" cx="{x}" cy="{y}" r="3.5"/>\n' for x, y in places)
    return f'  <path class="l{number}"{_DASHES[number]} d="M{path}"/>\n{dots}'


def _text(x: float, y: float, words: str, anchor: str, more: str = "") -> str:
    return f'  <text x="{x}" y="{y}" text-anchor="{anchor}"{more}>{escape(words)}</text>\n'
