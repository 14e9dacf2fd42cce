"""kill -9 of workers, and of kernels whose answers workers write, at random points."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from chatkit import Chat, Reply, chats, stream_text
from chatkit.providers import Model
from tests.servers import Provider
from tests.storing import sql
from tests.test_steps import asks_for, call, tools_of
from tests.working import MARK, end_all, is_there, until, workers

pytestmark = pytest.mark.faults

WORKERS, KERNELS, CALLERS = 40, 15, 10
TOKENS = [f"{number:03d} " for number in range(200)]
WHOLE = "".join(TOKENS)
ASK = """
import sys
from chatkit import Chat, get_model
model = get_model("openai-chat/test", base_url=sys.argv[1], api_key="x")
Chat(sys.argv[3], model=model, store=sys.argv[2], detached=True).send("Count.").wait()
"""


@pytest.fixture(autouse=True)
def _no_worker_stays() -> Iterator[None]:
    yield
    end_all()


def test_a_killed_worker_leaves_the_truth_and_nothing_else(
    provider: Provider,
    model: Model,
    tmp_path: Path,
    chance: random.Random,
    tell: Callable[[str], None],
) -> None:
    store, ends = tmp_path / "store", Counter[str]()
    for number in range(WORKERS):
        asked = len(provider.requests)
        provider.answer(tokens=TOKENS, delay=0.002)
        chat = Chat(f"trip {number}", model=model, store=store, detached=True)
        reply = chat.send("Count.")
        until(lambda: workers(os.getpid()))
        [pid] = workers(os.getpid())
        time.sleep(chance.uniform(0, 0.7))  # what is random is when it is killed
        os.kill(pid, signal.SIGKILL)
        ends[ended(reply.wait(30))] += 1
        assert len(provider.requests) <= asked + 1, "nothing is asked twice"
        assert WHOLE.startswith(reply.text), "a clean prefix"
        until(lambda pid=pid: not is_there(pid))  # type: ignore[misc]  # no zombie either
        stored(store, chat)
        if len(provider.requests) == asked:  # what it would have been told is not the next one's
            stream_text(model, "Count.").wait()
    is_clean(store)
    tell(f"{WORKERS} workers killed: {dict(ends)}")


def ended(reply: Reply) -> str:
    """How an answer ended whose worker was killed: it depends on what the worker was doing."""
    if reply.status == "complete":  # the kernel wrote it: the worker had not taken it on
        assert reply.warnings or reply.text == WHOLE
        return "written by the kernel" if reply.warnings else "over before"
    assert reply.status == "interrupted"
    return "interrupted"


def stored(store: Path, chat: Chat) -> None:
    """What the store says is what was seen here."""
    seen = [(message.status, message.text) for message in chat.messages]
    code = "import sys; from chatkit import Chat\n"
    code += "for m in Chat(sys.argv[1], store=sys.argv[2]).messages: print(m.status, m.text)"
    command = [sys.executable, "-c", code, chat.id, str(store)]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert told.split("\n")[:-1] == [f"{status} {text}" for status, text in seen]


def is_clean(store: Path) -> None:
    """No answer is without an end, and nothing is left of those that were written."""
    assert [info.writers for info in chats(store) if info.writers] == []
    rows = "SELECT key FROM Cache WHERE key LIKE 'g/%' OR key LIKE 'w/%'"
    assert sql(store / "cache.db", rows) == []
    streaming = "SELECT key FROM Cache WHERE key LIKE 's/%' AND value LIKE '%\"streaming\"%'"
    assert sql(store / "cache.db", streaming) == []


def test_a_killed_kernel_takes_nothing_of_a_detached_answer_with_it(
    provider: Provider,
    model: Model,
    tmp_path: Path,
    chance: random.Random,
    tell: Callable[[str], None],
) -> None:
    store, ends = tmp_path / "store", Counter[str]()
    for number in range(KERNELS):
        asked = len(provider.requests)
        provider.answer(tokens=TOKENS, delay=0.002)
        id = f"trip {number}"
        command = [sys.executable, "-c", ASK, provider.url, str(store), id]
        kernel = subprocess.Popen(command, env=os.environ | {MARK: str(tmp_path)})
        time.sleep(chance.uniform(0.2, 1.2))  # what is random is when it is killed
        kernel.kill()
        kernel.wait()
        until(lambda: not workers(mark=str(tmp_path)), timeout=120)
        chat = Chat(id, store=store)
        answers = [message for message in chat.messages if message.role == "assistant"]
        texts = [(answer.status, answer.text) for answer in answers]
        was_asked = len(provider.requests) - asked
        assert (was_asked, texts) in [
            (0, []),  # killed before it had begun
            (0, [("interrupted", "")]),  # before it had handed the answer over
            (1, [("complete", WHOLE)]),
        ]
        ends[texts[0][0] if texts else "not begun"] += 1
        if len(provider.requests) == asked:  # what it would have been told is not the next one's
            stream_text(model, "Count.").wait()
    is_clean(store)
    tell(f"{KERNELS} kernels killed: {dict(ends)}")


NOTE = """
import sys
from chatkit import Chat, get_model

def note(text: str) -> str:
    with open(sys.argv[4], "a") as notes:
        notes.write(f"{text} ")
    return "noted"

model = get_model("openai-chat/test", base_url=sys.argv[1], api_key="x")
chat = Chat(sys.argv[3], model=model, store=sys.argv[2], tools=[note], detached=True)
chat.send("Note five things.").wait()
"""


def test_kernels_that_are_killed_at_their_calls_run_none_twice(
    provider: Provider,
    model: Model,
    tmp_path: Path,
    chance: random.Random,
    tell: Callable[[str], None],
) -> None:
    store, calls = tmp_path / "store", Counter[str]()
    for number in range(CALLERS):
        asked, notes = len(provider.requests), tmp_path / f"notes {number}"
        for step in range(5):
            asks_for(provider, call("note", f'{{"text": "{step}"}}', id=f"c{step}"), delay=0.05)
        provider.answer("Noted.")
        command = [sys.executable, "-c", NOTE, provider.url, str(store), f"trip {number}"]
        kernel = subprocess.Popen([*command, str(notes)])
        provider.until(lambda asked=asked: len(provider.requests) > asked, timeout=120)  # type: ignore[misc]
        time.sleep(chance.uniform(0, 1.2))  # what is random is when it is killed
        kernel.kill()
        kernel.wait()
        subprocess.run([*command, str(notes)], check=True)
        answer = Chat(f"trip {number}", store=store).messages[-1]
        assert (answer.status, answer.text) == ("complete", "Noted.")
        assert len(provider.requests) == asked + 6, "each step is asked for once"
        results = [part.output if part.output == "noted" else None for part in tools_of(answer)]
        ran = notes.read_text().split()
        assert len(ran) == len(set(ran)), "no call is run twice"
        assert {str(n) for n, result in enumerate(results) if result} <= set(ran)
        assert sum(result is None for result in results) <= 1, "the one that ran when it was killed"
        calls.update("noted" if result else "crashed" for result in results)
    is_clean(store)
    tell(f"{CALLERS} kernels killed at their calls: {dict(calls)}")
