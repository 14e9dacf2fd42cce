"""Points as a drawing: SVG in a notebook's colours, without script, that stands by itself."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple
from unicodedata import east_asian_width

from chatkit.compare.labels import brief, safe
from chatkit.compare.plot.axis import Quantity, Scale, scale

WIDTH = 640
_RIGHT, _TOP, _BOTTOM = 616, 44, 336  # of the frame in which points stand
_LONGEST = 44  # characters of a label
_MOST_NAMES = 12  # of a legend
_LINE = 21  # units from one line of a legend to the next
_SHAPES = (
    "M-5.5 0a5.5 5.5 0 1 0 11 0a5.5 5.5 0 1 0-11 0z",  # disc
    "M-5-5h10v10h-10z",  # square
    "M0-6.4L6.2 4.8H-6.2z",  # triangle
    "M0-7L7 0L0 7L-7 0z",  # diamond
    "M0 6.4L6.2-4.8H-6.2z",  # triangle on its point
    "M-2.2-6.2h4.4v4h4v4.4h-4v4h-4.4v-4h-4v-4.4h4z",  # cross
    "M-6-2.6L0-6.6L6-2.6L3.8 5.4H-3.8z",  # pentagon
    "M-6.4-3h12.8v6h-12.8z",  # bar
)
# Each stands out three to one on white and on near black, and from its neighbours to most eyes.
_COLOURS = (
    "#2f7fd8", "#d9730d", "#1d9a6c", "#c2439b", "#8a63d2",
    "#0e93a8", "#d64550", "#8f7a1f", "#7b8794", "#a8623a",
)  # fmt: skip
_STYLE = """
.ck-plot {
  --ck-ink: var(--jp-content-font-color1, currentColor);
  --ck-faint: var(--jp-content-font-color2, color-mix(in srgb, currentColor 65%, transparent));
  --ck-rule: color-mix(in srgb, var(--jp-content-font-color1, currentColor) 13%, transparent);
  --ck-back: var(--jp-layout-color0, var(--ck-paper, transparent));
  display: block;
  height: auto;
  max-width: 100%;
  min-width: 30rem;
}
.ck-plot text {
  fill: var(--ck-faint);
  font: 12.5px var(--jp-content-font-family, system-ui, sans-serif);
  font-variant-numeric: tabular-nums;
}
.ck-plot .name { fill: var(--ck-ink); font-weight: 600; }
.ck-plot .label { fill: var(--ck-ink); paint-order: stroke; stroke: var(--ck-back); }
.ck-plot .label { pointer-events: none; stroke-linejoin: round; stroke-width: 3px; }
.ck-plot .rule { stroke: var(--ck-rule); }
.ck-plot .whisker { fill: none; opacity: 0.55; stroke: currentColor; stroke-width: 1.5px; }
.ck-plot .shape { fill: currentColor; stroke: var(--ck-back); stroke-width: 1.2px; }
.ck-plot .point:hover :is(.shape, .whisker) { opacity: 1; stroke: var(--ck-ink); }
.ck-plot .any { color: var(--ck-faint); }
.ck-plot.alone { background: #fff; color: #1f2328; }
@media (prefers-color-scheme: dark) {
  .ck-plot.alone { --ck-paper: #16181c; background: #16181c; color: #e3e6ea; }
}
"""


@dataclass(frozen=True, slots=True)
class Point:
    """Something measured: where it stands, and whose it is."""

    x: float
    y: float
    colour: str  # what decides its colour, by name; the same for the shape
    shape: str
    label: str = ""  # written beside it
    told: str = ""  # shown when the mouse rests on it
    interval: tuple[float, float] | None = None  # of y


class _Box(NamedTuple):
    left: float
    top: float
    right: float
    bottom: float

    def meets(self, other: _Box) -> bool:
        return (
            self.left < other.right
            and other.left < self.right
            and self.top < other.bottom
            and other.top < self.bottom
        )


def scatter(
    points: Sequence[Point],
    x: Quantity,
    y: Quantity,
    *,
    summary: str,
    colours: str = "model",
    shapes: str = "prompt",
) -> str:
    """At least one point as an SVG element, with axes, whiskers and a legend.

    `summary` says in a sentence what it shows, to those who do not see it; `colours` and `shapes`
    are what a legend calls them. All numbers are finite. Names may be anybody's.
    """
    ends = [end for point in points for end in (point.y, *(point.interval or ()))]
    up = scale(ends, _BOTTOM, _TOP, bounds=y.bounds)
    left = 18 + max(_width(y.words(tick)) for tick in up.ticks())
    across = scale([point.x for point in points], left, _RIGHT, bounds=x.bounds)
    hues = list(dict.fromkeys(point.colour for point in points))
    forms = list(dict.fromkeys(point.shape for point in points))
    legend, height = _legend((colours, hues), (shapes, forms))
    drawn = (_point(point, across, up, hues, forms) for point in points)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="ck-plot" role="img" width="{WIDTH}"'
        f' viewBox="0 0 {WIDTH} {height}" aria-label="{safe(summary)}">\n<style>{_STYLE}</style>\n'
        f"{''.join(_axes(x, y, across, up))}\n{''.join(drawn)}\n"
        f"{''.join(_labels(points, across, up))}\n{legend}</svg>"
    )


def _axes(x: Quantity, y: Quantity, across: Scale, up: Scale) -> Iterator[str]:
    left = across.zero or across.start
    for tick in up.ticks():
        at = _short(up(tick))
        yield f'<path class="rule" d="M{_short(left)} {at}H{_RIGHT}"/>'
        yield _text(left - 10, up(tick) + 4.5, y.words(tick), "end")
    for tick in across.ticks():
        at = _short(across(tick))
        yield f'<path class="rule" d="M{at} {_BOTTOM}v5"/>'
        yield _text(across(tick), _BOTTOM + 21, x.words(tick), "middle")
    yield _text(8, 22, y.name, kind="name")
    yield _text(_RIGHT, _BOTTOM + 42, x.name, "end", kind="name")


def _point(
    point: Point, across: Scale, up: Scale, colours: Sequence[str], shapes: Sequence[str]
) -> str:
    at, level = across(point.x), up(point.y)
    whisker = ""
    if point.interval is not None:
        low, high = (_short(up(end) - level) for end in point.interval)
        whisker = f'<path class="whisker" d="M0 {low}V{high}M-4 {low}h8M-4 {high}h8"/>'
    return (
        f'<g class="point" style="color:{_nth(_COLOURS, colours, point.colour)}"'
        f' transform="translate({_short(at)} {_short(level)})"><title>{safe(point.told)}</title>'
        f'{whisker}<path class="shape" d="{_nth(_SHAPES, shapes, point.shape)}"/></g>'
    )


def _labels(points: Sequence[Point], across: Scale, up: Scale) -> Iterator[str]:
    """The names that find room beside their points, the uppermost first."""
    left = (across.zero or across.start) - 4
    places = [(across(point.x), up(point.y), point.label) for point in points]
    taken = [_Box(x - 7, y - 7, x + 7, y + 7) for x, y, _ in places]
    for x, y, label in sorted(places, key=lambda place: place[1]):
        told = brief(label, _LONGEST)
        for box in _around(x, y, _width(told)) if told else ():
            if box.left >= left and not any(box.meets(other) for other in taken):
                taken.append(box)
                yield _text(box.left + 1, box.bottom - 4, told, kind="label")
                break


def _around(x: float, y: float, width: float) -> Iterator[_Box]:
    """Where a label may stand, the best place first, and not out of the frame."""
    beside, centred = (x + 9, x - 9 - width), x - width / 2
    corners = ((left, top) for top in (y - 8, y - 20, y + 4) for left in beside)
    for left, top in (*corners, (centred, y - 25), (centred, y + 9)):
        box = _Box(left, top, left + width, top + 16)
        if box.right <= WIDTH and box.top >= 28 and box.bottom <= _BOTTOM:
            yield box


def _legend(*groups: tuple[str, Sequence[str]]) -> tuple[str, int]:
    """What colours and shapes stand for, where there are several; and the drawing's height."""
    drawn: list[str] = []
    line = _BOTTOM + 72
    for number, (what, names) in enumerate(groups):
        if len(names) < 2:
            continue
        drawn.append(_text(8, line, what))
        at = 68.0
        for name, mark in zip(_few(names), _marks(names, number), strict=False):
            width = 20 + _width(name) + 14
            if at + width > WIDTH and at > 68:
                at, line = 68.0, line + _LINE
            drawn.append(f'<g {mark[0]} transform="translate({_short(at + 6)} {line - 4.5})">')
            drawn.append(f'<path class="shape" d="{mark[1]}"/></g>{_text(at + 18, line, name)}')
            at += width
        line += _LINE + 4
    return "".join(drawn), line - 10 if drawn else _BOTTOM + 56


def _few(names: Sequence[str]) -> list[str]:
    few = [brief(name, 2 * _LONGEST) for name in names[:_MOST_NAMES]]
    return few if len(names) <= _MOST_NAMES else [*few, f"… {len(names) - _MOST_NAMES} more"]


def _marks(names: Sequence[str], number: int) -> Iterable[tuple[str, str]]:
    """How the names are told apart: the first group by colour, the second by shape."""
    for name in names[:_MOST_NAMES]:
        if number == 0:
            yield f'style="color:{_nth(_COLOURS, names, name)}"', _SHAPES[0]
        else:
            yield 'class="any"', _nth(_SHAPES, names, name)
    yield 'class="any"', ""


def _nth(choices: Sequence[str], names: Sequence[str], name: str) -> str:
    return choices[names.index(name) % len(choices)]


def _text(x: float, y: float, text: str, anchor: str = "", *, kind: str = "") -> str:
    classed = f' class="{kind}"' if kind else ""
    anchored = f' text-anchor="{anchor}"' if anchor else ""
    return f'<text{classed}{anchored} x="{_short(x)}" y="{_short(y)}">{safe(text)}</text>'


def _width(text: str) -> float:
    """About how wide a line of text is."""
    return sum(13.0 if east_asian_width(each) in "WF" else 7.0 for each in text) + 2


def _short(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")
