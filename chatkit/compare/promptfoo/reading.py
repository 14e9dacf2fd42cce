"""A `promptfooconfig.yaml` as the arguments of `compare`."""

from __future__ import annotations

import os
import warnings
from pathlib import Path
from typing import Any

from chatkit.compare.promptfoo import files
from chatkit.compare.promptfoo.project import Project
from chatkit.compare.promptfoo.prompts import Prompts
from chatkit.compare.promptfoo.providers import Providers
from chatkit.compare.promptfoo.suite import Suite
from chatkit.errors import ConfigError

JSON = dict[str, Any]

_READ = ("prompts", "providers", "targets", "tests", "defaultTest", "evaluateOptions")
_SAYS_NOTHING = ("description", "tags", "$schema", "outputPath", "sharing")  # of what is asked


def read(path: str | os.PathLike[str]) -> JSON:
    """The `prompts`, `models`, `cases`, `scores`, ... of a config, for `compare(**read(path))`.

    What does not map (JavaScript, Python, transforms, filters of templates, ...) is left out, and
    named in a warning. Raises ConfigError for what cannot be read.
    """
    place = Path(path).expanduser()
    files.check(place)
    config = files.load(place)
    if not isinstance(config, dict):
        raise ConfigError(f"file {str(place)!r} is no config of promptfoo: it is no mapping")
    project = Project(place.parent)
    found = _arguments(project, config)
    if project.lost:
        told = "; ".join(
            what + (f" ({n} times)" if n > 1 else "") for what, n in project.lost.items()
        )
        warnings.warn(f"{place.name}: chatkit leaves out {told}", stacklevel=2)
    return found


def _arguments(project: Project, config: JSON) -> JSON:
    for name in config.keys() - {*_READ, *_SAYS_NOTHING}:
        project.lose(name)
    suite = Suite(project, config.get("tests"), config.get("defaultTest"))
    providers = config.get("providers") or config.get("targets") or []
    found: JSON = {
        "prompts": dict(Prompts(project).named(config.get("prompts") or "{{prompt}}")),
        **Providers(project).arguments(providers),
        "cases": suite.cases,
        "scores": suite.scores(),
        **_how(project, project.mapping(config.get("evaluateOptions"), "evaluateOptions")),
    }
    return {name: value for name, value in found.items() if value and value != [{}]}


def _how(project: Project, given: JSON) -> JSON:
    for name in given.keys() - {"repeat", "maxConcurrency", "showProgressBar", "cache"}:
        project.lose(f"evaluateOptions.{name}")
    return {"samples": given.get("repeat"), "concurrency": given.get("maxConcurrency")}
