"""The beginning of a comparison: what it is given is checked, and what there is already is read.

Nothing is asked before all of it can be.
"""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from chatkit import defaults, host
from chatkit import engine as engines
from chatkit.answers.steps import checked_steps
from chatkit.compare.cases import cases_of
from chatkit.compare.grid import Grid, grid_of
from chatkit.compare.purse import Purse
from chatkit.compare.runner import concurrency_of
from chatkit.compare.runs import Runs
from chatkit.compare.scoring import Scoring
from chatkit.compare.shelf import FINAL, Shelf, shelf_of
from chatkit.errors import ConfigError
from chatkit.progress import progress
from chatkit.prompts import Settings
from chatkit.providers import Model
from chatkit.providers.options import check_choice
from chatkit.schema import schema_of
from chatkit.scores import scores_of
from chatkit.scores.judge import Judge
from chatkit.stores import open_store
from chatkit.tools import as_tools


def begin(**given: Any) -> Runs:
    """What `compare` does with its arguments."""
    _check_numbers(given["samples"], given["concurrency"], given["confirm_above"])
    with _no_garbage():
        return _begun(given)


@contextmanager
def _no_garbage() -> Iterator[None]:
    """Nothing that is made here is garbage, and with tens of thousands of objects it would take
    longer to look for it than all the rest."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def _begun(given: Mapping[str, Any]) -> Runs:
    made, scores = _grid(given), scores_of(given["scores"])
    for score in scores.values():
        for case in made.cases:
            score.check(case)
    store, engine, fresh = open_store(given["store"]), engines.get_engine(), given["fresh"]
    shelf = shelf_of(store, engine)
    scoring = Scoring(scores, shelf, engine)
    with progress(f"Reading what is answered already in {store.location!r}"):
        engine.run(_restore(made, shelf, scoring, fresh))
    purse = Purse(given["budget"])
    _check_left(made, scoring, purse, fresh)
    for run in made.runs:
        run.store = store
        purse.count(run)
    runs = Runs(
        made,
        shelf,
        scoring,
        engine=engine,
        purse=purse,
        concurrency=concurrency_of(given["concurrency"]),
        fresh=fresh,
        given=given,
    )
    _take_the_place(runs)
    _start(runs, given["confirm_above"], given["budget"])
    return runs


def _grid(given: Mapping[str, Any]) -> Grid:
    """The runs that there are to be. Raises ConfigError and MessageError."""
    known, schema, repair = as_tools(given["tools"]), given["schema"], given["repair"]
    shape = None if schema is None else schema_of(schema)
    steps, always = checked_steps(given["max_steps"]), defaults.get("options")

    def settings(model: Model, chosen: Mapping[str, Any]) -> Settings:
        options = {**always, **chosen}
        check_choice(options.get("tool_choice"), known)
        model.check_options(options)
        return Settings(model, None, options, known, steps, shape, repair)

    models, system = given["models"], given["system"]
    return grid_of(
        given["prompts"],
        [None] if models is None else models,
        cases_of(given["cases"]),
        samples=given["samples"],
        options=given["options"],
        system=defaults.get("system") if system is None else system,
        settings=settings,
    )


async def _restore(made: Grid, shelf: Shelf, scoring: Scoring, fresh: bool) -> None:
    await shelf.restore(made.runs)
    if not fresh:
        await scoring.restore(made.runs)


def _check_numbers(
    samples: int, concurrency: int | Mapping[str, int], confirm_above: float
) -> None:
    if not isinstance(samples, int) or samples < 1:
        raise ConfigError(f"samples is {samples!r}; it is a number of answers, 1 or more")
    given = concurrency.values() if isinstance(concurrency, Mapping) else [concurrency]
    if not all(isinstance(each, int) and each >= 1 for each in given):
        raise ConfigError(
            f"concurrency is {concurrency!r}; it is how many requests go at once, 1 or more, or a"
            ' dict of it for each provider, such as {"openai": 8}'
        )
    if not isinstance(confirm_above, int | float):
        raise ConfigError(f"confirm_above is {confirm_above!r}; it is a number of US dollars")


def _check_left(made: Grid, scoring: Scoring, purse: Purse, fresh: bool) -> None:
    """What would be asked can be: raises ConfigError (MissingKey, ...) before anything is."""
    left = [run for run in made.runs if fresh or run.status not in FINAL]
    asked = list({id(run.settings): run.settings for run in left}.values())
    for settings in asked:
        settings.model.check(settings.options)
    judges = (score.model for score in scoring.scores.values() if isinstance(score, Judge))
    purse.check([*(settings.model for settings in asked), *judges])


def _start(runs: Runs, confirm_above: float, budget: float | None) -> None:
    """Start it, or have it wait for somebody to see what it would take."""
    if budget is not None or runs.estimate <= confirm_above:
        runs.start()
        host.current().finish(lambda: runs.done)
    elif host.current().attended:
        runs.is_held = True
    else:
        raise ConfigError(
            f"this would take about ${runs.estimate:,.2f}, and nobody is here to start it: pass"
            " budget= (US dollars), or confirm_above="
        )


def _take_the_place(runs: Runs) -> None:
    """What the same cell compared when it ran before asks nothing more."""
    cell, execution = host.current().position()
    if cell is None:
        return
    ran, there = _by_cell.get(cell, ("", weakref.WeakSet[Runs]()))
    if ran != execution:
        for before in there:
            before.give_way()
        there = weakref.WeakSet()
    there.add(runs)
    _by_cell[cell] = execution, there


_by_cell: dict[str, tuple[str, weakref.WeakSet[Runs]]] = {}  # and its execution
