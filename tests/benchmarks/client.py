"""One measurement in a process of its own: `python -m tests.benchmarks.client NAME ARGS…`.

Prints one JSON object. CPU is of the whole process, all its threads, without its start.
"""

from __future__ import annotations

import asyncio
import json
import os
import resource
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

Json = dict[str, Any]
MANY_ASKED = [{"role": "user", "content": "What is the capital of Portugal? One word, please."}]


def httpx_loop(port: str, script: str, streams: str) -> Json:
    """The baseline: httpx, its own lines, json.loads, the text joined."""
    import httpx

    async def read(client: httpx.AsyncClient) -> float:
        pieces = []
        body = {"model": script, "stream": True, "messages": []}
        url = f"http://127.0.0.1:{port}/v1/chat/completions"
        async with client.stream("POST", url, json=body) as response:
            async for line in response.aiter_lines():
                if line.startswith("data: ") and line != "data: [DONE]":
                    event = json.loads(line[6:])
                    pieces.append(event["choices"][0]["delta"].get("content", ""))
        assert "".join(pieces)
        return time.monotonic()

    async def run() -> Json:
        limits = httpx.Limits(max_connections=None)
        async with httpx.AsyncClient(limits=limits, timeout=600) as client:
            await read_once(client)
            before = _usage()
            ends = await asyncio.gather(*(read(client) for _ in range(int(streams))))
            return _since(before, max(ends))

    async def read_once(client: httpx.AsyncClient) -> None:
        nonlocal script
        script, kept = "10", script
        await read(client)
        script = kept

    return asyncio.run(run())


def chatkit_all_on(port: str, script: str, streams: str) -> Json:
    """chatkit with everything on: reduced, saved, and shown by the cell's own view."""
    from chatkit import Chat, Reply, get_model
    from chatkit.notebook import words
    from chatkit.notebook.view import LiveView
    from chatkit.notebook.widget import ReplyWidget

    def view(reply: Reply) -> None:
        LiveView(reply, ReplyWidget(words.foot(reply.feed, reply.message)), None).follow()

    def model(script: str) -> Any:
        base_url = f"http://127.0.0.1:{port}/v1"
        return get_model(f"openai-chat/{script}", base_url=base_url, api_key="x")

    with tempfile.TemporaryDirectory() as directory:
        warm = Chat("warm", model=model("10"), store=directory).send("x")
        view(warm)
        warm.wait()
        base = _written(directory)
        before = _usage()
        replies = []
        for number in range(int(streams)):
            reply = Chat(f"c{number}", model=model(script), store=directory).send("x")
            view(reply)
            replies.append(reply)
        for reply in replies:
            assert reply.wait().status == "complete", reply.error
        return {**_since(before, time.monotonic()), "disk": _written(directory) - base}


def httpx_many(port: str, script: str, answers: str, at_once: str) -> Json:
    """The baseline of many short answers: bare httpx, so many at once."""
    import httpx

    body = {"model": script, "stream": True, "messages": MANY_ASKED}
    url = f"http://127.0.0.1:{port}/v1/chat/completions"

    async def read(client: httpx.AsyncClient) -> None:
        pieces = []
        async with client.stream("POST", url, json=body) as response:
            async for line in response.aiter_lines():
                if line.startswith("data: ") and line != "data: [DONE]":
                    event = json.loads(line[6:])
                    pieces.append(event["choices"][0]["delta"].get("content", ""))
        texts["".join(pieces)] += 1

    async def run() -> Json:
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=None)
        async with httpx.AsyncClient(limits=limits, timeout=600) as client:
            await _at_once(lambda _: read(client), int(at_once), int(at_once))
            texts.clear()
            before = _usage()
            await _at_once(lambda _: read(client), int(answers), int(at_once))
            assert list(texts.values()) == [int(answers)]
            return _since(before, time.monotonic())

    texts: Counter[str] = Counter()
    return asyncio.run(run())


def compare_many(port: str, script: str, answers: str, at_once: str) -> Json:
    """The same as a comparison: each answer asked for once, reduced, and saved."""
    from chatkit import compare, get_model

    model = get_model(f"openai-chat/{script}", base_url=f"http://127.0.0.1:{port}/v1", api_key="x")
    count, prompt = int(answers), MANY_ASKED[0]["content"] + " ({input})"

    with tempfile.TemporaryDirectory() as directory:
        asking: Json = {"concurrency": int(at_once), "store": directory}
        compare(prompt, model, list(range(-int(at_once), 0)), **asking).wait()
        base, before = _written(directory), _usage()
        runs = compare(prompt, model, list(range(count)), **asking).wait()
        told = {**_since(before, time.monotonic()), "disk": _written(directory) - base}
        assert runs.counts == {"complete": count}
        assert len(set(runs.texts)) == 1
        return told


def compare_restore(port: str, script: str, answers: str) -> Json:
    """The same comparison again: reading the rows of its answers, and all of it."""
    from chatkit import compare, get_model, open_store
    from chatkit import engine as engines
    from chatkit.compare.shelf import ANSWERS

    model = get_model(f"openai-chat/{script}", base_url=f"http://127.0.0.1:{port}/v1", api_key="x")
    count, prompt = int(answers), MANY_ASKED[0]["content"] + " ({input})"

    with tempfile.TemporaryDirectory() as directory:
        store, engine = open_store(directory), engines.get_engine()
        cases = list(range(count))
        runs = compare(prompt, model, cases, concurrency=200, store=store).wait()
        keys = [run.key for run in runs]

        def rows() -> None:
            assert None not in engine.run(store.rows(ANSWERS, keys))

        def whole() -> None:
            again = compare(prompt, model, cases, store=store)
            assert again.counts == {"complete": count}

        return {"rows": _best(rows), "whole": _best(whole)}


async def _at_once(work: Any, count: int, at_once: int) -> None:
    """Do `work(number)` so many times, `at_once` of them at a time."""
    numbers = iter(range(count))

    async def take() -> None:
        for number in numbers:
            await work(number)

    await asyncio.gather(*(take() for _ in range(at_once)))


def restore(count: str) -> Json:
    """A chat of `count` messages: json.loads of the same bytes, the chat, its last 20 rows."""
    from chatkit import Chat, conversation, open_store
    from chatkit import engine as engines
    from chatkit.messages import Message, Role, TextPart
    from chatkit.tree import Node

    with tempfile.TemporaryDirectory() as directory:
        engine, store = engines.get_engine(), open_store(directory)
        nodes: list[Node] = []
        for number in range(int(count)):
            role: Role = "assistant" if number % 2 else "user"
            parts = (TextPart(f"{number} " + "word " * 300, "done"),)
            metadata = {"model": "x/y", "usage": {"inputTokens": 3, "outputTokens": 5}}
            message = Message(id=f"message-{number:06d}", role=role, parts=parts, metadata=metadata)
            nodes.append(Node(message, nodes[-1].id if nodes else None, fingerprint="f"))
        rows = [node.row() for node in nodes]
        engine.run(store.append("big", rows, header={"head": nodes[-1].id}))
        texts = [json.dumps(row, separators=(",", ":")).encode() for row in rows]  # as stored

        def loads() -> None:
            for text in texts:
                json.loads(text)

        def whole() -> None:
            conversation._conversations.clear()
            assert len(Chat("big", store=directory).messages) == int(count)

        def newest() -> None:
            stored = engine.run(store.load("big", limit=20))
            assert stored is not None
            assert [Node.from_row(row).message.text for row in stored.rows]

        return {
            "json": _best(loads),
            "chat": _best(whole),
            "newest": _best(newest),
        }


def view_bytes(count: str, view: str = "stream") -> Json:
    """Bytes a real kernel sends to the browser for one answer, an update every 2.5 tokens: in its
    own view ("stream"), or in a "panel".

    That is 50 tokens and 20 updates a second. `cpu` is of the updates, without sending them.
    """
    from jupyter_client.manager import start_new_kernel

    manager, kernel = start_new_kernel()
    try:
        code = f"from tests.benchmarks import in_kernel; in_kernel.{view}({count})"
        told: list[str] = []
        kernel.execute_interactive(
            code,
            timeout=600,
            output_hook=lambda output: told.append(
                "".join(output["content"].get("text") or output["content"].get("traceback", []))
            ),
        )
    finally:
        kernel.stop_channels()
        manager.shutdown_kernel(now=True)
    result: Json = json.loads("".join(told))
    return result


def panel_opens(count: str) -> Json:
    """Seconds that opening a panel on a chat of `count` messages takes, and characters it sends."""
    from chatkit import Chat, engine
    from chatkit.messages import Message, Role, TextPart
    from chatkit.tree import Node

    rows: list[Json] = []
    for number in range(int(count)):
        role: Role = "assistant" if number % 2 else "user"
        message = Message(id=f"{number:06d}", role=role, parts=(TextPart("**word** and " * 100),))
        rows.append(Node(message, rows[-1]["id"] if rows else None).row())
    with tempfile.TemporaryDirectory() as directory:
        chat = Chat("big", store=directory)
        engine.get_engine().run(chat.store.append("big", rows, header={"head": rows[-1]["id"]}))
        chat._conversation.refresh()
        chat.panel().close()  # what it imports is not counted
        began = time.perf_counter()
        panel = chat.panel()
        seconds = time.perf_counter() - began
        return {"seconds": seconds, "sent": len(json.dumps(panel.shown))}


def importing(name: str) -> Json:
    """Seconds to import a module in a process where asyncio, as in a kernel, is there already."""
    import importlib

    for known in ("asyncio", "concurrent.futures", "json", "logging", "typing", "ssl"):
        importlib.import_module(known)
    began = time.perf_counter()
    importlib.import_module(name)
    return {"seconds": time.perf_counter() - began}


def _usage() -> tuple[float, float, float]:
    return time.process_time(), time.monotonic(), _memory()


def _since(before: tuple[float, float, float], ended: float) -> Json:
    cpu, began, memory = before
    return {
        "cpu": time.process_time() - cpu,
        "wall": ended - began,
        "memory": _memory() - memory,
    }


def _memory() -> float:
    """The most this process has held, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024.0


def _written(directory: str) -> int:
    """Bytes this process has caused to be written to disk so far, where the system says."""
    told = Path("/proc/self/io")
    if not told.exists():
        return sum(path.stat().st_size for path in Path(directory).rglob("*") if path.is_file())
    lines = dict(line.split(": ") for line in told.read_text().splitlines())
    return int(lines["wchar"])


def _best(function: Any, times: int = 7) -> float:
    taken = []
    for _ in range(times):
        began = time.perf_counter()
        function()
        taken.append(time.perf_counter() - began)
    return min(taken)


if __name__ == "__main__":
    _, name, *arguments = sys.argv
    os.environ.setdefault("CHATKIT_STORE", tempfile.mkdtemp())
    sys.stdout.write(json.dumps(globals()[name](*arguments)) + "\n")
