"""ipykernel in each version that is tested: alone knows how to have one that is not installed.

An older one is a directory of its own, first on a kernel's path and kept in the user's cache;
everything else is the environment that runs the tests.
"""

from __future__ import annotations

import functools
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from contextlib import suppress
from importlib.metadata import version as installed
from pathlib import Path

import platformdirs
import pytest

VERSIONS = ("6.31.0", "7.3.0", "7.4.0")
MENDS = {"7.3.0": Path(__file__).parent / "mend_ipykernel.py"}  # what its kernels run at the start
_MISSING = "let pip reach its index, for ipykernel"


def missing(skipped: Iterable[str]) -> list[str]:
    """Of the reasons for which tests were left out, those that are a version which was not to be
    had, with the way to get it."""
    return sorted(why[why.index(_MISSING) :] for why in skipped if _MISSING in why)


def environment(version: str) -> dict[str, str]:
    """What makes a kernel one of this version. The test is left out where there is none."""
    if version == installed("ipykernel"):
        return {}
    place, why_not = _place(version)
    if why_not:
        pytest.skip(f"{_MISSING} {version} ({why_not})")
    paths = [str(place), os.environ.get("PYTHONPATH", "")]
    mend = {"PYTHONSTARTUP": str(MENDS[version])} if version in MENDS else {}
    return {"PYTHONPATH": os.pathsep.join(filter(None, paths))} | mend


@functools.cache
def _place(version: str) -> tuple[Path, str]:
    """Where this version is, fetched unless it is there; and why it is not, if so."""
    home = platformdirs.user_cache_path("chatkit") / "tests"
    place = home / f"ipykernel-{version}"
    if place.exists():
        return place, ""
    home.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=home) as fresh:
        install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target"]
        command = [*install, f"{fresh}/packages", f"ipykernel=={version}"]
        ran = subprocess.run(command, capture_output=True, text=True)
        if ran.returncode:
            return place, ran.stderr.strip().rpartition("\n")[2] or f"pip: {ran.returncode}"
        with suppress(OSError):  # another run has been faster
            os.rename(f"{fresh}/packages", place)
    return place, "" if place.exists() else f"{place} could not be made"
