"""Two columns of a comparison, answer by answer and word by word."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple, Protocol, overload

from chatkit.compare.diff.pieces import Piece, diff_words
from chatkit.compare.labels import brief, option_words, safe
from chatkit.compare.rows import Compared
from chatkit.compare.run import Run
from chatkit.errors import ConfigError
from chatkit.fields import listed, nearest
from chatkit.standing import count_of

__all__ = ["Diff", "Pair", "Piece", "diff_of", "diff_words"]

SHOWN = 20  # pairs that a page shows
_PRINTED = 5  # and a terminal
_SAME = 300  # characters of a stretch that is the same, before its middle is left out

_STYLE = """
.chatkit-diff { color: var(--jp-content-font-color1, currentColor); max-width: 60em;
  font-family: var(--jp-content-font-family, system-ui, sans-serif);
  font-size: var(--jp-content-font-size1, 14px); line-height: 1.6; overflow-wrap: anywhere; }
.chatkit-diff .text + .quiet, .chatkit-diff .quiet + .quiet { margin-top: 1em; }
.chatkit-diff .quiet { font-size: 0.9em;
  color: var(--jp-content-font-color2, color-mix(in srgb, currentColor 65%, transparent)); }
.chatkit-diff .text { margin: 0; max-height: 28em; overflow-y: auto; white-space: pre-wrap; }
.chatkit-diff :is(ins, del) { border-radius: 2px; padding: 0 0.1em; }
.chatkit-diff ins { text-decoration: none;
  background: color-mix(in srgb, var(--jp-success-color1, #2e7d32) 30%, transparent); }
.chatkit-diff del {
  background: color-mix(in srgb, var(--jp-error-color1, #c62828) 26%, transparent); }
"""


@dataclass(frozen=True)
class Pair:
    """Two answers to the same question, put in two ways or to two models."""

    a: Run
    b: Run
    about: str  # what both have in common

    @property
    def is_same(self) -> bool:
        """Whether both say the same, to the letter."""
        return self.a.text == self.b.text

    @cached_property
    def pieces(self) -> list[Piece]:
        """What differs, word by word."""
        return diff_words(self.a.text, self.b.text)

    def __repr__(self) -> str:
        return f"{self.about}\n{''.join(map(_marked, self.pieces))}".lstrip("\n")

    def _repr_html_(self) -> str:
        return _page(_pair_html(self))


@dataclass(frozen=True)
class Diff(Sequence[Pair]):
    """Two columns of a comparison, answer by answer: the pairs that differ, then the others."""

    a: str
    b: str
    pairs: list[Pair]
    missing: int = 0  # pairs of which one has no answer yet

    @cached_property
    def different(self) -> int:
        """How many pairs differ."""
        return sum(not pair.is_same for pair in self.pairs)

    @property
    def same(self) -> int:
        """How many pairs say the same, to the letter."""
        return len(self.pairs) - self.different

    def __len__(self) -> int:
        return len(self.pairs)

    @overload
    def __getitem__(self, place: int) -> Pair: ...
    @overload
    def __getitem__(self, place: slice) -> list[Pair]: ...
    def __getitem__(self, place: int | slice) -> Pair | list[Pair]:
        return self.pairs[place]

    def __repr__(self) -> str:
        shown = map(repr, self.pairs[: min(self.different, _PRINTED)])
        title = f"{brief(self.a, 60)} → {brief(self.b, 60)}: {self._counts()}"
        return "\n\n".join([title, *shown, *self._rest(_PRINTED)])

    def _repr_html_(self) -> str:
        shown = map(_pair_html, self.pairs[: min(self.different, SHOWN)])
        title = f"<del>{safe(brief(self.a, 60))}</del> <ins>{safe(brief(self.b, 60))}</ins>"
        rest = "".join(map(_quiet, self._rest(SHOWN)))
        return _page(f"<div>{title}</div>{_quiet(self._counts())}{''.join(shown)}{rest}")

    def _counts(self) -> str:
        told = [f"{self.different:,} of {count_of(len(self.pairs), 'pair')} differ"]
        told += [f"{count_of(self.missing, 'pair')} not answered"] if self.missing else []
        return ", ".join(told)

    def _rest(self, shown: int) -> list[str]:
        more = self.different - shown
        return [f"… {more:,} more that differ: diff[{shown}:]"] if more > 0 else []


class Columns(Compared, Protocol):
    """`Runs`, of which columns are compared."""

    def where(self, **named: Any) -> list[Run]:
        """The runs of a prompt, a model, an option, a field of the case, ..."""


class _Axis(NamedTuple):
    """What two columns may differ in."""

    name: str
    labels: list[Any]
    of: Callable[[Run], Any]


def diff_of(runs: Columns, a: Any, b: Any, **where: Any) -> Diff:
    """The answers of column `a` beside those of column `b`, matched by everything else.

    Each names a prompt, a model, a system prompt or the value of an option; `("temperature", 0)`
    and `("sample", 1)` say of what. `where` chooses among the runs, as `runs.where` does. Raises
    ConfigError where there is no such column.
    """
    axis, first, second = _columns(_axes(runs), a, b)
    chosen = runs.where(**{name: wanted for name, wanted in where.items() if wanted is not None})
    theirs = {_rest_of(run, axis): run for run in chosen if axis.of(run) == second}
    ours = [run for run in chosen if axis.of(run) == first]
    about = _About(runs, axis)
    both = [(run, theirs[key]) for run in ours if (key := _rest_of(run, axis)) in theirs]
    pairs = [Pair(one, other, about(one)) for one, other in both if one.text and other.text]
    pairs.sort(key=lambda pair: pair.is_same)
    return Diff(str(first), str(second), pairs, len(both) - len(pairs))


def _axes(runs: Columns) -> list[_Axis]:
    options: dict[str, list[Any]] = {}
    for variant in runs.variants:
        for name, value in variant.items():
            known = options.setdefault(name, [])
            known += [value] if value not in known else []
    return [
        _Axis("prompt", list(runs.prompts), lambda run: run.prompt),
        _Axis("model", list(runs.models), lambda run: run.model),
        _Axis("system", list(runs.systems), lambda run: run.place.system),
        *(_option(name, values) for name, values in options.items()),
        _Axis("sample", list(range(1, runs.samples + 1)), lambda run: run.sample),
    ]


def _option(name: str, values: list[Any]) -> _Axis:
    return _Axis(name, values, lambda run: run.options.get(name))


def _columns(axes: Sequence[_Axis], a: Any, b: Any) -> tuple[_Axis, Any, Any]:
    """The axis that both are on, and where. Raises ConfigError."""
    for axis in axes:
        first, second = _label(axis, a), _label(axis, b)
        if first in axis.labels and second in axis.labels:
            return axis, first, second
    unknown = [each for each in (a, b) if not any(_label(x, each) in x.labels for x in axes)]
    if not unknown:
        raise ConfigError(f"{a!r} and {b!r} cannot be compared: they are not of the same kind")
    known = [label for axis in axes[:3] for label in axis.labels if label]
    others = [f"({axis.name!r}, {value!r})" for axis in axes[3:-1] for value in axis.labels]
    raise ConfigError(
        f"there is no column {unknown[0]!r}{nearest(str(unknown[0]), known) or '.'}"
        f" There are {listed(known)}{''.join(f', {each}' for each in others)}"
    )


def _label(axis: _Axis, given: Any) -> Any:
    """What is meant on this axis: `("temperature", 0)` is 0 on that of the temperature."""
    if isinstance(given, tuple) and len(given) == 2 and given[0] == axis.name:
        return given[1]
    return given


def _rest_of(run: Run, axis: _Axis) -> tuple[Any, ...]:
    """Where a run stands apart from the axis."""
    options = sorted((name, repr(each)) for name, each in run.options.items() if name != axis.name)
    sides = {
        "prompt": run.prompt,
        "model": run.model,
        "system": run.place.system,
        "sample": run.sample,
    }
    sides.pop(axis.name, None)
    return (run.place.case_index, *sides.values(), *options)


class _About:
    """Says what two runs have in common, as far as there is more than one of it."""

    def __init__(self, runs: Columns, axis: _Axis) -> None:
        sides = {"prompt": runs.prompts, "model": runs.models, "system": runs.systems}
        self._sides = [
            name for name, every in sides.items() if len(every) > 1 and name != axis.name
        ]
        self._has_samples = runs.samples > 1 and axis.name != "sample"
        self._axis = axis

    def __call__(self, run: Run) -> str:
        options = {name: each for name, each in run.options.items() if name != self._axis.name}
        told = [brief(_case_words(run.case), 200)]
        told += [brief(str(getattr(run.place, name)), 60) for name in self._sides]
        told += [option_words(options), f"sample {run.sample}" if self._has_samples else ""]
        return " · ".join(filter(None, told))


def _case_words(case: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}: {brief(str(value), 60)}" for name, value in case.items())


def _marked(piece: Piece) -> str:
    match piece.kind:
        case "removed":
            return f"[-{piece.text}-]"
        case "added":
            return f"{{+{piece.text}+}}"
    return _shortened(piece.text)


def _shortened(text: str) -> str:
    """A long stretch that is the same without its middle."""
    half = _SAME // 2
    return text if len(text) <= _SAME else f"{text[:half]} … {text[-half:]}"


def _pair_html(pair: Pair) -> str:
    return f'{_quiet(pair.about)}<div class="text">{"".join(map(_piece_html, pair.pieces))}</div>'


def _piece_html(piece: Piece) -> str:
    match piece.kind:
        case "removed":
            return f"<del>{safe(piece.text)}</del>"
        case "added":
            return f"<ins>{safe(piece.text)}</ins>"
    return safe(_shortened(piece.text))


def _quiet(text: str) -> str:
    return f'<div class="quiet">{safe(text)}</div>' if text else ""


def _page(body: str) -> str:
    return f'<div class="chatkit-diff"><style>{_STYLE}</style>{body}</div>'
