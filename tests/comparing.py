"""Comparisons that were never asked: runs with answers put in by hand, for what only reads them.

    runs = runs_of(
        prompts=["terse", "polite"],
        models=["local/a", "openai/b"],
        cases=[{"country": "France", "capital": "Paris"}],
        answer=lambda place: answer(f"{place.prompt}: Paris", cost=0.002),
        scores={"right": lambda run: run.case["capital"] in run.text},
    )

No engine, store or network is touched.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from itertools import product
from typing import Any

from chatkit.compare.run import Place, Run
from chatkit.messages import Message, ReasoningPart, Status, TextPart, as_messages
from chatkit.prompts import Settings
from chatkit.providers import get_model
from chatkit.schema import Schema
from chatkit.scores.verdict import Verdict

Scored = Callable[[Run], Verdict | bool | float | None]


class FakeRuns(list[Run]):
    """What the parts that only read need of a `Runs`."""

    def __init__(
        self,
        runs: Sequence[Run],
        *,
        prompts: Sequence[str],
        models: Sequence[str],
        systems: Sequence[str],
        cases: Sequence[Mapping[str, Any]],
        samples: int,
        variants: Sequence[Mapping[str, Any]],
        score_names: Sequence[str],
    ) -> None:
        super().__init__(runs)
        self.prompts, self.models, self.systems = list(prompts), list(models), list(systems)
        self.cases, self.variants = list(map(dict, cases)), list(map(dict, variants))
        self.samples, self.score_names = samples, list(score_names)
        self.given: dict[str, Any] = {  # as compare() was called
            "prompts": {name: f"{name}?" for name in self.prompts},
            "models": self.models,
            "cases": self.cases,
            "samples": samples,
        }
        judged = (verdict.cost or 0.0 for run in self for verdict in run.scores.values())
        self.cost = sum(run.cost or 0.0 for run in self) + sum(judged)
        self.thresholds = dict.fromkeys(self.score_names, 1.0)
        self.left: float | None = None
        self.notes: list[str] = []
        self.estimate: float | None = None
        self.is_held = False

    @property
    def counts(self) -> dict[str, int]:
        """How many runs stand how."""
        return dict(Counter(run.status for run in self))

    @property
    def is_over(self) -> bool:
        """Whether nothing more comes of any."""
        return all(run.is_over for run in self)


def answer(
    text: str = "Paris",
    *,
    status: Status = "complete",
    reasoning: str = "",
    cost: float | None = 0.001,
    seconds: float | None = 1.0,
    tokens: tuple[int | None, int | None] | None = (10, 5),  # input, output
    finish_reason: str | None = "stop",
    error: str = "",
) -> Message:
    """An answer as a model gave it; `error` is what its provider said instead."""
    metadata: dict[str, Any] = {"finishReason": finish_reason}
    if cost is not None:
        metadata["cost"] = cost
    if seconds is not None:
        metadata |= {"seconds": seconds, "secondsToFirstToken": seconds / 4}
    if tokens is not None:
        metadata["usage"] = {"inputTokens": tokens[0], "outputTokens": tokens[1]}
    if error:
        status = "error"
        metadata["error"] = {"type": "ServerError", "message": error, "status": 500}
    thought = (ReasoningPart(reasoning),) if reasoning else ()
    said = (TextPart(text),) if text else ()
    return Message(
        id="a", role="assistant", parts=(*thought, *said), status=status, metadata=metadata
    )


def runs_of(
    *,
    prompts: Sequence[str] = ("terse",),
    models: Sequence[str] = ("local/a",),
    systems: Sequence[str] = ("",),
    variants: Sequence[Mapping[str, Any]] = ({},),
    cases: Sequence[Mapping[str, Any]] = ({},),
    samples: int = 1,
    answer: Callable[[Place], Message | str | None] = lambda place: "Paris",
    scores: Mapping[str, Scored] | None = None,
    schema: Schema | None = None,
) -> FakeRuns:
    """The whole grid, each place answered by `answer(place)`: None for one that is still queued.

    The scores are computed of each answer that is complete, as compare() does.
    """
    model = get_model("openai-chat/m", base_url="http://127.0.0.1:1", api_key="k")
    settings = Settings(model, None, {}, schema=schema)
    grid = product(prompts, systems, models, variants, enumerate(cases), range(1, samples + 1))
    runs = []
    for index, (prompt, system, name, options, (at, case), sample) in enumerate(grid):
        place = Place(index, prompt, name, at, case, sample, system, options)
        run = Run(place, as_messages(f"{prompt}?"), settings, f"key-{index}")
        run.message = _message(answer(place))
        if run.status == "complete":
            run.scores = {name: _verdict(score(run)) for name, score in (scores or {}).items()}
        runs.append(run)
    return FakeRuns(
        runs,
        prompts=prompts,
        models=models,
        systems=systems,
        cases=cases,
        samples=samples,
        variants=variants,
        score_names=list(scores or {}),
    )


def _message(given: Message | str | None) -> Message | None:
    return answer(given) if isinstance(given, str) else given


def _verdict(given: Verdict | bool | float | None) -> Verdict:
    return given if isinstance(given, Verdict) else Verdict(given)
