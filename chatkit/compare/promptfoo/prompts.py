"""The prompts of a config, from its texts and files."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from chatkit.compare.cases import cases_of
from chatkit.compare.promptfoo import files
from chatkit.compare.promptfoo.project import Project


class Prompts:
    """Reads the prompts of a project."""

    def __init__(self, project: Project) -> None:
        self._project = project

    def named(self, given: Any) -> Iterator[tuple[str, Any]]:
        """Each prompt, a text or messages, with its label."""
        labels: Counter[str] = Counter()
        if isinstance(given, Mapping) and not given.keys() & {"id", "raw"}:  # files and labels
            given = [{"id": name, "label": label} for name, label in given.items()]
        for each in given if isinstance(given, list) else [given]:
            for label, prompt in self._prompt(each):
                labels[label] += 1
                yield label if labels[label] == 1 else f"{label} ({labels[label]})", prompt

    def _prompt(self, given: Any) -> Iterator[tuple[str, Any]]:
        known = given if isinstance(given, Mapping) else {"raw": given}
        source, label = known.get("raw") or known.get("id"), str(known.get("label") or "")
        for name in known.keys() - {"raw", "id", "label"}:
            self._project.lose(f"{name} of a prompt")
        if not isinstance(source, str) or re.match(r"exec:|\w+://(?<!file://)", source):
            self._project.lose(f"the prompt {source!r:.60}")
        elif not files.is_file(source):
            yield label or _brief(source), self._said(source)
        else:
            for path in self._project.files(source):
                found = list(self._prompts_of(path))
                for name, prompt in found:
                    yield (label if label and len(found) == 1 else name), prompt

    def _prompts_of(self, path: Path) -> Iterator[tuple[str, Any]]:
        if path.suffix == ".csv":
            for row in cases_of(path):
                text = row.get("prompt", "")
                yield str(row.get("label") or _brief(text)), self._said(text)
        elif path.suffix in (".json", ".yaml", ".yml"):
            yield path.stem, self._project.template(files.load(path))
        else:
            texts = re.split(r"^---\s*$\n?", files.text_of(path), flags=re.MULTILINE)
            parts = [text.strip() for text in texts if text.strip()]
            for text in parts:
                yield path.stem if len(parts) == 1 else _brief(text), self._said(text)

    def _said(self, text: str) -> Any:
        """A text, or the messages that it is as JSON."""
        try:
            messages = json.loads(text)
        except (ValueError, RecursionError):
            return self._project.template(text)
        is_chat = isinstance(messages, list) and all(isinstance(each, dict) for each in messages)
        return self._project.template(messages if is_chat and messages else text)


def _brief(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= 48 else f"{line[:47]}…"
