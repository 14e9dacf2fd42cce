"""Tests in a real JupyterLab in headless Chromium, with a screenshot of each scenario."""

from __future__ import annotations

import importlib.util
import os
import shutil

_BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")


def browser_path() -> str | None:
    """The system's Chromium: $CHROMIUM, else the first one on the path."""
    found = (shutil.which(name) for name in _BROWSERS)
    return os.environ.get("CHROMIUM") or next(filter(None, found), None)


def missing() -> list[str]:
    """What these tests lack here, each with the way to get it; they are left out then."""
    remedies = [
        f"{module}: pip install -e '.[test]'"
        for module in ("jupyterlab", "notebook", "playwright")
        if importlib.util.find_spec(module) is None
    ]
    if browser_path() is None:
        remedies.append("a browser: apt-get install chromium, or name one in $CHROMIUM")
    return remedies
