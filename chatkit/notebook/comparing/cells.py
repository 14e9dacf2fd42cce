"""One answer in the table as its script draws it: a few lines, how it stands, what it took."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from chatkit.compare.diff.pieces import diff_words
from chatkit.compare.run import Run
from chatkit.scores.verdict import Verdict

JSON = dict[str, Any]
CLIP = 240  # characters of a text that a cell shows
DIFFERS = 2_000  # characters of two texts that are compared for a cell
_AROUND = 30  # characters that stay of what two texts share, beside what they do not

_NOTHING = 1e-9  # US dollars: what is left of sums that are nothing
_GAPS = re.compile(r"\s*\n\s*")


def cell(
    run: Run,
    right_from: Mapping[str, float],
    *,
    hit: str = "",
    dim: bool = False,
    beside: Run | None = None,
) -> JSON:
    """How a run stands now. `right_from`: the number of each score from which an answer is right;
    `hit`: what is looked for; `beside`: whose text it is compared with."""
    text = run.text
    shown: JSON = {"run": run.index, "status": run.status, "text": clip(text, hit)}
    if says := _says(run):
        shown["says"] = says
    if run.scores:
        shown["scores"] = chips(run, right_from)
    if run.is_over and not run.skipped:
        shown["took"] = took(run)
    if run.status == "complete" and run.finish_reason == "length":
        shown["cut"] = "cut off"  # at the token limit
    if dim:
        shown["dim"] = True
    if beside is not None and text and beside.text:
        shown["diff"] = differences(beside.text, text)
    return shown


def clip(text: str, hit: str = "") -> str:
    """The beginning of a text; where something is looked for further on, what is around that."""
    at = text.casefold().find(hit) if hit else 0
    begin = max(0, at - _AROUND) if at > CLIP * 2 // 3 else 0
    shown = _GAPS.sub("\n", text[begin : begin + CLIP].strip())
    left, right = "…" * (begin > 0), "…" * (len(text) > begin + CLIP)
    return f"{left}{shown}{right}"


def chips(run: Run, right_from: Mapping[str, float]) -> list[list[str]]:
    """Each score: its name, its level, and its value in words."""
    return [
        [name, level(verdict.number, right_from.get(name, 1.0)), value_words(verdict)]
        for name, verdict in run.scores.items()
    ]


def level(number: float | None, right_from: float = 1.0) -> str:
    """`good | part | bad`, or `none` where there is no value."""
    if number is None:
        return "none"
    return "good" if number >= right_from else "bad" if number <= 0 else "part"


def value_words(verdict: Verdict) -> str:
    """`right`, `wrong`, or the number."""
    match verdict.value:
        case None:
            return "failed" if verdict.error else "none"
        case bool(right):
            return "right" if right else "wrong"
        case number:
            return number_words(number)


def number_words(number: float) -> str:
    """Two digits after the point, where it has any."""
    return f"{number:,.0f}" if float(number).is_integer() else f"{number:,.2f}"


def took(run: Run) -> list[str]:
    """Tokens, cost and time of an answer; "" where nobody knows."""
    tokens = None if run.usage is None else run.usage.output_tokens
    return ["" if tokens is None else f"{tokens:,}", money(run.cost), seconds(run.seconds)]


def money(dollars: float | None) -> str:
    """`$0.000055`, `$1.20`; "" for nothing."""
    if not dollars or dollars < _NOTHING:
        return ""
    return f"${dollars:,.2f}" if dollars >= 0.1 else f"${Decimal(f'{dollars:.2g}'):f}"


def seconds(count: float | None) -> str:
    """`0.04 s`, `1.2 s`, `75 s`."""
    if count is None:
        return ""
    digits = 2 if count < 0.1 else 1 if count < 10 else 0
    return f"{count:,.{digits}f} s"


def differences(before: str, after: str) -> list[list[str]]:
    """What differs, word by word, as [kind, text]; of what they share, what is beside that."""
    pieces = diff_words(_line(before[:DIFFERS]), _line(after[:DIFFERS]))
    last = len(pieces) - 1
    return [
        [piece.kind, _shared(piece.text, at, last) if piece.kind == "same" else piece.text]
        for at, piece in enumerate(pieces)
    ]


def _line(text: str) -> str:
    return " ".join(text.split())


def _shared(text: str, at: int, last: int) -> str:
    if at == last == 0:
        return clip(text)
    if len(text) <= 2 * _AROUND:
        return text
    left = text[:_AROUND] if at else ""
    right = text[-_AROUND:] if at < last else ""
    return f"{left}…{right}"


def _says(run: Run) -> str:
    """What stands in a cell that has no text, or why its text ended too soon."""
    match run.status:
        case "queued" | "streaming":
            return run.waits
        case "skipped":
            return f"{run.skipped[:1].upper()}{run.skipped[1:]}"
        case "error" | "interrupted" if run.error is not None:
            return str(run.error)[: 2 * CLIP]
        case "stopped" | "interrupted" if not run.text:
            return f"{run.status.capitalize()} before anything arrived."
    return ""
