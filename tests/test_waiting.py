"""Every way to wait, in real kernels of each version: an interrupt ends the wait and never the
answer, and what queues behind a wait or goes on beside it does so."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests import kernel_versions
from tests.kernels import Cell, Kernel
from tests.servers import Provider
from tests.test_steps import call

pytestmark = pytest.mark.kernel

SEND = "chat.send('Lisbon?')"
WAITS = [
    "chat.ask('Lisbon?')",
    f"{SEND}.wait()",
    f"{SEND}.wait(pump=True)",
    f"{SEND}\nchat.wait()",
    f"await {SEND}",
    f"{SEND}.object",
    f"for chunk in {SEND}: pass",
    f"for text in {SEND}.deltas(): pass",
    f"async for chunk in {SEND}: pass",
]


@pytest.fixture(scope="module", params=kernel_versions.VERSIONS)
def shared(request: pytest.FixtureRequest, tmp_path_factory: Any) -> Iterator[Kernel]:
    environment = kernel_versions.environment(request.param)
    with Kernel(tmp_path_factory.mktemp("kernel"), **environment) as kernel:
        kernel.run("import asyncio, threading, uuid\nfrom chatkit import Chat, get_model, tool")
        assert kernel.run("import ipykernel; ipykernel.__version__").text == repr(request.param)
        yield kernel


@pytest.fixture
def kernel(shared: Kernel, provider: Provider) -> Kernel:
    """A kernel of some version, with a chat of the test's own in it."""
    model = f"get_model('openai-chat/test', base_url={provider.url!r}, api_key='x')"
    opened = shared.run(f"model = {model}\nchat = Chat(uuid.uuid4().hex, model=model)")
    assert opened.error == ""
    return shared


@pytest.mark.parametrize("wait", WAITS)
def test_an_interrupt_ends_the_wait_and_the_answer_goes_on(
    kernel: Kernel, provider: Provider, wait: str
) -> None:
    schema = ", schema={'type': 'array'}" if wait.endswith("object") else ""
    answer = provider.answer("[1, 2, 3]", gated=True)
    waiting = kernel.start(wait.replace("?')", f"?'{schema})"), cell_id="a")
    answer.release()
    kernel.until(lambda: "Stop" in str(kernel.comms) and len(provider.requests) == 1)
    assert waiting.status == "running"
    kernel.interrupt()
    kernel.until(lambda: waiting.status != "running")
    assert waiting.error in ("KeyboardInterrupt", "CancelledError")
    assert value(kernel, "chat.status in ('submitted', 'streaming')") == "True"
    answer.open()
    assert value(kernel, "chat.reply().wait().text") == "'[1, 2, 3]'"
    assert (value(kernel, "chat.reply().status"), provider.disconnects) == ("'complete'", 0)
    kernel.comms.clear()


def test_after_an_interrupt_stop_stops_the_answer(kernel: Kernel, provider: Provider) -> None:
    provider.answer("Alfama Belém", gated=True)
    waiting = kernel.start(f"{SEND}.wait()", cell_id="a")
    provider.until(lambda: len(provider.requests) == 1)
    kernel.interrupt()
    kernel.until(lambda: waiting.status != "running")
    assert waiting.error == "KeyboardInterrupt"
    assert kernel.run("chat.stop()", cell_id="b").status == "ok"
    provider.until(lambda: provider.disconnects == 1)
    assert value(kernel, "chat.reply().wait().status") == "'stopped'"


@pytest.mark.parametrize("wait", ["reply.wait()", "reply.wait(pump=True)", "await reply"])
def test_cells_queued_behind_a_wait_all_run_in_their_order(
    kernel: Kernel, provider: Provider, wait: str
) -> None:
    answer = provider.answer("Alfama Belém", gated=True)
    codes = [f"ran = []; reply = {SEND}", f"{wait}; ran.append(1)"]
    codes += [f"ran.append({number})" for number in range(2, 6)]
    cells = [kernel.start(code, cell_id=code) for code in codes]
    provider.until(lambda: len(provider.requests) == 1)
    kernel.until(lambda: cells[0].status == "ok")
    answer.open()
    kernel.until(lambda: all(cell.status != "running" for cell in cells))
    assert {cell.status for cell in cells} == {"ok"}
    assert value(kernel, "ran, reply.text") == "([1, 2, 3, 4, 5], 'Alfama Belém')"


def test_cells_sent_while_a_wait_pumps_run_after_it(kernel: Kernel, provider: Provider) -> None:
    answer = provider.answer("Alfama Belém", gated=True)
    waiting = kernel.start(f"print('waits')\nran = []\n{SEND}.wait(pump=True);", cell_id="a")
    kernel.until(lambda: "waits" in waiting.text)
    behind = [kernel.start(f"ran.append({number})", cell_id=str(number)) for number in range(4)]
    answer.open()
    kernel.until(lambda: all(cell.status != "running" for cell in [waiting, *behind]))
    assert {cell.status for cell in [waiting, *behind]} == {"ok"}
    assert value(kernel, "ran") == "[0, 1, 2, 3]"


def test_a_pumping_wait_ends_at_its_timeout_and_the_answer_goes_on(
    kernel: Kernel, provider: Provider
) -> None:
    answer = provider.answer("Alfama Belém", gated=True)
    ended = kernel.run(f"reply = {SEND}\nreply.wait(0.2, pump=True)", cell_id="a")
    assert ended.error == "TimeoutError"
    answer.open()
    assert value(kernel, "reply.wait(pump=True).status") == "'complete'"


TASK = """
async def beside():
    for _ in range(3):
        await asyncio.sleep(0)
    goes_on.set_result(None)
    await waits
    print('it was here')

waits = asyncio.get_running_loop().create_future()
goes_on = asyncio.get_running_loop().create_future()
task = asyncio.ensure_future(beside())
"""


def test_a_task_of_the_users_goes_on_while_a_wait_pumps(kernel: Kernel, provider: Provider) -> None:
    answer = provider.answer("Alfama Belém", gated=True)
    task = kernel.run(TASK, cell_id="task")
    waits = f"reply = {SEND}\nwaits.set_result(None)\nreply.wait(pump=True);"
    waiting = kernel.start(waits, cell_id="a")
    kernel.until(lambda: "it was here" in task.text + waiting.text)
    assert waiting.status == "running"
    answer.open()
    kernel.until(lambda: waiting.status == "ok")


MAIN = """
@tool(main=True)
async def look() -> str:
    await asyncio.sleep(0)
    return f'{threading.current_thread().name} {asyncio.get_running_loop() is loop}'

loop = asyncio.get_running_loop()
chat = Chat(chat.id, model=model, tools=[look])
"""


@pytest.mark.parametrize("wait", [".wait()", ".wait(pump=True)", ".wait(20)"])
def test_an_async_tool_for_the_main_thread_runs_in_the_kernels_loop_during_a_wait(
    kernel: Kernel, provider: Provider, wait: str
) -> None:
    assert kernel.run(MAIN, cell_id="tool").error == ""
    provider.answer(tokens=[call("look")], finish_reason="tool_calls")
    provider.answer("Done.")
    waiting = kernel.run(f"reply = {SEND}{wait}", cell_id="a")
    assert waiting.error == ""
    assert value(kernel, "reply.text") == "'Done.'"
    assert provider.requests[1].body["messages"][-1]["content"] == "MainThread True"


def value(kernel: Kernel, expression: str) -> str:
    """What an expression is in the kernel."""
    cell: Cell = kernel.run(expression, cell_id="value")
    return cell.text
