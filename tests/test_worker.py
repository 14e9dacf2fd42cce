"""Detached answers: written by a process of their own, whatever becomes of the kernel."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from chatkit import Chat, Reply, chats, get_model
from chatkit.detached import workers
from chatkit.providers import Model
from chatkit.stores.disk import DiskStore
from tests.kernels import Kernel
from tests.redis_server import RedisServer, needed
from tests.servers import Provider
from tests.test_in_kernel import CHILDREN, LISBON, Notebook
from tests.test_steps import add, asks_for, call, tools_of
from tests.working import end_all, is_there, until, worker_of, writers

KEY = "sk-only-through-the-pipe"


@pytest.fixture(autouse=True)
def _no_worker_stays() -> Iterator[None]:
    yield
    end_all()


@pytest.fixture
def chat(model: Model, tmp_path: Path) -> Chat:
    return Chat("trip", model=model, store=tmp_path / "store", detached=True)


def words(reply: Reply, count: int) -> str:
    """The text as soon as it has so many words."""
    until(lambda: len(reply.text.split()) >= count)
    return reply.text


# -- what a worker is --


def test_a_detached_answer_is_written_by_a_process_in_a_session_of_its_own(
    provider: Provider, chat: Chat, tmp_path: Path
) -> None:
    answer = provider.answer("one two three four", gated=True)
    answer.release(2)
    reply = chat.send("Count.")
    assert words(reply, 2) == "one two "
    [writer] = chats(tmp_path / "store")[0].writers
    assert writer.is_worker
    assert writer.pid != os.getpid()
    assert os.getsid(writer.pid) == writer.pid
    assert f"worker {writer.pid} on" in str(chats(tmp_path / "store")[0])
    answer.open()
    assert reply.wait(30).text == "one two three four"
    assert (reply.status, reply.warnings) == ("complete", [])
    assert reply.usage is not None
    assert chats(tmp_path / "store")[0].writers == ()
    assert len(provider.requests) == 1


def test_one_worker_writes_all_answers_of_a_kernel(
    provider: Provider, chat: Chat, model: Model, tmp_path: Path
) -> None:
    answers = [provider.answer(f"answer {number}", gated=True) for number in range(5)]
    others = [
        Chat(f"other {number}", model=model, store=tmp_path / "store", detached=True)
        for number in range(4)
    ]
    replies = [each.send("Go.") for each in (chat, *others)]
    provider.until(lambda: len(provider.requests) == 5)
    assert len(set(writers(tmp_path / "store"))) == 1
    for answer in answers:
        answer.open()
    assert {reply.wait(30).text for reply in replies} == {f"answer {n}" for n in range(5)}


def test_a_second_question_waits_for_the_first_answer_and_knows_it(
    provider: Provider, chat: Chat
) -> None:
    answer = provider.answer("Alfama", gated=True)
    first, second = chat.send("Where?"), chat.send("And then?")
    provider.until(lambda: len(provider.requests) == 1)
    answer.open()
    assert second.wait(30).text == "Answer to: And then?"
    assert first.wait(30).text == "Alfama"
    asked = [message["content"] for message in provider.requests[1].body["messages"]]
    assert asked == ["Where?", "Alfama", "And then?"]


def test_stop_closes_the_providers_connection_and_keeps_what_has_arrived(
    provider: Provider, chat: Chat
) -> None:
    answer = provider.answer("one two three", gated=True)
    answer.release(2)
    reply = chat.send("Count.")
    words(reply, 2)
    reply.stop()
    provider.until(lambda: provider.disconnects == 1)
    assert (reply.wait(30).status, reply.text) == ("stopped", "one two ")


def test_what_is_stopped_before_a_worker_has_begun_is_never_asked(
    provider: Provider, chat: Chat
) -> None:
    provider.answer("never", gated=True)
    chat.send("One?").stop()
    assert chat.wait(30).messages[-1].status == "stopped"
    provider.until(lambda: provider.disconnects == len(provider.requests))


def test_an_answer_of_a_shape_is_made_the_type_in_the_kernel(
    provider: Provider, chat: Chat
) -> None:
    @dataclass
    class City:
        name: str

    provider.answer('{"name": "Lisbon"}')
    assert chat.send("Where?", schema=City).object == City("Lisbon")
    provider.answer('{"town": "Lisbon"}')
    reply = chat.send("Where else?", schema=City).wait(30)
    assert (reply.status, type(reply.error).__name__) == ("error", "SchemaMismatch")


def test_a_question_may_be_longer_than_a_pipe_holds(
    provider: Provider, model: Model, tmp_path: Path
) -> None:
    system = "Be brief. " * 50_000
    chat = Chat("trip", model=model, system=system, store=tmp_path / "store", detached=True)
    reply = chat.ask("Where?")
    assert (reply.text, reply.warnings) == ("Answer to: Where?", [])
    assert provider.requests[0].body["messages"][0]["content"] == system


def test_regenerating_asks_a_worker_again(provider: Provider, chat: Chat) -> None:
    first = chat.ask("Where?")
    provider.answer("Elsewhere.")
    again = first.regenerate().wait(30)
    assert (again.text, again.warnings) == ("Elsewhere.", [])
    assert [each.text for each in chat.branches(again.message)] == [first.text, "Elsewhere."]


def test_what_a_worker_waits_for_and_warns_of_is_told_in_the_kernel(
    provider: Provider, model: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    provider.refuse(429, {"error": {"message": "slow down"}}, retry_after="3")
    answer = asks_for(provider, call("add", '{"a": 2, "b": 3}'), gated=True)
    chat = Chat(
        "trip", model=model, store=tmp_path / "store", tools=[add], max_steps=1, detached=True
    )
    reply = chat.send("2 + 3?")
    told: list[str] = []
    asked: list[int] = []  # how often, by the time that it is told no more

    say = reply.feed.say

    def heard(note: str) -> None:
        told.append(note)
        if "trying again in" in "".join(told) and not note:
            asked.append(len(provider.requests))
        say(note)

    monkeypatch.setattr(reply.feed, "say", heard)
    provider.until(lambda: len(provider.requests) == 2)
    answer.open()
    reply.wait(30)
    assert "trying again in" in "".join(told)
    assert asked[0] == 2
    assert [part.output for part in tools_of(reply.message)] == [5]
    assert "chatkit-note" not in str(list(reply)) + str(reply.message.to_json())


# -- keys --


@pytest.mark.parametrize("given", ["by variable", "as argument"])
def test_a_key_is_in_no_argument_variable_or_file(
    provider: Provider, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: str
) -> None:
    monkeypatch.setenv("MY_SERVICE", KEY)
    if given == "by variable":
        monkeypatch.setenv("OPENAI_API_KEY", KEY)
    model = get_model(
        "openai-chat/test",
        base_url=provider.url,
        api_key=KEY if given == "as argument" else None,
    )
    answer = provider.answer("one two", gated=True)
    chat = Chat("trip", model=model, store=tmp_path / "store", detached=True)
    reply = chat.send("Count.")
    provider.until(lambda: len(provider.requests) == 1)
    pid = worker_of(tmp_path / "store")
    process = Path(f"/proc/{pid}")
    kept = [process / "cmdline", process / "environ"]
    files = [place for place in (process / "fd").iterdir() if place.is_file()]
    kept += [*files, *(place for place in tmp_path.rglob("*") if place.is_file())]
    assert len(kept) > 4
    assert [place for place in kept if KEY.encode() in place.read_bytes()] == []
    assert provider.requests[0].headers["authorization"] == f"Bearer {KEY}"
    answer.open()
    assert reply.wait(30).status == "complete"


# -- what cannot be detached --


def test_with_a_client_of_ones_own_an_answer_is_written_here(
    provider: Provider, tmp_path: Path
) -> None:
    client = httpx.AsyncClient()
    model = get_model("openai-chat/test", base_url=provider.url, api_key="x", client=client)
    chat = Chat("trip", model=model, store=tmp_path / "store", detached=True)
    reply = chat.ask("Where?")
    assert reply.text == "Answer to: Where?"
    assert "not detached" in reply.warnings[0]
    assert "client of your own" in reply.warnings[0]
    reply.feed.engine.run(client.aclose())


def test_in_a_store_of_ones_own_an_answer_is_written_here(
    provider: Provider, model: Model, tmp_path: Path
) -> None:
    chat = Chat("trip", model=model, store=DiskStore(tmp_path / "own"), detached=True)
    reply = chat.ask("Where?")
    assert reply.text == "Answer to: Where?"
    assert "its store was not opened by a path or URL" in reply.warnings[0]


def ends_at_once(log: Any) -> subprocess.Popen[bytes]:
    code = "import sys; print('no luck today', file=sys.stderr)"
    return subprocess.Popen(
        [sys.executable, "-c", code],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=log,
    )


def test_where_a_worker_ends_at_once_the_answer_is_written_here_and_says_why(
    provider: Provider, chat: Chat, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workers, "_spawn", ends_at_once)
    reply = chat.ask("Where?")
    assert (reply.status, reply.text) == ("complete", "Answer to: Where?")
    assert "no luck today" in reply.warnings[0]
    assert len(provider.requests) == 1


def test_where_no_process_can_be_started_the_answer_is_written_here(
    provider: Provider, chat: Chat, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    reply = chat.ask("Where?")
    assert (reply.status, reply.text) == ("complete", "Answer to: Where?")
    assert "cannot be started" in reply.warnings[0]


def test_a_worker_that_takes_too_long_is_ended_so_that_only_one_writes(
    provider: Provider, chat: Chat, monkeypatch: pytest.MonkeyPatch
) -> None:
    def sleeps(log: Any) -> subprocess.Popen[bytes]:
        started.append(
            subprocess.Popen(
                [sys.executable, "-c", "import time; time.sleep(600)"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
            )
        )
        return started[0]

    started: list[subprocess.Popen[bytes]] = []
    monkeypatch.setattr(workers, "_spawn", sleeps)
    monkeypatch.setattr(workers, "PATIENCE", 1.5)
    reply = chat.ask("Where?")
    assert (reply.status, reply.text) == ("complete", "Answer to: Where?")
    assert "did not begin" in reply.warnings[0]
    until(lambda: not is_there(started[0].pid))


def test_there_are_only_so_many_workers_for_a_store(
    provider: Provider, model: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workers, "MOST", 2)
    store = tmp_path / "store"
    answers = [provider.answer("one two", gated=True) for _ in range(3)]
    for number in range(2):
        ask_and_leave(provider, store, f"other {number}")
    until(lambda: len(set(writers(store))) == 2)
    reply = Chat("third", model=model, store=store, detached=True).send("Count.")
    provider.until(lambda: len(provider.requests) == 3)
    assert "2 workers write in this store already" in reply.warnings[0]
    for answer in answers:
        answer.open()
    assert reply.wait(30).text == "one two"
    until(lambda: not writers(store))


# -- how it ends --

ASK = """
import sys
from chatkit import Chat, get_model
model = get_model("openai-chat/test", base_url=sys.argv[1], api_key="x")
reply = Chat(sys.argv[3], model=model, store=sys.argv[2], detached=True).send("Count.")
"""


def ask_and_leave(provider: Provider, store: Path, id: str) -> None:
    """Another process asks, and ends at once."""
    subprocess.run([sys.executable, "-c", ASK, provider.url, str(store), id], check=True)


def test_a_script_that_ends_leaves_its_answer_to_the_worker_which_ends_after_it(
    provider: Provider, model: Model, tmp_path: Path
) -> None:
    store = tmp_path / "store"
    answer = provider.answer("one two three", gated=True)
    ask_and_leave(provider, store, "trip")
    provider.until(lambda: len(provider.requests) == 1)
    pid = worker_of(store)
    reply = Chat("trip", model=model, store=store).send("Count.")
    answer.open()
    assert (reply.wait(30).status, reply.text) == ("complete", "one two three")
    assert len(provider.requests) == 1
    until(lambda: not is_there(pid))


def test_a_worker_that_is_killed_leaves_an_interrupted_answer_and_no_zombie(
    provider: Provider, chat: Chat, tmp_path: Path
) -> None:
    answer = provider.answer("one two three", gated=True)
    answer.release(2)
    reply = chat.send("Count.")
    words(reply, 2)
    pid = worker_of(tmp_path / "store")
    os.kill(pid, signal.SIGKILL)
    assert (reply.wait(30).status, reply.text) == ("interrupted", "one two ")
    until(lambda: not is_there(pid))
    assert chat.ask("Again?").text == "Answer to: Again?", "by another worker"


def broken_off(provider: Provider, chat: Chat, tmp_path: Path, text: str, **more: Any) -> Reply:
    """An answer whose worker was killed when it had two words."""
    answer = provider.answer(text, gated=True)
    answer.release(2)
    reply = chat.send("Count.", **more)
    words(reply, 2)
    os.kill(worker_of(tmp_path / "store"), signal.SIGKILL)
    assert reply.wait(30).status == "interrupted"
    return reply


def test_an_answer_that_broke_off_is_continued_by_another_worker(
    provider: Provider, chat: Chat, tmp_path: Path
) -> None:
    reply = broken_off(provider, chat, tmp_path, "one two three")
    answer = provider.answer("three four", gated=True)
    resumed = reply.resume()
    assert worker_of(tmp_path / "store") != os.getpid()
    answer.open()
    assert (resumed.wait(30).status, resumed.text) == ("complete", "one two three four")
    assert "".join(resumed.deltas()) == "one two three four"
    assert (resumed.id, len(provider.requests)) == (reply.id, 2)


def test_where_nobody_can_go_on_with_it_a_worker_is_asked_beside_it(
    provider: Provider, chat: Chat, tmp_path: Path
) -> None:
    reply = broken_off(provider, chat, tmp_path, '{"name": "Lisbon"}', schema=dict[str, str])
    provider.answer('{"name": "Porto"}')
    resumed = reply.resume().wait(30)
    assert resumed.text == '{"name": "Porto"}'
    assert resumed.id != reply.id
    assert [message.status for message in chat.branches(reply.id)] == ["interrupted", "complete"]


def test_a_worker_that_ended_while_nobody_asked_is_replaced_unnoticed(
    provider: Provider, chat: Chat, tmp_path: Path
) -> None:
    answer = provider.answer("one", gated=True)
    reply = chat.send("Count.")
    pid = worker_of(tmp_path / "store")
    answer.open()
    reply.wait(30)
    os.kill(pid, signal.SIGSTOP)  # the next job is in its pipe when it ends
    again = chat.send("And?")
    os.kill(pid, signal.SIGKILL)
    assert (again.wait(30).text, again.warnings) == ("Answer to: And?", [])
    assert len(provider.requests) == 2


def test_a_worker_without_work_ends_though_its_kernel_lives() -> None:
    code = "from chatkit import worker; worker.IDLE = 0.1; worker.Worker(print).run()"
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE) as process:
        assert process.wait(30) == 0


# -- a kernel that is restarted, killed or shut down --


@pytest.fixture
def kernel(tmp_path: Path) -> Iterator[Kernel]:
    with Kernel(tmp_path) as kernel:
        yield kernel


@pytest.fixture
def notebook(kernel: Kernel, provider: Provider) -> Notebook:
    notebook = Notebook(kernel, provider)
    opening = notebook.cells["open"].replace("system=", "detached=True, system=")
    notebook.run("open", opening)
    return notebook


def begun(notebook: Notebook) -> Any:
    """A cell has asked, and its answer has two words."""
    answer = notebook.provider.answer("Alfama Belém Sintra Cascais", gated=True)
    answer.release(2)
    notebook.start("a", LISBON)
    has_words(notebook, 2)
    return answer


def has_words(notebook: Notebook, count: int) -> None:
    """The answer has them, in the kernel."""
    text = "chat.messages[-1].text"
    notebook.kernel.run(f"while len({text}.split()) < {count}: time.sleep(0.01)")


@pytest.mark.kernel
@pytest.mark.parametrize("how", ["restart", "kill"])
def test_the_answer_goes_on_while_the_kernel_is_away_and_its_cell_finds_it_again(
    notebook: Notebook, tmp_path: Path, how: str
) -> None:
    answer = begun(notebook)
    pid = worker_of(tmp_path / ".chatkit")
    notebook.kernel.restart() if how == "restart" else notebook.kernel.kill()
    answer.release()
    notebook.run("open")
    cell = notebook.start("a")
    has_words(notebook, 3)
    assert notebook.value("chat.messages[-1].status") == "'streaming'"
    answer.open()
    notebook.shows(cell, "Alfama Belém Sintra Cascais")
    assert notebook.value("chat.wait().messages[-1].status") == "'complete'"
    assert notebook.value("chat.messages[-1].text") == "'Alfama Belém Sintra Cascais'"
    assert (notebook.asked, notebook.provider.disconnects) == (1, 0)
    until(lambda: not is_there(pid))


@pytest.mark.kernel
def test_an_answer_that_ended_while_no_kernel_was_there_is_whole(
    provider: Provider, tmp_path: Path
) -> None:
    with Kernel(tmp_path) as first:
        notebook = Notebook(first, provider)
        notebook.run("open", notebook.cells["open"].replace("system=", "detached=True, system="))
        answer = begun(notebook)
        notebook.start("b", CHILDREN)
        first.run("pass")
        pid = worker_of(tmp_path / ".chatkit")
    answer.open()
    until(lambda: not is_there(pid))
    with Kernel(tmp_path) as second:
        cells, notebook = notebook.cells, Notebook(second, provider)
        notebook.cells = cells
        shown = notebook.run_all()
    assert "Alfama Belém Sintra Cascais" in shown["a"]
    assert "Answer to: And with children?" in shown["b"]
    assert (len(provider.requests), provider.answered) == (2, 2)
    asked = [message["content"] for message in provider.requests[1].body["messages"]]
    assert asked[1:] == [
        "Three days in Lisbon?",
        "Alfama Belém Sintra Cascais",
        "And with children?",
    ]


@pytest.mark.kernel
def test_the_next_kernel_stops_it(notebook: Notebook, tmp_path: Path) -> None:
    begun(notebook)
    pid = worker_of(tmp_path / ".chatkit")
    notebook.kernel.restart()
    notebook.run("open")
    notebook.kernel.run("chat.stop()")
    notebook.provider.until(lambda: notebook.provider.disconnects == 1)
    assert notebook.value("chat.wait().messages[-1].status") == "'stopped'"
    assert notebook.value("chat.messages[-1].text.strip()") == "'Alfama Belém'"
    until(lambda: not is_there(pid))


# -- elsewhere --


@pytest.mark.redis
@needed
def test_on_a_server_whose_address_holds_a_password_it_is_nowhere_but_in_the_pipe(
    provider: Provider, model: Model, tmp_path: Path
) -> None:
    with RedisServer(tmp_path, requirepass=KEY, appendonly="yes") as redis:
        url = redis.url.replace("redis://", f"redis://:{KEY}@")
        answer = provider.answer("one two three", gated=True)
        answer.release(2)
        chat = Chat("trip", model=model, store=url, detached=True)
        reply = chat.send("Count.")
        assert words(reply, 2) == "one two "
        [writer] = chats(url)[0].writers
        assert writer.is_worker
        for name in ("cmdline", "environ"):
            assert KEY.encode() not in Path(f"/proc/{writer.pid}/{name}").read_bytes()
        answer.open()
        assert (reply.wait(30).text, reply.warnings) == ("one two three", [])
        assert len(provider.requests) == 1
        reply.feed.engine.run(chat.store.close())


@pytest.mark.local
def test_the_embedded_model_is_started_by_the_worker_and_ends_with_it(tmp_path: Path) -> None:
    store = tmp_path / "store"
    code = "import sys; from chatkit import Chat; Chat('trip', model='local/smollm2',"
    code += " store=sys.argv[1], detached=True).send('What is the capital of France?')"
    subprocess.run([sys.executable, "-c", code, str(store)], check=True)
    pid = worker_of(store)
    chat = Chat("trip", store=store)
    reply = chat.send("What is the capital of France?").wait(60)
    assert (reply.status, "Paris" in reply.text, len(chat.messages)) == ("complete", True, 2)
    until(lambda: not is_there(pid))
