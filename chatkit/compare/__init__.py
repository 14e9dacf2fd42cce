"""`compare`: many prompts, models and cases asked side by side, each run kept as it ends.

Its parts are not imported before it is called.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from chatkit.stores import Store

if TYPE_CHECKING:
    from chatkit.compare.runs import Runs


def compare(
    prompts: Any,
    models: Any = None,
    cases: Any = None,
    *,
    samples: int = 1,
    options: Mapping[str, Any] | Sequence[Mapping[str, Any]] = {},
    system: Any = None,
    tools: Iterable[Callable[..., Any]] = (),
    max_steps: int | None = None,
    schema: Any = None,
    repair: bool = False,
    scores: Any = (),
    concurrency: int | Mapping[str, int] = 16,
    budget: float | None = None,
    confirm_above: float = 1.0,
    fresh: bool = False,
    store: str | os.PathLike[str] | Store | None = None,
) -> Runs:
    """Ask every prompt of every model for every case, in the background; returns at once.

    Each answer is on disk as it comes. The same comparison again, after an interrupt, a restart
    or in another notebook, asks only what has no answer yet; what changed is asked or scored anew.

    `prompts`: a text with `{field}`s of the case, a list of messages, a `Chat` (its last question;
    in a list with what is said next), or a function of the case; several in a list or a dict of
    names. `models`, `system`: one, several, or a dict of names.
    `cases`: a DataFrame, a list of dicts or texts (`{input}`), or a CSV, JSON or JSONL file.
    `samples`: how often each is asked. `options`: every list in it is varied; a list of dicts says
    each choice itself. `tools`, `max_steps`, `schema`, `repair`: as in `Chat.send`.
    `scores`: functions of `(reply, case)`, and what `chatkit.scores` has, by name.
    `concurrency`: requests at once for each provider, or a dict of these.
    `budget`: US dollars that the whole comparison may cost, what is answered already included.
    What would take more than `confirm_above` dollars waits for `start()`, unless there is a
    budget; where nobody is there to start it, that is an error. `fresh` asks all of it again,
    beside the answers there are.

    Raises ConfigError and MessageError, naming the prompt and the field, before anything is
    asked; StoreError where the store cannot be read.
    """
    from chatkit.compare.begin import begin  # few sessions compare, and it is a lot

    return begin(
        prompts=prompts,
        models=models,
        cases=cases,
        samples=samples,
        options=options,
        system=system,
        tools=tools,
        max_steps=max_steps,
        schema=schema,
        repair=repair,
        scores=scores,
        concurrency=concurrency,
        budget=budget,
        confirm_above=confirm_above,
        fresh=fresh,
        store=store,
    )
