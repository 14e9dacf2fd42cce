"""The embedded model: one server a process, shared by all who ask, gone with its process."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
import time
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from chatkit import local
from chatkit.errors import LocalModelError, UnknownModel
from chatkit.local import child, server, weights
from chatkit.local.weights import SMOLLM2

ROOT = Path(__file__).parents[1]
NEVER = 30.0  # seconds after which what must happen counts as not happening


def quiet(line: str) -> None:
    """A report that nobody reads."""


def ask_for_address(report: Callable[[str], None] = quiet) -> str:
    return asyncio.run(local.address("smollm2", report))


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


@pytest.fixture(scope="session")
def gguf() -> Path:
    """The real weights, fetched once into the user's own cache."""
    return asyncio.run(weights.obtain(SMOLLM2, quiet))


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
    with httpx.stream(
        "POST", f"{ask_for_address()}/chat/completions", json=body, timeout=60
    ) as answer:
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
@pytest.mark.parametrize("blow", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_server_that_was_killed_is_replaced(blow: signal.Signals) -> None:
    first = ask_for_address()
    running = local._here().server
    assert running is not None
    os.kill(running.process.pid, blow)
    running.process.wait(NEVER)
    assert is_serving(ask_for_address())
    assert not is_serving(first)


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
def test_the_first_answer_fetches_the_weights_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CHATKIT_CACHE", str(tmp_path))
    monkeypatch.delenv("CHATKIT_GGUF", raising=False)
    lines: list[str] = []
    assert is_serving(ask_for_address(lines.append))
    local.stop()
    assert [file.stat().st_size for file in tmp_path.iterdir()] == [SMOLLM2.file_size]
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
