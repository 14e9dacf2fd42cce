"""What the prompts are tried on: a table, a list or a file, as plain dicts.

Knows pandas and polars by what their tables can do, and imports neither.
"""

from __future__ import annotations

import csv
import dataclasses
import json
import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import date, time, timedelta
from decimal import Decimal
from enum import Enum
from io import StringIO
from pathlib import Path, PurePath
from typing import Any
from uuid import UUID

import msgspec

from chatkit.errors import ConfigError
from chatkit.messages import mended

Case = dict[str, Any]
FIELD = "input"  # of a case that is a text or a number
_NOTHING = ("nan", "NaT", "<NA>")  # how what is missing in a table shows itself
_SAID = ("datetime64", "timedelta64", "Period", "Interval")  # whose text says all
_ACCEPTED = (
    "a DataFrame, a list of dicts or of texts, or the path of a .csv, .tsv, .jsonl or .json file"
)


def cases_of(cases: Any) -> list[Case]:
    """The cases as dicts of plain JSON values, their fields by name; of None one without fields.

    `cases` is a DataFrame or Series (a named index is a field, too), a list of dicts, dataclasses
    or of texts and numbers (their field is `input`), a dict of named ones (the name is the field
    `case`), or the path of a CSV, TSV, JSONL or JSON file. In CSV all values are texts. What is
    missing (NaN, NaT) is None. Raises ConfigError, which names the file and line.
    """
    if cases is None:
        return [{}]
    if isinstance(cases, str | PurePath):
        found, where = _of_file(Path(cases).expanduser()), f"file {str(cases)!r}"
    else:
        found, where = _of_value(cases), "cases="
    if not found:
        raise ConfigError(f"{where} has no case in it; give at least one")
    return found


# -- values --


def _of_value(cases: Any) -> list[Case]:
    if hasattr(cases, "itertuples"):  # pandas
        return _of_pandas(cases)
    if hasattr(cases, "to_dicts"):  # polars
        return [_case(row, f"row {number}") for number, row in enumerate(cases.to_dicts())]
    if hasattr(cases, "to_frame"):  # a Series of either
        name = cases.name if isinstance(cases.name, str) and cases.name else FIELD
        return _of_value(cases.to_frame(name))
    if isinstance(cases, Mapping):
        return _of_names(cases)
    if not isinstance(cases, Iterable) or isinstance(cases, bytes):
        raise ConfigError(f"cases= is {cases!r:.80}; it takes {_ACCEPTED}")
    return [_case(item, f"cases[{number}]") for number, item in enumerate(cases)]


def _of_pandas(frame: Any) -> list[Case]:
    levels = [number for number, name in enumerate(frame.index.names) if name is not None]
    names = [frame.index.names[number] for number in levels] + list(frame.columns)
    fields = _distinct([_name(name) for name in names], "the DataFrame")
    indices = [frame.index.get_level_values(number) for number in levels]
    rows = zip(*indices, *(frame.iloc[:, at] for at in range(frame.shape[1])), strict=True)
    return [_record(fields, row, f"row {number}") for number, row in enumerate(rows)]


def _of_names(cases: Mapping[Any, Any]) -> list[Case]:
    if not all(isinstance(item, Mapping) for item in cases.values()):
        raise ConfigError(
            f"cases= is one dict, {dict(cases)!r:.80}: a case is in a list, cases=[{{...}}], or has"
            ' a name, cases={"first": {...}}'
        )
    return [{"case": str(name), **_case(item, f"{name!r}")} for name, item in cases.items()]


def _case(item: Any, where: str) -> Case:
    """One case; a text or a number has the field `input`."""
    fields = _fields(item)
    if fields is None:
        return {FIELD: _checked(item, f"{where} is")}
    names = _distinct([_name(name) for name in fields], where)
    return _record(names, list(fields.values()), where)


def _record(names: Sequence[str], values: Sequence[Any], where: str) -> Case:
    pairs = zip(names, values, strict=True)
    return {name: _checked(value, f"{where}: field {name!r} is") for name, value in pairs}


def _name(name: Any) -> str:
    """A column's name as that of a field: of several levels, `total.price`."""
    return ".".join(map(str, name)) if isinstance(name, tuple) else str(name)


def _distinct(names: list[str], where: str) -> list[str]:
    if twice := [name for name, count in Counter(names).items() if count > 1]:
        raise ConfigError(f"{where} has {twice[0]!r} twice; give each column a name of its own")
    return names


def _checked(value: Any, what: str) -> Any:
    try:
        return _plain(value)
    except TypeError:
        raise ConfigError(
            f"{what} a {type(value).__name__}, {value!r:.80}; a case is of texts, numbers, lists"
            " and dicts of these: put what a prompt is to say of it"
        ) from None
    except RecursionError:
        raise ConfigError(f"{what} nested too deep, or in itself") from None


def _plain(value: Any) -> Any:
    """A value as JSON has it. Raises TypeError for what has no such form."""
    match value:
        case None | bool():
            return value
        case Enum():
            return _plain(value.value)
        case str() | PurePath() | UUID() | Decimal() | timedelta():
            return mended(str(value))  # half a character cannot be kept
        case int():
            return int(value)
        case float() if math.isfinite(value):
            return float(value)
        case float():
            return None if math.isnan(value) else str(float(value))
        case date() | time():  # and datetime
            return None if str(value) in _NOTHING else value.isoformat()
        case set() | frozenset():
            return [_plain(each) for each in sorted(value, key=repr)]  # the same on every run
        case list() | tuple() if _fields(value) is None:
            return [_plain(each) for each in value]
    fields = _fields(value)
    if fields is not None:
        return {str(name): _plain(each) for name, each in fields.items()}
    return _plain_of_others(value)


def _plain_of_others(value: Any) -> Any:
    """What numpy, pandas and polars have in their tables."""
    if str(value) in _NOTHING:
        return None
    if type(value).__name__ in _SAID:
        return str(value)
    for name in ("to_list", "tolist"):  # a Series or an array, a number of numpy
        if hasattr(value, name):
            return _plain(getattr(value, name)())
    raise TypeError


def _fields(item: Any) -> Mapping[Any, Any] | None:
    """What an object with fields has in them, a named tuple and a pydantic model too; None of
    anything else."""
    if isinstance(item, Mapping):
        return item
    if isinstance(item, msgspec.Struct):
        return msgspec.structs.asdict(item)
    if dataclasses.is_dataclass(item) and not isinstance(item, type):
        return {field.name: getattr(item, field.name) for field in dataclasses.fields(item)}
    names = getattr(type(item), "_fields" if isinstance(item, tuple) else "model_fields", None)
    return None if names is None else {name: getattr(item, name) for name in names}


# -- files --


def _of_file(path: Path) -> list[Case]:
    read = _READERS.get(path.suffix.lower())
    if read is None:
        raise ConfigError(
            f"cases={str(path)!r:.80} is no {', '.join(_READERS)} file. Of other tables give the"
            " DataFrame, such as pandas.read_excel(...); of a text, a list: [...]"
        )
    return list(read(path, _text(path)))


def _text(path: Path) -> str:
    try:
        data = path.read_bytes()
    except (OSError, ValueError) as error:
        raise ConfigError(f"the cases cannot be read: {error}") from error
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ConfigError(
            f"file {str(path)!r}, line {line}, is not UTF-8: save it as UTF-8, or give"
            " pandas.read_csv(path, encoding=...)"
        ) from None


def _of_csv(path: Path, text: str) -> Iterator[Case]:
    return _of_separated(path, text, ",;\t")


def _of_tsv(path: Path, text: str) -> Iterator[Case]:
    return _of_separated(path, text, "\t")


def _of_separated(path: Path, text: str, separators: str) -> Iterator[Case]:
    (_, header), *records = _records(path, text, separators) or [(1, [])]
    first = 1 if header[:1] == [""] else 0  # how pandas writes an index without a name
    names = _distinct(header[first:], f"the header of file {str(path)!r}")
    if "" in names:
        raise ConfigError(f"file {str(path)!r}, line 1: a column has no name; give it one")
    for line, cells in records:
        if len(cells) != len(header):
            raise ConfigError(
                f"file {str(path)!r}, line {line}, has {len(cells)} values, and the header"
                f" {len(header)}: a text with separators in it is put in double quotes"
            )
        yield dict(zip(names, cells[first:], strict=True))


def _records(path: Path, text: str, separators: str) -> list[tuple[int, list[str]]]:
    """Each record that is not blank, with the line where it ends."""
    widths = {one: len(next(csv.reader(_lines(text), delimiter=one), [])) for one in separators}
    separator = max(separators, key=lambda one: widths[one])  # the first of equals
    reader = csv.reader(_lines(text), delimiter=separator, strict=True)
    longest = csv.field_size_limit(max(len(text), csv.field_size_limit()))
    try:
        return [(reader.line_num, record) for record in reader if record]
    except csv.Error as error:
        raise ConfigError(
            f"file {str(path)!r}, line {reader.line_num}: {error}. A quotation mark within a text"
            ' is doubled: "He said ""no"""'
        ) from None
    finally:
        csv.field_size_limit(longest)


def _lines(text: str) -> StringIO:
    return StringIO(text, newline="")


def _of_jsonl(path: Path, text: str) -> Iterator[Case]:
    for number, line in enumerate(text.split("\n"), 1):  # a text may hold other line breaks
        if line.strip():
            where = f"file {str(path)!r}, line {number}"
            yield _case(_json(line, where), where)


def _of_json(path: Path, text: str) -> Iterator[Case]:
    where = f"file {str(path)!r}"
    items = _json(text, where)
    if not isinstance(items, list):
        raise ConfigError(f"{where} is not a list of cases: write [{{...}}, {{...}}]")
    yield from (_case(item, f"{where}, case {n}") for n, item in enumerate(items, 1))


def _json(text: str, where: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{where}, is not JSON: {error}") from None


_READERS: dict[str, Callable[[Path, str], Iterator[Case]]] = {
    ".csv": _of_csv,
    ".tsv": _of_tsv,
    ".jsonl": _of_jsonl,
    ".ndjson": _of_jsonl,
    ".json": _of_json,
}
