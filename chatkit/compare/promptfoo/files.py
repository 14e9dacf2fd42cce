"""The files of a promptfoo project. Alone knows PyYAML, which chatkit does without elsewhere."""

from __future__ import annotations

import glob
import json
import re
from importlib import import_module
from pathlib import Path
from typing import Any

from chatkit.errors import ConfigError

SCRIPTS = (".js", ".cjs", ".mjs", ".ts", ".py", ".rb", ".sh")
_MOST = 1_000_000  # values in a file
_STRUCTURED = (".yaml", ".yml", ".json")


def load(path: Path) -> Any:
    """What a YAML or JSON file says. Raises ConfigError."""
    text = text_of(path)
    try:
        value = _json(text) if path.suffix == ".json" else _loaded(text)
    except (_Broken, RecursionError) as error:
        raise ConfigError(f"file {str(path)!r} cannot be read: {error}") from None
    _check_size(path, value)
    return value


def save(path: Path, value: Any) -> None:
    """Write it as YAML or JSON, as the suffix says. Raises ConfigError and OSError."""
    if path.suffix == ".json":
        text = json.dumps(value, ensure_ascii=False, indent=2) + "\n"
    else:
        text = _yaml().safe_dump(value, allow_unicode=True, sort_keys=False, width=100)
    path.write_text(text, encoding="utf-8")


def check(path: Path) -> None:
    """Raises ConfigError where it is no path of a YAML or JSON file."""
    if path.suffix not in _STRUCTURED:
        raise ConfigError(f"{str(path)!r} is no {', '.join(_STRUCTURED)} file of promptfoo")


def text_of(path: Path) -> str:
    """The text of a file. Raises ConfigError."""
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, ValueError) as error:
        raise ConfigError(f"file {str(path)!r} cannot be read: {error}") from None


def named(folder: Path, reference: str) -> list[Path]:
    """The files that `file://name` means, of which the name may have wildcards; at least one.

    Raises ConfigError where there is none.
    """
    name = reference.removeprefix("file://")
    found = sorted(glob.glob(name, root_dir=folder, recursive=True))
    if not found:
        raise ConfigError(f"there is no file {name!r} in {str(folder)!r}")
    return [folder / each for each in found]


def is_file(value: Any) -> bool:
    """Whether a value of a config names a file: with `file://`, or a path by itself."""
    if not isinstance(value, str) or "\n" in value:
        return False
    path = r"[^\s{}]+\.(?:txt|md|j2|csv|jsonl?|ya?ml|[cm]?js|ts|py)"
    return value.startswith("file://") or re.fullmatch(path, value) is not None


def is_script(path: Path) -> bool:
    """Whether it is code; of `name.py:function` too."""
    return path.suffix.partition(":")[0] in SCRIPTS


class _Broken(ValueError):
    """The text is not of its format; in the words of who reads it."""


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise _Broken(str(error)) from None


def _loaded(text: str) -> Any:
    yaml = _yaml()
    try:
        return yaml.safe_load(text)
    except (yaml.YAMLError, ValueError) as error:  # ValueError: a date that there is not
        raise _Broken(str(error)) from None


def _check_size(path: Path, value: Any) -> None:
    """A few lines of YAML, each naming the one before it twice, are more than any memory holds."""
    waiting, count = [value], 0
    while waiting:
        count += 1
        if count > _MOST:
            raise ConfigError(f"file {str(path)!r} has more than {_MOST:,} values in it")
        match waiting.pop():
            case dict() as inner:
                waiting += inner.values()
            case list() as inner:
                waiting += inner


def _yaml() -> Any:
    try:
        return import_module("yaml")
    except ImportError as error:
        raise ConfigError(
            "YAML is read by PyYAML, which is not installed: pip install pyyaml, or use .json"
        ) from error
