"""One place of the grid in a table: what was answered, how it scored and what it took."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache

from chatkit import render
from chatkit.beside import pieces, shaped
from chatkit.compare.labels import brief, safe, short_number
from chatkit.compare.run import Run
from chatkit.export.words import broke_off, line
from chatkit.scores.verdict import Verdict

_SIGNS = {
    "queued": "○",
    "streaming": "◐",
    "complete": "●",
    "stopped": "■",
    "interrupted": "◇",
    "error": "✕",
    "skipped": "–",
}
_PLAIN = 20_000  # characters from which a text is shown as it is, not as Markdown
_FOLDED = 420  # characters of a text from which it is folded; or so many lines
_LINES = 7
_NAME = 60  # characters of a score's name
_REASON = 2_000  # characters of why something is so


def cell(runs: Sequence[Run], scores: Sequence[str], *, longest: int | None) -> str:
    """The samples of one place, with these scores; of each text at most `longest` characters."""
    several = len(runs) > 1
    answers = (
        _answer(run, scores, f"sample {run.sample}" if several else "", longest) for run in runs
    )
    return f'<td class="place">{"".join(answers)}</td>'


def _answer(run: Run, scores: Sequence[str], sample: str, longest: int | None) -> str:
    verdicts = {name: run.scores[name] for name in scores if name in run.scores}
    parts = (_scores(verdicts), _text(run, longest), _broke(run), _foot(run, sample))
    return f'<div class="answer">{"".join(parts)}</div>\n'


def _scores(verdicts: Mapping[str, Verdict]) -> str:
    """The scores side by side; what they say for themselves is folded under them."""
    chips = "".join(_chip(name, verdict) for name, verdict in verdicts.items())
    why = "".join(_why(name, verdict) for name, verdict in verdicts.items())
    if why:
        return f'<details class="why"><summary class="scores">{chips}</summary>{why}</details>'
    return f'<p class="scores">{chips}</p>' if chips else ""


def _why(name: str, verdict: Verdict) -> str:
    told = verdict.error or verdict.reason
    return f"<p>{safe(brief(name, _NAME))}: {safe(brief(told, _REASON))}</p>" if told else ""


def _chip(name: str, verdict: Verdict) -> str:
    """A score by its sign and colour: a colour alone tells not everybody."""
    match verdict.value:
        case None:
            kind, told = ("failed", "<b>!</b> {}") if verdict.error else ("none", "– {}")
        case True:
            kind, told = "right", "<b>✓</b> {}"
        case False:
            kind, told = "wrong", "<b>✗</b> {}"
        case number:
            kind, told = f"n{_tenths(number)}", f"{{}} <b>{safe(_number(number))}</b>"
    return f'<span class="chip {kind}">{told.replace("{}", safe(brief(name, _NAME)))}</span>'


def _number(value: float) -> str:
    return short_number(value) if abs(value) < float("inf") else str(value)


def _tenths(value: float) -> int:
    """How deep a number is shaded, of ten; what is beyond 0 and 1 as these are."""
    return round(10 * min(value, 1.0)) if value > 0 else 0


def _text(run: Run, longest: int | None) -> str:
    """The text, under a fold that shows the whole of it where it is long."""
    text = run.text.strip()
    if longest is not None and len(text) > longest:
        text = f"{text[:longest]}\n\n… {len(text) - longest:,} characters more"
    inside = _rendered(run, text)
    if not inside:
        return ""
    is_long = len(text) > _FOLDED or text.count("\n") > _LINES
    fold = '<details class="fold"><summary>Whole text</summary></details>' if is_long else ""
    return f'{fold}<div class="chatkit">{inside}</div>'


def _rendered(run: Run, text: str) -> str:
    if run.message is None:
        return ""
    if not text:
        return "".join(piece.html for piece in pieces(run.message) if not piece.is_html)
    if len(text) > _PLAIN:
        return f'<p class="raw">{safe(text)}</p>'
    return _markdown(shaped(run.message, text, whole=True))


@lru_cache(maxsize=256)  # the same is answered again and again
def _markdown(text: str) -> str:
    return render.html(text)


def _broke(run: Run) -> str:
    """Why there is no more of it; "" where it is whole."""
    told = run.skipped or (broke_off(run.message) if run.message is not None else "")
    return f'<p class="broke">{safe(brief(told, _REASON))}</p>' if told else ""


def _foot(run: Run, sample: str) -> str:
    """How it stands and what it took."""
    status = run.status
    sign = f'<i class="sign {status}" title="{status}">{_SIGNS[status]}</i>'
    took = "" if run.message is None else safe(line(run.message))
    told = ("" if status == "complete" else status, sample, took)
    return f'<p class="foot">{sign} {" · ".join(filter(None, told))}</p>'
