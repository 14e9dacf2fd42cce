"""Tools of MCP servers, against real ones: as a child of this process, and over HTTP."""

from __future__ import annotations

import _thread
import asyncio
import contextlib
import gc
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from chatkit import ConfigError, ConnectionFailed, stream_text
from chatkit.mcp import MCPServer
from chatkit.providers import Model
from chatkit.tools import Tool
from tests.conftest import Cells
from tests.kernels import Kernel
from tests.servers import Provider
from tests.test_steps import asks_for, call, tools_of, until

ROOT = Path(__file__).parents[1]
SERVER = str(ROOT / "tests" / "mcp_server.py")
COMMAND = [sys.executable, SERVER]
NAMES = [
    *("forecast", "measure", "picture", "city_lost_found", "wait", "variable", "process", "die"),
]


@pytest.fixture(scope="module")
def child() -> Iterator[MCPServer]:
    """A server as a child of this process."""
    with MCPServer(*COMMAND) as server:
        yield server


@contextlib.contextmanager
def over_http(transport: str = "streamable-http") -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A server in a process of its own, and its URL."""
    process = subprocess.Popen([*COMMAND, transport], stdout=subprocess.PIPE, text=True)
    with process, contextlib.ExitStack() as end:
        end.callback(process.kill)
        assert process.stdout is not None
        port = process.stdout.readline().strip()
        yield process, f"http://127.0.0.1:{port}/{'sse' if transport == 'sse' else 'mcp'}"


def named(server: MCPServer, name: str) -> Tool:
    [tool] = [tool for tool in server.tools if tool.name == name]
    return tool


def result(server: MCPServer, tool: str, /, **arguments: Any) -> Any:
    """What a tool gives when it is called in a cell."""
    return asyncio.run(named(server, tool)(**arguments))


def is_alive(pid: int) -> bool:
    """Whether the process runs; one that has ended may wait to be asked for its status."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


# -- what a model may call --


def test_the_tools_of_a_server_are_tools_of_a_chat(child: MCPServer) -> None:
    assert [tool.name for tool in child.tools] == NAMES
    tool = named(child, "forecast")
    assert tool.description == "Tell the weather of a city."
    assert tool.parameters["properties"].keys() == {"city", "days"}
    assert tool.parameters["required"] == ["city"]
    assert repr(child) == f"<MCPServer 'weather': {', '.join(NAMES)}>"


@pytest.mark.parametrize("way", ["child", "streamable-http", "sse"])
def test_a_call_is_run_by_the_server_and_its_result_sent_back(
    provider: Provider, model: Model, way: str
) -> None:
    with contextlib.ExitStack() as end:
        where = COMMAND if way == "child" else [end.enter_context(over_http(way))[1]]
        server = end.enter_context(MCPServer(*where))
        asks_for(provider, call("forecast", '{"city": "Lisbon", "days": 2}'))
        provider.answer("Sunny.")
        reply = stream_text(model, "Lisbon?", tools=server.tools).wait(30)
        assert (reply.status, reply.text) == ("complete", "Sunny.")
        told = provider.requests[0].body["tools"]
        assert [each["function"]["name"] for each in told] == NAMES
        answered = provider.requests[1].body["messages"][-1]
        assert answered["content"] == "Sun in Lisbon for 2 days."


def test_what_a_server_says_is_safe_to_repeat_may_run_again(child: MCPServer) -> None:
    repeatable = {tool.name for tool in child.tools if tool.repeatable}
    assert repeatable == {"forecast", "measure"}


def test_nothing_is_asked_for_unless_it_is_said(provider: Provider, model: Model) -> None:
    with MCPServer(*COMMAND, approve=lambda arguments: arguments["city"] == "Porto") as server:
        asks_for(
            provider,
            call("forecast", '{"city": "Lisbon"}', id="c1"),
            call("forecast", '{"city": "Porto"}', id="c2", index=1),
        )
        provider.answer("Done.")
        reply = stream_text(model, "Go.", tools=server.tools).wait(30)
    states = [part.state for part in tools_of(reply.message)]
    assert states == ["output-available", "output-denied"]


def test_names_can_tell_two_servers_apart_and_leave_tools_out() -> None:
    with MCPServer(*COMMAND, prefix="sky_", only=["city.lost/found", "measure"]) as server:
        assert [tool.name for tool in server.tools] == ["sky_city_lost_found", "sky_measure"]
        assert result(server, "sky_measure") == {"celsius": 21.5}
    with pytest.raises(ConfigError, match="no tool 'measures'; it has forecast, measure"):
        MCPServer(*COMMAND, only=["measures"])


# -- results --


def test_a_result_is_its_structure_or_its_text(child: MCPServer) -> None:
    assert result(child, "measure") == {"celsius": 21.5}
    assert result(child, "forecast", city="Lisbon") == "Sun in Lisbon for 1 days."


def test_an_image_in_a_result_is_said_to_be_left_out(child: MCPServer) -> None:
    words = "[image/png, 8 bytes: left out, as a result is text or JSON here]"
    assert result(child, "picture") == f"The sky:\n\n{words}"


def test_what_fails_at_the_server_is_told_to_the_model(
    provider: Provider, model: Model, child: MCPServer
) -> None:
    asks_for(
        provider,
        call("city_lost_found", id="c1"),
        call("forecast", '{"days": "many"}', id="c2", index=1),
        call("forecast", "[1]", id="c3", index=2),
    )
    provider.answer("I see.")
    reply = stream_text(model, "Go.", tools=child.tools).wait(30)
    lost, unfit, no_object = (part.error_text or "" for part in tools_of(reply.message))
    assert lost.startswith("ToolFailed: ")
    assert lost.endswith("there is no such city")
    assert "city" in unfit
    assert "Expected `object`, got `list`" in no_object
    assert reply.text == "I see."


def test_a_call_that_takes_too_long_is_cancelled_at_the_server(tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    with over_http() as (_, url), MCPServer(url, timeout=12) as server:
        with pytest.raises(ConnectionFailed, match="'wait' had no result after 12 s"):
            result(server, "wait", mark=str(mark))
        until(lambda: mark.exists() and mark.read_text() == "cancelled")
        assert result(server, "measure") == {"celsius": 21.5}


@pytest.mark.parametrize("way", ["child", "streamable-http"])
def test_an_answer_that_is_stopped_cancels_its_call_at_the_server(
    provider: Provider, model: Model, tmp_path: Path, way: str
) -> None:
    mark = tmp_path / "mark"
    with contextlib.ExitStack() as end:
        where = COMMAND if way == "child" else [end.enter_context(over_http(way))[1]]
        server = end.enter_context(MCPServer(*where))
        asks_for(provider, call("wait", json.dumps({"mark": str(mark)})))
        reply = stream_text(model, "Wait.", tools=server.tools).consume()
        until(lambda: mark.exists() and mark.read_text() == "waiting")
        reply.stop().wait(10)
        assert reply.status == "stopped"
        until(lambda: mark.read_text() == "cancelled")


# -- what goes wrong at the opening --


@pytest.mark.parametrize(
    ("server", "error", "words"),
    [
        (["no-such-command", "x"], ConfigError, "'no-such-command' cannot be started"),
        (["no-such-command x"], ConfigError, "'no-such-command' cannot be started"),
        ([sys.executable, "-c", "raise KeyError('my key')"], ConnectionFailed, "my key"),
        (["true"], ConnectionFailed, "run it in a terminal to see why"),
        (["http://127.0.0.1:9/mcp?key=secret"], ConnectionFailed, "http://127.0.0.1:9/mcp' cannot"),
        (["http://me:secret@nowhere.invalid/"], ConnectionFailed, "'http://nowhere.invalid/'"),
        (["http:///mcp"], ConnectionFailed, "look at its URL"),
        (["http://[::1/mcp"], ConfigError, "is no URL"),
        (["'python"], ConfigError, "No closing quotation"),
        ([""], ConfigError, "not an empty text"),
        (["http://127.0.0.1:9/mcp", "x"], ConfigError, "no arguments"),
    ],
)
def test_what_cannot_be_opened_says_why_in_the_cell_that_makes_it(
    server: list[str], error: type[Exception], words: str
) -> None:
    with pytest.raises(error) as raised:
        MCPServer(*server, timeout=30)
    assert words in str(raised.value)
    assert "secret" not in str(raised.value)


def test_headers_are_for_a_url_and_sent_with_every_request(provider: Provider) -> None:
    for _ in range(3):
        provider.refuse(401, "no")
    with pytest.raises(ConnectionFailed, match=r"401 Scripted\); look at its URL, and at headers="):
        MCPServer(f"{provider.url}/mcp", headers={"x-key": "secret"}, timeout=30)
    assert {request.headers["x-key"] for request in provider.requests} == {"secret"}
    with pytest.raises(ConfigError, match="give a command its env"):
        MCPServer(*COMMAND, headers={"x-key": "secret"})


def test_a_server_that_says_nothing_is_given_up_and_ended(tmp_path: Path) -> None:
    with pytest.raises(ConnectionFailed, match="was not ready after 5 s"):
        MCPServer("sh", "-c", "echo $$ > pid; exec sleep 1000000", timeout=5)
    assert not is_alive(int((tmp_path / "pid").read_text()))


OLD = """
import json, sys
for line in sys.stdin:
    asked = json.loads(line)
    if asked["method"] == "initialize":
        info = {"name": "old", "version": "1"}
        told = {"protocolVersion": "2024-11-05", "capabilities": {}, "serverInfo": info}
    elif asked["method"] == "tools/list":
        names = ["1", "a.b", "a/b", "x" * 99]
        told = {"tools": [{"name": name, "inputSchema": {"type": "object"}} for name in names]}
    elif "id" in asked:
        sys.exit("what is that?")
    else:
        continue
    print(json.dumps({"jsonrpc": "2.0", "id": asked["id"], "result": told}), flush=True)
"""


def test_an_old_server_that_ends_at_words_it_does_not_know_is_spoken_to_in_its_own() -> None:
    with MCPServer(sys.executable, "-c", OLD) as server:
        assert [tool.name for tool in server.tools] == ["_1", "a_b", "a_b_2", "x" * 64]
        tool = server.tools[0]
        assert tool.description == ""
        assert tool.parameters == {"type": "object", "properties": {}}
        with pytest.raises(ConnectionFailed, match="the MCP server 'old' has gone"):
            asyncio.run(tool())


def test_what_a_server_prints_and_says_beside_its_messages_is_not_printed_here() -> None:
    code = "import sys; from chatkit.mcp import MCPServer; print(MCPServer(*sys.argv[1:]))"
    loud = f"import sys; print('Hello!', flush=True); print('Hello!', file=sys.stderr)\n{OLD}"
    command = [sys.executable, "-W", "error", "-c", code, sys.executable, "-c", loud]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert done.stdout.startswith("<MCPServer 'old': _1, ")
    assert done.stderr == ""


# -- its life --


def test_a_server_that_dies_is_told_of_with_the_remedy(provider: Provider, model: Model) -> None:
    with MCPServer(*COMMAND) as server:
        pid, *_ = result(server, "process")["result"]
        os.kill(pid, signal.SIGKILL)
        asks_for(provider, call("measure"))
        asks_for(provider, call("measure"))
        provider.answer("I see.")
        reply = stream_text(model, "Go.", tools=server.tools).wait(30)
    parts = tools_of(reply.message)
    assert len(parts) == 2
    for part in parts:
        assert "the MCP server 'weather' has gone: run the cell again" in (part.error_text or "")


def test_a_server_that_dies_in_a_call_is_told_of_too() -> None:
    with MCPServer(*COMMAND) as server, pytest.raises(ConnectionFailed, match="has gone"):
        result(server, "die")


def test_a_server_over_http_that_dies_is_told_of_too() -> None:
    with over_http() as (process, url), MCPServer(url) as server:
        assert result(server, "measure") == {"celsius": 21.5}
        process.kill()
        process.wait()
        for _ in range(2):
            with pytest.raises(ConnectionFailed, match="has gone"):
                result(server, "measure")


def test_a_closed_server_is_gone_and_says_so() -> None:
    with MCPServer(*COMMAND) as server:
        pid, *_ = result(server, "process")["result"]
        assert is_alive(pid)
    assert not is_alive(pid)
    server.close()
    assert repr(server) == "<MCPServer 'weather': closed>"
    with pytest.raises(ConnectionFailed, match="is closed: run the cell again"):
        result(server, "measure")


def test_a_server_made_again_takes_the_place_of_the_first() -> None:
    pids = []
    for _ in range(3):
        server = MCPServer(*COMMAND)
        pids.append(result(server, "process")["result"][0])
    gc.collect()
    *before, last = pids
    until(lambda: not any(map(is_alive, before)))
    assert is_alive(last)
    server.close()


def test_a_cell_that_runs_again_closes_what_it_opened_before(cells: Cells) -> None:
    held = []
    for cell in ("a", "b", "a"):
        with cells(cell):
            held += [MCPServer(sys.executable, "-c", OLD) for _ in range(2)]
    assert ["closed" in repr(server) for server in held] == [True, True, False, False, False, False]
    for server in held:
        server.close()


def test_its_tools_keep_a_server_open_that_nobody_else_holds() -> None:
    tools = MCPServer(*COMMAND, only=["process"]).tools
    gc.collect()
    pid, *_ = asyncio.run(tools[0]())["result"]
    tools.clear()
    gc.collect()
    until(lambda: not is_alive(pid))


def test_it_gets_the_variables_it_is_given_and_not_those_of_the_kernel(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "secret")
    with MCPServer(f"'{sys.executable}' '{SERVER}'", env={"CITY": "Lisbon"}) as server:
        assert result(server, "variable", name="CITY")["result"] == "Lisbon"
        assert result(server, "variable", name="OPENAI_API_KEY")["result"] == "none"


def test_an_interrupt_of_the_kernel_does_not_reach_it(child: MCPServer) -> None:
    pid, group, parent = result(child, "process")["result"]
    assert group == pid
    assert parent == os.getpid()


def test_an_interrupt_while_it_opens_ends_what_was_started(tmp_path: Path) -> None:
    pid = tmp_path / "pid"

    def interrupt() -> None:
        until(lambda: pid.exists() and pid.read_text() != "")
        _thread.interrupt_main()

    threading.Thread(target=interrupt).start()
    with pytest.raises(KeyboardInterrupt) as held:  # as a notebook holds the last one
        MCPServer("sh", "-c", "echo $$ > pid; exec sleep 1000000")
    until(lambda: not is_alive(int(pid.read_text())))
    assert held.tb is not None


PARENT = """
import asyncio, os, signal, sys, threading
from chatkit.mcp import MCPServer
server = MCPServer(sys.executable, sys.argv[1], only=["process"])
print(asyncio.run(server.tools[0]())["result"][0], flush=True)
"""


@pytest.mark.parametrize("ending", ["", "os.kill(os.getpid(), signal.SIGKILL)", "os.abort()"])
def test_no_server_outlives_the_process_that_started_it(ending: str) -> None:
    command = [sys.executable, "-W", "error", "-c", PARENT + ending, SERVER]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    until(lambda: not is_alive(int(done.stdout)))
    assert (done.returncode == 0) == (ending == "")
    assert done.stderr == ""


def test_a_server_that_does_not_end_by_itself_is_ended_at_exit(tmp_path: Path) -> None:
    code = "import sys; from chatkit.mcp import MCPServer; server = MCPServer(*sys.argv[1:])"
    stubborn = f"import os, time; open('pid', 'w').write(str(os.getpid()))\n{OLD}"
    stubborn += f"time.sleep({10**6})"
    command = [sys.executable, "-c", code, sys.executable, "-c", stubborn]
    subprocess.run(command, check=True, env=os.environ | {"PYTHONPATH": str(ROOT)})
    assert not is_alive(int((tmp_path / "pid").read_text()))


def test_a_fork_says_that_the_server_is_its_parents() -> None:
    fork = """
if not os.fork():
    print(repr(server), flush=True)
    again = MCPServer(sys.executable, sys.argv[1], only=["measure"])
    print(asyncio.run(again.tools[0]()), flush=True)
    os._exit(0)
os.wait()
print(repr(server), flush=True)
"""
    command = [sys.executable, "-c", PARENT + fork, SERVER]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout.splitlines()[1:] == [
        "<MCPServer 'weather': closed>",
        "{'celsius': 21.5}",
        "<MCPServer 'weather': process>",
    ]


def test_without_the_package_the_import_says_what_to_install() -> None:
    code = "import sys; sys.modules['mcp'] = None; import chatkit.mcp"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert "ConfigError" in done.stderr
    assert "install chatkit with its extra 'mcp'" in done.stderr


# -- in a notebook --

OPEN = """
import sys
from chatkit import Chat, get_model
from chatkit.mcp import MCPServer
server = MCPServer(sys.executable, {server!r}, only=["process", "measure"])
model = get_model('openai-chat/test', base_url={url!r}, api_key='x')
chat = Chat('trip', model=model, tools=server.tools)
print((await server.tools[0]())['result'][0])
"""


@pytest.mark.kernel
def test_in_a_notebook_it_lives_through_interrupts_and_ends_with_the_kernel(
    provider: Provider, tmp_path: Path
) -> None:
    code = OPEN.format(server=SERVER, url=provider.url)
    with Kernel(tmp_path) as kernel:
        first = int(kernel.run(code, cell_id="open").text)
        busy = kernel.start("import time; print('busy'); time.sleep(60)", cell_id="busy")
        kernel.until(lambda: "busy" in busy.text)
        kernel.interrupt()
        kernel.until(lambda: busy.status == "error")
        asks_for(provider, call("measure"))
        provider.answer("Warm.")
        asked = kernel.run("chat.send('How warm?').wait(pump=True);", cell_id="ask")
        kernel.until(lambda: "Warm." in asked.text)
        assert "celsius" in provider.requests[1].body["messages"][-1]["content"]
        second = int(kernel.run(code, cell_id="open").text)
        assert not is_alive(first)
        another = int(kernel.run(code, cell_id="another").text)
        assert is_alive(second)
        kernel.restart()
        until(lambda: not is_alive(second) and not is_alive(another))
        third = int(kernel.run(code, cell_id="open").text)
        kernel.kill()
        until(lambda: not is_alive(third))
