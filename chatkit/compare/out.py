"""A comparison as a file: CSV, JSON Lines, Parquet, an HTML report, or a promptfoo test.

The only module that knows Parquet's libraries.
"""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, BinaryIO

import msgspec

from chatkit.compare import promptfoo
from chatkit.compare.page import report_html
from chatkit.compare.rows import Compared, Row, error_words, rows_of
from chatkit.compare.run import Run
from chatkit.errors import ConfigError
from chatkit.messages import mended
from chatkit.progress import progress, ticking

_PROMPTFOO = (".yaml", ".yml", ".json")
_WHOLE = 2**63  # Parquet's whole numbers end below
_FORMULA = ("=", "+", "-", "@", "\t", "\r")  # how a spreadsheet knows one (OWASP, CSV Injection)


def export(runs: Compared, path: str | os.PathLike[str], *, for_spreadsheet: bool = False) -> Path:
    """Write the runs to `path`, in the form its suffix names, and return it.

    `.csv` and `.parquet` (a row a run, see `rows_of`), `.jsonl` (a run a line, with its messages),
    `.html` (a report of its own, loads nothing), `.yaml` and `.json` (a test of promptfoo). A file
    that is there is replaced, whole or not at all.

    A CSV file says what the models said, to the letter, as whoever reads it by a program needs it.
    A spreadsheet runs cells that begin like a formula, and a model may write one: to open the file
    there, write it `for_spreadsheet`, with an apostrophe before these.

    Raises ConfigError for another suffix, or where no library for Parquet is there; OSError where
    the file cannot be written.
    """
    target = Path(path).expanduser()
    suffix = target.suffix.lower()
    if suffix not in _FORMS and suffix not in _PROMPTFOO:
        forms = " ".join([*_FORMS, *_PROMPTFOO])
        raise ConfigError(f"runs cannot be exported as {target.suffix!r}: the forms are {forms}")
    if for_spreadsheet and suffix != ".csv":
        raise ConfigError(f"for_spreadsheet is for .csv, not {target.suffix!r}: leave it out")
    beside = TemporaryDirectory(prefix=f".{target.name}.", dir=target.parent)
    with progress(f"Writing {target}"), beside as place:
        written = Path(place, target.name)
        if suffix in _PROMPTFOO:
            promptfoo.write(runs, written)
        elif for_spreadsheet:
            written.write_bytes(to_csv(runs, for_spreadsheet=True))
        else:
            written.write_bytes(_FORMS[suffix](runs))
        os.replace(written, target)
    return target


def to_csv(runs: Compared, *, for_spreadsheet: bool = False) -> bytes:
    """The rows in UTF-8, with a line of names; what is not known is empty, an object is JSON."""
    rows = rows_of(runs)
    written = io.StringIO(newline="")
    writer = csv.writer(written, lineterminator="\n")
    cell = _inert if for_spreadsheet else _cell
    writer.writerow(map(cell, rows[0] if rows else ()))
    writer.writerows(map(cell, row.values()) for row in ticking(rows))
    mark = "\ufeff" if for_spreadsheet else ""  # without it Excel takes it for the local encoding
    return mended(mark + written.getvalue()).encode()


def to_jsonl(runs: Compared) -> bytes:
    """A run a line: where it stands, what was asked, the whole answer, and the scores."""
    return mended("".join(f"{_json(_told(run))}\n" for run in ticking(runs))).encode()


def to_parquet(runs: Compared) -> bytes:
    """The rows, each column of one type: text, as in CSV, where it has several."""
    rows = rows_of(runs)
    columns = {name: _column([row[name] for row in rows]) for name in (rows[0] if rows else ())}
    written = io.BytesIO()
    _write_table(columns, written)
    return written.getvalue()


def to_html(runs: Compared) -> bytes:
    """The report."""
    return mended(report_html(runs)).encode()


def _told(run: Run) -> Row:
    status = run.status  # before the message, which may grow meanwhile: what is complete is whole
    message = run.message
    return {
        "run": run.index,
        "prompt": run.prompt,
        "system": run.place.system,
        "model": run.model,
        "case": dict(run.case),
        "options": dict(run.options),
        "sample": run.sample,
        "status": status,
        "error": error_words(run),
        "text": run.text,
        "object": run.object,
        "scores": {name: msgspec.structs.asdict(each) for name, each in dict(run.scores).items()},
        "messages": [each.to_json() for each in run.messages],
        "message": None if message is None else message.to_json(),
    }


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)


def _cell(value: Any) -> Any:
    return _json(value) if isinstance(value, dict | list) else value


def _inert(value: Any) -> Any:
    """The cell, with an apostrophe before what a spreadsheet would run."""
    told = _cell(value)
    return f"'{told}" if isinstance(told, str) and told.startswith(_FORMULA) else told


def _column(values: Sequence[Any]) -> list[Any]:
    """The values as one type that Parquet has, text where they are of several."""
    kinds = {type(value) for value in values if value is not None}
    if kinds <= {bool} or kinds <= {str}:
        return [mended(value) if isinstance(value, str) else value for value in values]
    if kinds <= {int} and all(abs(value or 0) < _WHOLE for value in values):
        return list(values)
    if kinds <= {bool, int, float} and float in kinds:
        return [None if value is None else float(value) for value in values]
    return [value if value is None else mended(str(_cell(value))) for value in values]


def _write_table(columns: dict[str, list[Any]], file: BinaryIO) -> None:
    """By pyarrow, which pandas has for this too, else by polars."""
    if find_spec("pyarrow"):
        import pyarrow.parquet

        pyarrow.parquet.write_table(pyarrow.table(columns), file)
    elif find_spec("polars"):
        import polars

        polars.DataFrame(columns).write_parquet(file)
    else:
        raise ConfigError(
            "Parquet needs a library: pip install pyarrow, or polars; .csv and .jsonl need none"
        )


_FORMS: dict[str, Callable[[Compared], bytes]] = {
    ".csv": to_csv,
    ".jsonl": to_jsonl,
    ".parquet": to_parquet,
    ".html": to_html,
}
