"""Scores of answers, for `compare(scores=...)`.

    from chatkit.scores import contains, judge

    scores = {
        "right": contains("{capital}"),
        "short": lambda reply: len(reply.text) < 200,
        "polite": judge("anthropic/claude-haiku-5-5", "How polite is it?", scale=(1, 5)),
    }

A score function takes the reply, and the case if it likes, and returns True or False, a number
(from 0 to 1, best), None where it does not apply, or `{"value": ..., "reason": ...}`. `~score` is
right where the score is wrong.
"""

from __future__ import annotations

from chatkit.scores.checks import contains, exact, json_schema, regex, similar
from chatkit.scores.functions import as_score, scores_of
from chatkit.scores.judge import judge
from chatkit.scores.score import Ask, Score
from chatkit.scores.verdict import Verdict

__all__ = [
    "Ask",
    "Score",
    "Verdict",
    "as_score",
    "contains",
    "exact",
    "json_schema",
    "judge",
    "regex",
    "scores_of",
    "similar",
]
