"""Answers of an AI SDK backend that outlive their readers: npm `ai`, `resumable-stream` and Redis.

The backend is tests/ai_sdk/resumable.mjs. Its model writes a word when a test lets it, so that
each of these breaks off where it means to.
"""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from socketserver import BaseRequestHandler, ThreadingTCPServer
from urllib.request import urlopen

import pytest

from chatkit import Chat
from chatkit.errors import ServerError
from chatkit.messages import Message
from chatkit.replies import Reply
from chatkit.stores.disk import DiskStore
from tests import ai_sdk, redis_server
from tests.ai_sdk import AiSdk, Resumable
from tests.conftest import Cells
from tests.redis_server import RedisServer
from tests.servers import listen
from tests.storing import loaded, run
from tests.test_steps import until

pytestmark = [
    pytest.mark.node,
    pytest.mark.redis,
    redis_server.needed,
    pytest.mark.skipif(bool(ai_sdk.missing()), reason="; ".join(ai_sdk.missing())),
]

WORDS = ["Three ", "days ", "in ", "Lisbon."]
WHOLE = "".join(WORDS)
ENDING = 1  # is let go like a word
POST = "POST /api/chat"
ASKS = """
import sys
from chatkit import Chat

chat = Chat(sys.argv[1], model=sys.argv[2], store=sys.argv[3])
reply = chat.send("Lisbon?")
for delta in reply.deltas():
    print(delta, flush=True)
print(reply.status, reply.text, flush=True)
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with RedisServer(tmp_path_factory.mktemp("redis")) as running:
        yield running


@pytest.fixture(scope="module")
def backend(server: RedisServer) -> Iterator[Resumable]:
    ai_sdk.install()
    running = Resumable(server.url)
    yield running
    running.close()


@pytest.fixture
def another(server: RedisServer, backend: Resumable) -> Iterator[Resumable]:
    """A second process of the same backend."""
    running = Resumable(server.url)
    yield running
    running.close()


@pytest.fixture
def chat_id(request: pytest.FixtureRequest) -> str:
    """A chat of the test's own: all share the backend."""
    return str(request.node.name).removeprefix("test_")


def api(backend: Resumable | Line) -> str:
    return f"ui+{backend.address}/api/chat"


def get(chat_id: str) -> str:
    return f"GET /api/chat/{chat_id}/stream"


@contextmanager
def asking(chat_id: str, backend: Resumable, store: DiskStore) -> Iterator[subprocess.Popen[str]]:
    """A process that asks, and prints what it is answered word by word; killed in the end."""
    command = [sys.executable, "-c", ASKS, chat_id, api(backend), store.location]
    with subprocess.Popen(command, text=True, stdout=subprocess.PIPE) as process:
        try:
            yield process
        finally:
            process.kill()


def killed(chat_id: str, backend: Resumable, store: DiskStore) -> None:
    """A process asked, and was killed with -9 when it had two of the words."""
    backend.release(chat_id, 2)
    with asking(chat_id, backend, store):
        until(lambda: stored(chat_id, store) == "Three days ")
    until(lambda: backend.seen(chat_id)["left"] == 1)


def stored(chat_id: str, store: DiskStore) -> str:
    """What another process has put into the store of the answer that it reads."""
    chat = run(store.load(chat_id))
    if chat is None:
        return ""
    segments = run(store.follow(chat_id, chat.rows[-1]["id"])).segments
    return "".join(chunk.get("delta", "") for segment in segments for chunk in segment)


def cut_off(chat_id: str, line: Line, store: DiskStore) -> Reply:
    """An answer whose line was cut after two of its words."""
    line.leads_to.release(chat_id, 2)
    reply = Chat(chat_id, model=api(line), store=store).send("Lisbon?")
    until(lambda: reply.text == "Three days ")
    line.cut()
    assert reply.wait(20).status == "interrupted"
    return reply


def left_behind(cells: Cells, chat_id: str, backend: Resumable, store: DiskStore) -> Reply:
    """The answer of a process that was killed, in the notebook that is opened next."""
    killed(chat_id, backend, store)
    with cells("a"):
        reply = Chat(chat_id, model=api(backend), store=store).send("Lisbon?")
    assert (reply.status, reply.text) == ("interrupted", "Three days ")
    return reply


def come_back(chat_id: str, backend: Resumable, readers: int = 1) -> None:
    """Wait until the backend gives so many the answer from its beginning."""
    until(lambda: backend.seen(chat_id)["resumed"] == readers)


def finish(chat_id: str, backend: Resumable) -> None:
    """Let the model write all the rest; its answer is whole in the backend's database then."""
    backend.release(chat_id, 2 + ENDING)
    until(lambda: backend.seen(chat_id)["chat"]["activeStreamId"] is None)
    [_, answer] = backend.seen(chat_id)["chat"]["messages"]
    assert answer["parts"][-1]["text"] == WHOLE


def check_whole(reply: Reply, chat_id: str, store: DiskStore) -> None:
    """The truth once: in the reply, in what its readers were given, and in the store."""
    reply.wait(20)
    assert (reply.status, reply.text, reply.error) == ("complete", WHOLE, None)
    assert "".join(reply.deltas()) == WHOLE
    question, answer = (Message.from_json(row["message"]) for row in loaded(store, chat_id).rows)
    assert [question.text, answer.text, answer.status] == ["Lisbon?", WHOLE, "complete"]


class Line:
    """A TCP line that leads to a backend, until it is cut; then another may be opened."""

    def __init__(self, backend: Resumable) -> None:
        self.leads_to = backend
        self.address = ""
        self._ends: list[socket.socket] = []

    def cut(self) -> None:
        for end in self._ends:
            with suppress(OSError):  # it was closed by one of the two
                end.shutdown(socket.SHUT_RDWR)

    def join(self, near: socket.socket) -> None:
        """What comes in here goes out there, and back, until both are silent."""
        host, _, port = self.leads_to.address.removeprefix("http://").partition(":")
        with socket.create_connection((host, int(port))) as far:
            self._ends += [near, far]
            back = threading.Thread(target=pump, args=(far, near))
            back.start()
            pump(near, far)
            back.join()


@pytest.fixture
def line(backend: Resumable) -> Iterator[Line]:
    it = Line(backend)

    class Relay(BaseRequestHandler):
        def handle(self) -> None:
            it.join(self.request)

    with ThreadingTCPServer(("", 0), Relay, bind_and_activate=False) as listening:
        listen(listening)
        it.address = "http://{}:{}".format(*listening.server_address)
        threading.Thread(target=listening.serve_forever, args=(0.02,)).start()
        yield it
        it.cut()
        listening.shutdown()


def pump(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):  # the line was cut
        while data := source.recv(65536):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)


# -- taken up again --


def test_an_answer_whose_reader_was_killed_is_taken_up_in_its_own_message(
    backend: Resumable, store: DiskStore, cells: Cells, chat_id: str
) -> None:
    broken = left_behind(cells, chat_id, backend, store)
    resumed = broken.resume()
    come_back(chat_id, backend)
    finish(chat_id, backend)
    check_whole(resumed, chat_id, store)
    check_whole(broken.resume(), chat_id, store)
    assert resumed.id == broken.id
    seen = backend.seen(chat_id)
    assert (seen["requests"], seen["models"]) == ([POST, get(chat_id)], 1)


def test_a_script_that_was_killed_takes_its_answer_up_when_it_is_run_again(
    backend: Resumable, store: DiskStore, chat_id: str
) -> None:
    killed(chat_id, backend, store)
    with asking(chat_id, backend, store) as process:
        come_back(chat_id, backend)
        finish(chat_id, backend)
        said, _ = process.communicate()
    assert said.splitlines()[-1] == f"complete {WHOLE}"
    seen = backend.seen(chat_id)
    assert (seen["requests"], seen["models"]) == ([POST, get(chat_id)], 1)


def test_a_line_that_is_cut_costs_nothing_of_the_answer(
    backend: Resumable, line: Line, store: DiskStore, chat_id: str
) -> None:
    broken = cut_off(chat_id, line, store)
    resumed = broken.resume()
    come_back(chat_id, backend)
    finish(chat_id, backend)
    check_whole(resumed, chat_id, store)
    assert resumed.id == broken.id
    seen = backend.seen(chat_id)
    assert (seen["requests"], seen["models"]) == ([POST, get(chat_id)], 1)


def test_any_process_of_the_backend_gives_out_the_answer_that_another_writes(
    backend: Resumable, another: Resumable, line: Line, store: DiskStore, chat_id: str
) -> None:
    broken = cut_off(chat_id, line, store)
    line.leads_to = another
    resumed = broken.resume()
    come_back(chat_id, another)
    finish(chat_id, backend)
    check_whole(resumed, chat_id, store)
    assert (backend.seen(chat_id)["models"], another.seen(chat_id)["models"]) == (1, 0)


def test_two_who_resume_at_once_both_get_the_whole(
    backend: Resumable, store: DiskStore, cells: Cells, chat_id: str, sdk: AiSdk
) -> None:
    broken = left_behind(cells, chat_id, backend, store)
    with ThreadPoolExecutor() as pool:
        front_end = pool.submit(sdk.resume, f"{backend.address}/api/chat", chat_id)
        resumed = broken.resume()
        come_back(chat_id, backend, readers=2)
        finish(chat_id, backend)
        assert front_end.result()["message"]["parts"][-1]["text"] == WHOLE
    check_whole(resumed, chat_id, store)
    assert backend.seen(chat_id)["models"] == 1


def test_two_kernels_that_resume_at_once_both_get_the_whole(
    backend: Resumable, store: DiskStore, cells: Cells, chat_id: str
) -> None:
    broken = left_behind(cells, chat_id, backend, store)
    resumed = broken.resume()
    come_back(chat_id, backend)
    with asking(chat_id, backend, store) as kernel:
        assert kernel.stdout is not None
        assert WORDS[0] in kernel.stdout.readline()
        finish(chat_id, backend)
        said, _ = kernel.communicate()
    check_whole(resumed, chat_id, store)
    assert said.splitlines()[-1] == f"complete {WHOLE}"
    assert backend.seen(chat_id)["models"] == 1


# -- nothing to take up --


def test_what_the_backend_has_finished_meanwhile_is_asked_for_once_more(
    backend: Resumable, store: DiskStore, cells: Cells, chat_id: str
) -> None:
    broken = left_behind(cells, chat_id, backend, store)
    finish(chat_id, backend)
    backend.release(chat_id, len(WORDS) + ENDING)
    resumed = broken.resume().wait(20)
    assert (resumed.status, resumed.error) == ("complete", None)
    assert resumed.text == WHOLE
    seen = backend.seen(chat_id)
    assert (seen["requests"], seen["models"]) == ([POST, get(chat_id), POST], 2)


def test_a_backend_is_sent_back_what_it_has_said_itself(
    backend: Resumable, line: Line, store: DiskStore, chat_id: str
) -> None:
    backend.release(chat_id, 2)
    chat = Chat(chat_id, model=api(line), store=store)
    broken = chat.send("Lisbon?")
    until(lambda: broken.text == "Three days ")
    line.cut()
    broken.wait(20)
    finish(chat_id, backend)
    backend.release(chat_id, 2 * (len(WORDS) + ENDING))
    resumed = broken.resume().wait(20)
    chat.ask("And Porto?")
    _, again, last = backend.seen(chat_id)["bodies"]
    theirs = broken.message.metadata["responseId"]
    assert (again["trigger"], again["messageId"]) == ("regenerate-message", theirs)
    sent = last["messages"][1]
    assert sent["id"] == resumed.message.metadata["responseId"] != theirs
    assert "metadata" not in sent


def test_the_answer_to_something_else_is_not_taken_for_it(
    backend: Resumable, store: DiskStore, cells: Cells, chat_id: str, sdk: AiSdk
) -> None:
    broken = left_behind(cells, chat_id, backend, store)
    porto = {"id": "u", "role": "user", "parts": [{"type": "text", "text": "Porto?"}]}
    with ThreadPoolExecutor() as pool:
        theirs = pool.submit(sdk.send, f"{backend.address}/api/chat", chat_id, [porto])
        until(lambda: backend.seen(chat_id)["streams"] == 2)
        resumed = broken.resume()
        come_back(chat_id, backend)
        backend.release(chat_id, 20)
        other = theirs.result()["message"]
    assert resumed.wait(20).message.metadata["responseId"] != other["id"]


def test_an_answer_whose_own_process_has_died_is_kept_as_far_as_it_came(
    backend: Resumable, another: Resumable, line: Line, store: DiskStore, chat_id: str
) -> None:
    line.leads_to = another
    broken = cut_off(chat_id, line, store)
    another.process.kill()
    line.leads_to = backend
    resumed = broken.resume().wait(40)
    assert (resumed.status, resumed.text) == ("error", "Three days ")
    assert isinstance(resumed.error, ServerError)
    backend.release(chat_id, len(WORDS) + ENDING)
    assert resumed.regenerate().wait(20).text == WHOLE


def test_nothing_is_asked_where_nothing_broke_off(
    backend: Resumable, store: DiskStore, chat_id: str, sdk: AiSdk
) -> None:
    backend.release(chat_id, len(WORDS) + ENDING)
    reply = Chat(chat_id, model=api(backend), store=store).ask("Lisbon?")
    check_whole(reply.resume(), chat_id, store)
    assert backend.seen(chat_id)["requests"] == [POST]
    until(lambda: backend.seen(chat_id)["chat"]["activeStreamId"] is None)
    assert sdk.resume(f"{backend.address}/api/chat", chat_id) is None  # it was told 204


# -- stopped --


def test_an_answer_that_is_stopped_here_is_written_on_by_a_backend_that_is_not_told(
    backend: Resumable, store: DiskStore, chat_id: str
) -> None:
    backend.release(chat_id, 2)
    reply = Chat(chat_id, model=api(backend), store=store).send("Lisbon?")
    until(lambda: reply.text == "Three days ")
    reply.stop().wait(20)
    assert (reply.status, reply.text) == ("stopped", "Three days ")
    until(lambda: backend.seen(chat_id)["left"] == 1)
    finish(chat_id, backend)
    assert backend.seen(chat_id)["aborted"] == 0


def test_an_answer_that_is_stopped_here_is_stopped_at_a_backend_that_can(
    backend: Resumable, store: DiskStore, chat_id: str
) -> None:
    backend.release(chat_id, 2)
    chat = Chat(chat_id, model=api(backend), store=store, stoppable=True)
    reply = chat.send("Lisbon?")
    until(lambda: reply.text == "Three days ")
    reply.stop().wait(20)
    assert (reply.status, reply.text, reply.warnings) == ("stopped", "Three days ", [])
    seen = backend.seen(chat_id)
    assert (seen["requests"], seen["aborted"]) == ([POST, f"{POST}/{chat_id}/stop"], 1)
    assert seen["chat"]["activeStreamId"] is None


def test_an_answer_that_is_stopped_at_the_backend_is_stopped_here(
    backend: Resumable, store: DiskStore, chat_id: str
) -> None:
    backend.release(chat_id, 2)
    reply = Chat(chat_id, model=api(backend), store=store).send("Lisbon?")
    until(lambda: reply.text == "Three days ")
    with urlopen(f"{backend.address}/api/chat/{chat_id}/stop", b"{}"):
        pass
    reply.wait(20)
    assert (reply.status, reply.text, reply.error) == ("stopped", "Three days ", None)
    assert backend.seen(chat_id)["aborted"] == 1
