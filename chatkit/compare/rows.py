"""The runs of a comparison as rows of a table: flat, and with the same columns at any time.

Pure but for `frame`, which alone knows pandas.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from chatkit.compare.run import Run
from chatkit.messages import Usage
from chatkit.scores.verdict import Verdict

Row = dict[str, Any]

_TOKENS = ("input_tokens", "output_tokens", "reasoning_tokens", "cached_input_tokens")
_NUMBERS = (*_TOKENS, "cost", "seconds_to_first_token", "seconds")
_ANSWER = ("text", "object", "status", "error", "finish_reason", *_NUMBERS)
_FIXED = frozenset(("run", "prompt", "model", "system", "sample", *_ANSWER))
_NOBODY_COUNTED = Usage()
_WHOLE = 2**63  # what pandas has for whole numbers ends below


class _Told(NamedTuple):
    """What a column tells: the value of a score, or its reason or error."""

    score: str
    what: str

    def by(self, verdicts: Mapping[str, Verdict]) -> Any:
        value = getattr(verdicts.get(self.score), self.what, None)
        return None if value == "" else value


class Compared(Protocol):
    """What is read of `Runs` here, and in the other parts that only look."""

    @property
    def prompts(self) -> Sequence[str]: ...
    @property
    def models(self) -> Sequence[str]: ...
    @property
    def systems(self) -> Sequence[str]: ...
    @property
    def variants(self) -> Sequence[Mapping[str, Any]]: ...
    @property
    def cases(self) -> Sequence[Mapping[str, Any]]: ...
    @property
    def samples(self) -> int: ...
    @property
    def score_names(self) -> Sequence[str]: ...
    @property
    def thresholds(self) -> Mapping[str, float]: ...
    @property
    def is_over(self) -> bool: ...
    @property
    def given(self) -> Mapping[str, Any]: ...
    def __len__(self) -> int: ...
    def __iter__(self) -> Iterator[Run]: ...


def rows_of(runs: Compared) -> list[Row]:
    """One dict a run, in the order of the runs; what is not known (yet) is None.

    run, prompt, model, system (where several are compared), the fields of the case, the options
    that are varied, sample, text, object, status, error, finish_reason, tokens, cost, seconds, and
    the scores by their names. A field is called `case.NAME` where another column has its name, an
    option `option.NAME`, a score `score.NAME`. Beside a score, its `.reason` and `.error` are
    columns as soon as a run has one.
    """
    scores = _score_columns(runs)
    taken = {*_FIXED, *scores}
    fields = free_names("case", names_in(runs.cases), taken)
    options = free_names("option", names_in(runs.variants), taken | set(fields.values()))
    has_system = any(runs.systems)
    return [_row(run, fields, options, scores, has_system) for run in runs]


def frame_of(runs: Compared) -> Any:
    """The rows as a pandas DataFrame; as they are where there is no pandas."""
    scores = free_names("score", runs.score_names, _FIXED)
    return frame(rows_of(runs), {*_NUMBERS, *scores.values()})


def frame(rows: list[Row], numbers: Collection[str]) -> Any:
    """Rows with the same keys as a pandas DataFrame; as they are where there is no pandas.

    Those columns are of numbers even while they are empty. One of right and wrong is nullable,
    so that means and `df[df.right]` work as long as some are missing.
    """
    try:
        import pandas
    except ImportError:
        return rows
    columns = {name: [row[name] for row in rows] for name in (rows[0] if rows else ())}
    return pandas.DataFrame(
        {
            name: pandas.Series(values, dtype=_dtype(values, name in numbers))
            for name, values in columns.items()
        }
    )


def free_names(kind: str, names: Iterable[str], taken: Collection[str]) -> dict[str, str]:
    """The names of columns for these names: `KIND.NAME` for one that is taken."""
    found: dict[str, str] = {}
    for name in names:
        column = str(name)
        while column in taken or column in found.values():
            column = f"{kind}.{column}"
        found[name] = column
    return found


def names_in(mappings: Iterable[Mapping[str, Any]]) -> list[str]:
    """Every key of these, in the order in which they first come."""
    return list(dict.fromkeys(name for each in mappings for name in each))


def error_words(run: Run) -> str | None:
    """Why there is no answer, or not all of it: `RateLimited: slow down`; None where there is."""
    error = None if run.skipped else run.error
    return run.skipped or None if error is None else f"{type(error).__name__}: {error}"


def _score_columns(runs: Compared) -> dict[str, _Told]:
    """What each column of the scores tells."""
    columns: dict[str, _Told] = {}
    verdicts = [run.scores for run in runs]
    for name, column in free_names("score", runs.score_names, _FIXED).items():
        columns[column] = _Told(name, "value")
        for what in ("reason", "error"):
            if any(getattr(scores.get(name), what, "") for scores in verdicts):
                columns[f"{column}.{what}"] = _Told(name, what)
    return columns


def _row(
    run: Run,
    fields: Mapping[str, str],
    options: Mapping[str, str],
    scores: Mapping[str, _Told],
    has_system: bool,
) -> Row:
    verdicts = dict(run.scores)
    return {
        "run": run.index,
        "prompt": run.prompt,
        "model": run.model,
        **({"system": run.place.system} if has_system else {}),
        **{column: run.case.get(name) for name, column in fields.items()},
        **{column: run.options.get(name) for name, column in options.items()},
        "sample": run.sample,
        **_answer(run),
        **{column: told.by(verdicts) for column, told in scores.items()},
    }


def _answer(run: Run) -> Row:
    status = run.status  # before the text, which may grow meanwhile: what is complete is whole
    usage = run.usage or _NOBODY_COUNTED
    return {
        "text": run.text,
        "object": run.object,
        "status": status,
        "error": error_words(run),
        "finish_reason": run.finish_reason,
        **{name: getattr(usage, name) for name in _TOKENS},
        "cost": run.cost,
        "seconds_to_first_token": run.seconds_to_first_token,
        "seconds": run.seconds,
    }


def _dtype(values: Sequence[Any], is_number: bool) -> str | None:
    """What pandas shall keep a column as; None where it finds out by itself."""
    kinds = {type(value) for value in values if value is not None}
    if not kinds:
        return "float64" if is_number else "object"
    if kinds == {bool}:
        return "boolean"
    if kinds == {int}:
        is_nullable = None in values and all(abs(value or 0) < _WHOLE for value in values)
        return "Int64" if is_nullable else None
    return "float64" if is_number else None
