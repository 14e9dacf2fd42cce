"""The project that a config stands in: its files, and what of it does not map."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

from chatkit.compare.promptfoo import files
from chatkit.compare.promptfoo.templates import of_promptfoo
from chatkit.errors import ConfigError


class Project:
    """A folder, and what is left out of the config there, in words, with how often."""

    def __init__(self, folder: Path) -> None:
        self.lost: Counter[str] = Counter()
        self._folder = folder

    def lose(self, what: str) -> None:
        """This does not map."""
        self.lost[what] += 1

    def template(self, value: Any) -> Any:
        """Every text in it as a text with `{field}`s."""
        match value:
            case str():
                return of_promptfoo(value, self.lose)
            case list():
                return [self.template(each) for each in value]
            case dict():
                return {name: self.template(each) for name, each in value.items()}
        return value

    def files(self, reference: str) -> list[Path]:
        """The files of a reference, without those that are code. Raises ConfigError."""
        name = reference.removeprefix("file://")
        if files.is_script(Path(name)):
            self.lose(f"the code in {name}")
            return []
        return files.named(self._folder, reference)

    def mapping(self, given: Any, what: str) -> dict[str, Any]:
        """A part of the config that is a mapping, or names a file with one; nothing is an empty
        one. Raises ConfigError for anything else."""
        if isinstance(given, str):
            found = [files.load(path) for path in self.files(given)]
            given = found[0] if found else {}
        if given is not None and not isinstance(given, dict):
            raise ConfigError(f"{what} is {given!r:.60}, which is no mapping")
        return {str(name): value for name, value in (given or {}).items()}
