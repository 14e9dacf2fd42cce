"""The providers of a config as models, and their settings as options."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from chatkit.compare.promptfoo import files
from chatkit.compare.promptfoo.project import Project
from chatkit.compare.promptfoo.vendors import model_of, options_of

JSON = dict[str, Any]


class Providers:
    """Reads the providers of a project."""

    def __init__(self, project: Project) -> None:
        self._project = project

    def arguments(self, given: Any) -> JSON:
        """`models` and `options`, of which what is not the same for all is left out."""
        models: dict[str, str] = {}
        variants: dict[str, list[JSON]] = {}
        for each in given if isinstance(given, list) else [given]:
            for name, settings in self._providers(each):
                model = model_of(name)
                if model is None:
                    self._project.lose(f"the provider {name}")
                    continue
                options, rest = options_of(
                    model, self._project.mapping(settings.get("config"), f"config of {name}")
                )
                for setting in rest:
                    self._project.lose(f"{setting} of provider {name}")
                label = str(settings.get("label") or model)
                label = next((known for known, one in models.items() if one == model), label)
                models[label] = model
                variants.setdefault(label, []).append(options)
        return {"models": models, **self._options(list(variants.values()))}

    def _providers(self, given: Any) -> Iterator[tuple[str, JSON]]:
        if isinstance(given, str) and files.is_file(given):
            for path in self._project.files(given):
                inner = files.load(path)
                for each in inner if isinstance(inner, list) else [inner]:
                    yield from self._providers(each)
        elif isinstance(given, str):
            yield given, {}
        elif isinstance(given, Mapping) and isinstance(given.get("id"), str):
            for name in given.keys() - {"id", "label", "config"}:
                self._project.lose(f"{name} of provider {given['id']}")
            yield given["id"], dict(given)
        elif isinstance(given, Mapping):
            for name, each in given.items():
                yield str(name), self._project.mapping(each, f"provider {name}")
        else:
            self._project.lose(f"the provider {given!r:.60}")

    def _options(self, variants: list[list[JSON]]) -> JSON:
        """The options, where every model has the same."""
        if any(each != variants[0] for each in variants):
            self._project.lose("options of providers, which are not the same for each")
            return {}
        chosen = variants[0] if variants else []
        return {"options": chosen[0] if len(chosen) == 1 else chosen}
