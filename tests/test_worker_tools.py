"""Tools of detached answers: run by a kernel that is there, once, whatever becomes of it."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from chatkit import Chat, tool
from chatkit.answers.calls import CRASHED, REFUSED
from chatkit.detached import workers
from chatkit.providers import Model
from tests.conftest import Cells
from tests.kernels import Kernel
from tests.servers import Provider
from tests.test_steps import add, asks_for, call, tools_of
from tests.working import end_all, is_there, until, worker_of

HURRIED = """
import runpy
from chatkit.answers import lent
lent.PATIENCE = 1.0
runpy.run_module("chatkit.worker", run_name="__main__")
"""


@pytest.fixture(autouse=True)
def _no_worker_stays() -> Iterator[None]:
    yield
    end_all()


def chat_with(model: Model, tmp_path: Path, *tools: Any) -> Chat:
    return Chat("trip", model=model, store=tmp_path / "store", tools=tools, detached=True)


def asks_to_add(provider: Provider) -> None:
    asks_for(provider, call("add", '{"a": 2, "b": 3}'))
    provider.answer("It is five.")


def test_a_function_runs_in_the_kernel_and_its_result_goes_to_the_model(
    provider: Provider, model: Model, tmp_path: Path
) -> None:
    here: list[int] = []

    def add(a: int, b: int) -> int:
        here.append(os.getpid())
        return a + b

    asks_to_add(provider)
    reply = chat_with(model, tmp_path, add).ask("2 + 3?")
    assert (reply.status, reply.text, reply.warnings) == ("complete", "It is five.", [])
    [part] = tools_of(reply.message)
    assert (part.state, part.input, part.output) == ("output-available", {"a": 2, "b": 3}, 5)
    assert provider.requests[1].body["messages"][-1]["content"] == "5"
    assert here == [os.getpid()]
    assert len(provider.requests) == 2


def test_what_a_function_raises_and_what_is_no_tool_is_told_to_the_model(
    provider: Provider, model: Model, tmp_path: Path
) -> None:
    def fail() -> None:
        raise ValueError("not today")

    asks_for(provider, call("fail", id="c1"), call("fly", id="c2", index=1))
    asks_for(provider, call("add", '{"a": "many"}', id="c3"))
    provider.answer("Sorry.")
    reply = chat_with(model, tmp_path, fail, add).ask("Go.")
    assert reply.text == "Sorry."
    failed, unknown, unfit = (part.error_text or "" for part in tools_of(reply.message))
    assert failed == "ValueError: not today"
    assert "There is no tool 'fly' here" in unknown
    assert "do not fit" in unfit


def test_a_call_that_asks_waits_for_the_word_given_here(
    provider: Provider, model: Model, tmp_path: Path, cells: Cells
) -> None:
    asks_to_add(provider)
    asks_to_add(provider)
    chat = chat_with(model, tmp_path, tool(add, approve=True))
    first = chat.send("2 + 3?")
    until(lambda: first.approvals)
    assert len(provider.requests) == 1
    first.approve()
    assert first.wait(30).text == "It is five."
    second = chat.send("And now?")
    until(lambda: second.approvals)
    second.deny(reason="no sums today")
    assert second.wait(30).status == "complete"
    assert [part.state for part in tools_of(second.message)] == ["output-denied"]


def test_where_nobody_can_be_asked_a_call_that_asks_is_refused(
    provider: Provider, model: Model, tmp_path: Path
) -> None:
    asks_to_add(provider)
    reply = chat_with(model, tmp_path, tool(add, approve=True)).ask("2 + 3?")
    [part] = tools_of(reply.message)
    assert (part.state, (part.approval or {})["reason"]) == ("output-denied", REFUSED)


ASKS_TOO = """
import sys, time
from pathlib import Path
from chatkit import Chat, get_model

def note(text: str) -> str:
    "Note it."
    with open(sys.argv[3], "a") as notes:
        notes.write(f"{text} ")
    time.sleep(0.2)
    return "noted"

model = get_model("openai-chat/test", base_url=sys.argv[1], api_key="x")
chat = Chat("trip", model=model, store=sys.argv[2], tools=[note], detached=True)
print(chat.send("Note ten things.").wait(60).text, flush=True)
"""


def test_of_three_kernels_that_follow_one_alone_runs_each_call(
    provider: Provider, tmp_path: Path
) -> None:
    notes_it = [call("note", f'{{"text": "{number}"}}', id=f"c{number}") for number in range(10)]
    first, *_ = [asks_for(provider, each, gated=each is notes_it[0]) for each in notes_it]
    provider.answer("Ten.")
    script, notes = tmp_path / "script.py", tmp_path / "notes"
    script.write_text(ASKS_TOO)
    command = [sys.executable, str(script), provider.url, str(tmp_path / "store"), str(notes)]
    kernels = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True)]
    provider.until(lambda: len(provider.requests) == 1, timeout=60)
    kernels += [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    first.open()
    assert [kernel.communicate(timeout=60)[0] for kernel in kernels] == ["Ten.\n"] * 3
    assert notes.read_text().split() == [str(number) for number in range(10)]
    assert len(provider.requests) == 11


def test_where_no_kernel_comes_it_ends_at_its_calls_and_goes_on_when_one_does(
    provider: Provider, model: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def hurried(log: Any) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, "-c", HURRIED],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
        )

    monkeypatch.setattr(workers, "_spawn", hurried)
    ran: list[int] = []

    def add(a: int, b: int) -> int:
        ran.append(a)
        return a + b

    asks_to_add(provider)
    chat = chat_with(model, tmp_path, add)
    monkeypatch.setattr("chatkit.answers.lent.Borrower._begin_calls", lambda self: None)
    reply = chat.send("2 + 3?").wait(30)
    assert reply.status == "interrupted"
    assert "no kernel came" in str(reply.error)
    monkeypatch.undo()
    end_all()  # the hurried one: the next job has another
    again = reply.resume().wait(30)
    assert (again.id, again.status, again.text) == (reply.id, "complete", "It is five.")
    assert ran == [2]
    assert len(provider.requests) == 2


def test_stop_ends_a_wait_for_a_call(provider: Provider, model: Model, tmp_path: Path) -> None:
    began, over = threading.Event(), threading.Event()

    def wait() -> None:
        began.set()
        over.wait(30)

    asks_for(provider, call("wait"))
    reply = chat_with(model, tmp_path, wait).send("Wait.")
    assert began.wait(30)
    reply.stop()
    assert reply.wait(30).status == "stopped"
    over.set()
    assert len(provider.requests) == 1


# -- a kernel that goes --

TOOLS = """
import sys, time
from pathlib import Path
from chatkit import Chat, get_model, tool
def note(text: str) -> str:
    with open("notes", "a") as notes:
        notes.write(text + " ")
    while not Path("go").exists():
        time.sleep(0.02)
    return "noted"
model = get_model('openai-chat/test', base_url={url!r}, api_key='x')
chat = Chat('trip', model=model, tools=[tool(note, repeatable={repeatable})], detached=True)
"""


@pytest.fixture
def kernel(tmp_path: Path) -> Iterator[Kernel]:
    with Kernel(tmp_path) as kernel:
        yield kernel


def opened(kernel: Kernel, provider: Provider, *, repeatable: bool = False) -> None:
    cell = kernel.run(TOOLS.format(url=provider.url, repeatable=repeatable), cell_id="open")
    assert not cell.error, cell.text


def asked(kernel: Kernel) -> None:
    kernel.run("reply = chat.send('Note it.')", cell_id="a")


def ended(kernel: Kernel) -> str:
    cell = kernel.run("print(reply.wait(30).status, reply.text)", cell_id="end")
    return cell.text.strip()


@pytest.mark.kernel
def test_a_call_made_while_no_kernel_is_there_waits_for_the_next(
    kernel: Kernel, provider: Provider, tmp_path: Path
) -> None:
    answer = asks_for(provider, call("note", '{"text": "once"}'), gated=True)
    provider.answer("Done.")
    opened(kernel, provider)
    asked(kernel)
    provider.until(lambda: len(provider.requests) == 1)
    pid = worker_of(tmp_path / ".chatkit")
    kernel.kill()
    answer.open()
    (tmp_path / "go").touch()
    provider.until(lambda: provider.answered == 1)
    opened(kernel, provider)
    assert not (tmp_path / "notes").exists()
    asked(kernel)
    assert ended(kernel) == "complete Done."
    assert (tmp_path / "notes").read_text() == "once "
    assert len(provider.requests) == 2
    until(lambda: not is_there(pid))


@pytest.mark.kernel
@pytest.mark.parametrize("repeatable", [False, True])
def test_a_call_whose_kernel_died_in_it_runs_again_only_if_it_may(
    kernel: Kernel, provider: Provider, tmp_path: Path, repeatable: bool
) -> None:
    asks_for(provider, call("note", '{"text": "it"}'))
    provider.answer("Done.")
    opened(kernel, provider, repeatable=repeatable)
    asked(kernel)
    until(lambda: (tmp_path / "notes").exists() and (tmp_path / "notes").read_text())
    kernel.restart()
    (tmp_path / "go").touch()
    opened(kernel, provider, repeatable=repeatable)
    asked(kernel)
    assert ended(kernel) == "complete Done."
    assert (tmp_path / "notes").read_text() == ("it it " if repeatable else "it ")
    told = provider.requests[1].body["messages"][-1]["content"]
    assert told == ("noted" if repeatable else CRASHED)
