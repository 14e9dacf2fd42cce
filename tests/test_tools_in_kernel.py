"""Tools in a real kernel: they see the notebook's variables, run where they belong, and are never
run twice by accident."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.kernels import Cell, Kernel
from tests.servers import Provider
from tests.test_in_kernel import until_stored
from tests.test_steps import call, until

pytestmark = pytest.mark.kernel

OPEN = """
import asyncio, threading, time
from chatkit import Chat, get_model, tool
ran = []
{tools}
model = get_model('openai-chat/test', base_url={url!r}, api_key='x')
chat = Chat('trip', model=model, tools=[{names}])
"""
TABLE = """
def look(column: str):
    ran.append(threading.current_thread().name)
    return table[column]
"""


@pytest.fixture
def kernel(tmp_path: Path) -> Iterator[Kernel]:
    with Kernel(tmp_path) as kernel:
        yield kernel


def opened(kernel: Kernel, provider: Provider, tools: str, names: str) -> None:
    cell = kernel.run(OPEN.format(tools=tools, url=provider.url, names=names), cell_id="open")
    assert not cell.error, cell.text


def asks_for(provider: Provider, *calls: dict[str, Any], then: str = "Done.") -> None:
    provider.answer(tokens=calls, finish_reason="tool_calls")
    provider.answer(then)


def value(kernel: Kernel, expression: str) -> str:
    return kernel.run(expression, cell_id="value").text


def shows(kernel: Kernel, cell: Cell, text: str) -> None:
    kernel.until(lambda: text in cell.text)


def test_a_tool_reads_the_notebooks_variables_as_they_are(
    kernel: Kernel, provider: Provider
) -> None:
    opened(kernel, provider, TABLE, "look")
    kernel.run("table = {'a': [1, 2]}", cell_id="table")
    asks_for(provider, call("look", '{"column": "a"}'), then="One and two.")
    cell = kernel.run("chat.send('What is in a?').wait();", cell_id="ask")
    shows(kernel, cell, "One and two.")
    assert "look" in cell.text
    assert provider.requests[1].body["messages"][-1]["content"] == "[1,2]"
    assert value(kernel, "ran[0] != 'MainThread'") == "True"


@pytest.mark.parametrize("kind", ["def", "async def"])
@pytest.mark.parametrize("ask", ["chat.send('Go.')", "chat.send('Go.').wait();"])
def test_a_tool_for_the_main_thread_runs_there_whether_a_cell_waits_or_none_runs(
    kernel: Kernel, provider: Provider, kind: str, ask: str
) -> None:
    code = f"@tool(main=True)\n{kind} look():\n    ran.append(threading.current_thread().name)\n"
    opened(kernel, provider, code, "look")
    asks_for(provider, call("look"))
    cell = kernel.run(ask, cell_id="ask")
    shows(kernel, cell, "Done.")
    assert value(kernel, "ran") == "['MainThread']"


def test_a_guarded_tool_waits_for_another_cell_to_allow_it(
    kernel: Kernel, provider: Provider
) -> None:
    opened(kernel, provider, "@tool(approve=True)\ndef look():\n    ran.append(1)\n", "look")
    asks_for(provider, call("look"))
    cell = kernel.run("reply = chat.send('Go.')", cell_id="ask")
    kernel.run("while not reply.approvals: time.sleep(.01)", cell_id="until")
    assert value(kernel, "ran") == "[]"
    kernel.run("reply.approve()", cell_id="allow")
    shows(kernel, cell, "Done.")
    assert value(kernel, "ran") == "[1]"


def test_in_a_headless_run_a_guarded_tool_is_refused(kernel: Kernel, provider: Provider) -> None:
    code = OPEN.format(
        tools="@tool(approve=True)\ndef look():\n    ran.append(1)\n",
        url=provider.url,
        names="look",
    )
    kernel.run(code)
    asks_for(provider, call("look"), then="Then not.")
    assert "Then not." in kernel.run("chat.send('Go.')").text
    assert kernel.run("ran").text == "[]"


SLOW = """
{mark}
def book():
    with open('booked', 'a') as file:
        file.write('x')
    time.sleep({seconds})
    return 'booked'
"""


@pytest.mark.parametrize(("mark", "runs"), [("", 1), ("@tool(repeatable=True)", 2)])
def test_a_call_whose_kernel_was_killed_is_closed_or_run_again_only_if_it_may_be(
    kernel: Kernel, provider: Provider, tmp_path: Path, mark: str, runs: int
) -> None:
    opened(kernel, provider, SLOW.format(mark=mark, seconds=60), "book")
    asks_for(provider, call("book"), then="So it is.")
    kernel.run("chat.send('Book it.')", cell_id="ask")
    until_booked(tmp_path)
    kernel.kill()
    opened(kernel, provider, SLOW.format(mark=mark, seconds=0), "book")
    cell = kernel.run("chat.send('Book it.').wait();", cell_id="ask")
    shows(kernel, cell, "So it is.")
    assert (tmp_path / "booked").read_text() == "x" * runs
    assert len(provider.requests) == 2
    told = provider.requests[1].body["messages"][-1]["content"]
    assert told == ("booked" if runs == 2 else told)
    assert runs == 2 or "was not run again" in told
    assert value(kernel, "len(chat.messages)") == "2"


def test_a_function_that_kills_its_kernel_at_once_is_known_to_have_begun(
    kernel: Kernel, provider: Provider, tmp_path: Path
) -> None:
    fatal = SLOW.replace("time.sleep({seconds})", "import os; os.kill(os.getpid(), 9)")
    opened(kernel, provider, fatal.format(mark=""), "book")
    asks_for(provider, call("book"), then="So it is.")
    kernel.start("chat.send('Book it.')", cell_id="ask")
    until_booked(tmp_path)
    kernel.kill()
    opened(kernel, provider, fatal.format(mark=""), "book")
    cell = kernel.run("chat.send('Book it.').wait();", cell_id="ask")
    shows(kernel, cell, "So it is.")
    assert (tmp_path / "booked").read_text() == "x"
    assert "was not run again" in provider.requests[1].body["messages"][-1]["content"]


def test_a_call_that_waited_for_leave_when_its_kernel_was_killed_asks_again(
    kernel: Kernel, provider: Provider, tmp_path: Path
) -> None:
    code = SLOW.format(mark="@tool(approve=True)", seconds=0)
    opened(kernel, provider, code, "book")
    asks_for(provider, call("book"), then="So it is.")
    kernel.run("reply = chat.send('Book it.')", cell_id="ask")
    kernel.run(until_stored("tool-approval-request"), cell_id="until")
    kernel.kill()
    opened(kernel, provider, code, "book")
    cell = kernel.run("reply = chat.send('Book it.')", cell_id="ask")
    kernel.run("while not reply.approvals: time.sleep(.01)", cell_id="until")
    assert not (tmp_path / "booked").exists()
    kernel.run("reply.approve()", cell_id="allow")
    shows(kernel, cell, "So it is.")
    assert (tmp_path / "booked").read_text() == "x"
    assert len(provider.requests) == 2


def until_booked(directory: Path) -> None:
    until(lambda: (directory / "booked").exists() and bool((directory / "booked").read_text()))
