"""The panel: what its script is told adds up to the state, and what is clicked is done."""

from __future__ import annotations

import asyncio
import base64
import gc
import io
import json
import logging
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import PIL.Image
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chatkit import Chat, ConfigError, Message, TextPart
from chatkit import engine as engines
from chatkit.messages import FilePart, ToolPart
from chatkit.notebook import sections
from chatkit.notebook.panel import Panel, cell, finding
from chatkit.notebook.panel import panel as open_panel
from chatkit.notebook.panel.composer import LARGEST
from chatkit.providers import Model, get_model
from chatkit.tree import Node
from tests.conftest import Cells
from tests.peers import Peer
from tests.servers import Provider

Json = dict[str, Any]


class Page:
    """What `static/panel.js` makes of what a panel tells it."""

    def __init__(self, panel: Panel) -> None:
        self.panel = panel
        self.heard: list[Json] = []  # everything
        self.answers: list[Json] = []  # what is no news
        self.clicks = 0
        engines.get_engine().run(self._open())

    async def _open(self) -> None:
        self.shown = json.loads(json.dumps(self.panel.shown))
        self.panel.send = self.panel._stage.board.send = self.hear

    def hear(self, told: Json, buffers: Any = None) -> None:
        told = json.loads(json.dumps(told))
        self.heard.append(told)
        if "number" not in told:
            return self.answers.append(told)
        assert told["number"] == self.shown["number"] + 1
        self.shown["number"] = told["number"]
        self.shown["chat"].update(told.get("chat", {}))
        known = {item["id"]: item for item in self.shown["items"]} | told.get("fresh", {})
        if "order" in told:
            self.shown["items"] = [known[id] for id in told["order"]]
        for id, *change in told.get("changes", []):
            learn(known[id]["sections"], *change)
        for id, changed in told.get("items", {}).items():
            known[id].update(changed)
        self.shown.update({k: told[k] for k in ("files", "notice", "chats", "found") if k in told})

    # -- what a person does --

    def click(self, do: str, *buffers: bytes, **more: Any) -> None:
        """Click, and return once it is done and shown."""
        self.clicks += 1
        content = {"do": do, "click": self.clicks, **more}
        self.panel._hear(self.panel, content, [memoryview(each) for each in buffers])
        self.settle()

    def say(self, text: str) -> None:
        """Send this, and wait until it is answered and shown."""
        self.click("send", text=text)
        self.panel.chat.wait()
        self.settle()

    def settle(self) -> None:
        """Let the panel show how things are."""

        async def look() -> None:
            self.panel._stage.live.look()
            self.panel._stage.live.update()

        engines.get_engine().run(look())

    # -- what a person sees --

    @property
    def ids(self) -> list[str]:
        return [item["id"] for item in self.shown["items"]]

    @property
    def texts(self) -> list[str]:
        """What is said, without its marks."""
        blocks = ["".join(b for _, bs in item["sections"] for b in bs) for item in self.items]
        return [text.replace("<p>", "").replace("</p>", "").strip() for text in blocks]

    @property
    def items(self) -> list[Json]:
        found: list[Json] = self.shown["items"]
        return found

    def is_whole(self) -> bool:
        return bool(self.shown == json.loads(json.dumps(self.panel.shown)))


def learn(sections: list[Any], number: int, kind: str, at: int, keep: int, more: Any) -> None:
    """Follow a change of one message's sections; text is counted in UTF-16 units there."""
    if kind is None:
        del sections[number:]
        return
    if number == len(sections):
        sections.append([kind, []])
    blocks = sections[number][1]
    kept = blocks[at].encode("utf-16-le")[: 2 * keep].decode("utf-16-le") if keep else ""
    blocks[at:] = [kept + more[0], *more[1:]] if kept else more


@pytest.fixture
def chat(model: Model, cells: Cells) -> Chat:
    return Chat("trip", model=model)


@contextmanager
def opened(chat: Chat) -> Iterator[Page]:
    panel = open_panel(chat, height="600px")
    page = Page(panel)
    yield page
    if panel.comm is not None:
        panel.close()
    engines.get_engine().run(asyncio.sleep(0))


@pytest.fixture
def page(chat: Chat) -> Iterator[Page]:
    with opened(chat) as page:
        yield page


def stored(chat: Chat, count: int, text: str = "Number {}") -> list[str]:
    """A chat of so many messages in the store; their ids."""
    nodes: list[Node] = []
    for number in range(count):
        message = Message(
            id=f"m{number:05d}",
            role="assistant" if number % 2 else "user",
            parts=(TextPart(text.format(number)),),
        )
        nodes.append(Node(message, nodes[-1].id if nodes else None))
    rows = [node.row() for node in nodes]
    engines.get_engine().run(chat.store.append(chat.id, rows, header={"head": nodes[-1].id}))
    chat._conversation.refresh()
    return [node.id for node in nodes]


# -- it shows the conversation --


def test_what_a_cell_asks_appears_in_the_panel_and_the_reverse(
    chat: Chat, page: Page, cells: Cells
) -> None:
    with cells("a"):
        chat.send("From a cell").wait()
    page.settle()
    assert page.texts == ["From a cell", "Answer to: From a cell"]
    assert [item["role"] for item in page.items] == ["user", "assistant"]
    assert [item["name"] for item in page.items] == ["You", "openai-chat/test"]
    page.say("From the panel")
    assert page.texts[2:] == ["From the panel", "Answer to: From the panel"]
    assert [message.text for message in chat.messages][2:] == page.texts[2:]
    assert page.shown["chat"]["totals"] == "20 → 10 tokens"
    assert len(cells.shown) == 1  # no cell shows what the panel asked


def test_a_cell_that_is_run_again_finds_its_answer_after_the_panel_has_said_more(
    chat: Chat, model: Model, page: Page, cells: Cells, provider: Provider
) -> None:
    with cells("a"):
        chat.send("One").wait()
    page.say("Two")
    again = Chat("trip", model=model)
    with cells("a"):
        assert again.send("One").text == "Answer to: One"
    assert len(provider.requests) == 2
    page.settle()
    assert page.texts[2] == "Two"


def test_two_panels_show_the_same_and_either_may_ask(chat: Chat, page: Page) -> None:
    with opened(chat) as other:
        page.say("One")
        other.say("Two")
        page.settle()
        assert page.items == other.items
        assert page.texts[::2] == ["One", "Two"]


def test_what_another_process_says_appears(
    model: Model, provider: Provider, tmp_path: Path, cells: Cells
) -> None:
    chat = Chat("trip", model=model)
    with opened(chat) as page, Peer(provider.url, tmp_path / "store") as peer:
        answer = provider.answer("one two three", gated=True)
        peer.do("reply = chat.send('Elsewhere')")
        answer.release(2)
        until(lambda: page.texts == ["Elsewhere", "one two"])
        assert page.shown["chat"]["status"] == "streaming"
        answer.open()
        until(lambda: page.shown["chat"]["status"] == "ready")
        assert page.texts == ["Elsewhere", "one two three"]
        assert page.is_whole()


def until(happened: Callable[[], bool]) -> None:
    """Wait for what the engine's own pace brings."""
    end = time.monotonic() + 30
    while not happened():
        assert time.monotonic() < end
        engines.get_engine().run(asyncio.sleep(0.02))


def test_an_answer_grows_and_what_is_finished_of_it_is_not_told_again(
    chat: Chat, page: Page, provider: Provider
) -> None:
    answer = provider.answer(tokens=["one\n\n", "two\n\n", "three"], gated=True)
    page.click("send", text="Count")
    assert page.shown["chat"]["status"] in ("submitted", "streaming")
    answer.release(2)
    until(lambda: page.texts[1:] == ["one\ntwo"])
    assert page.shown["chat"]["status"] == "streaming"
    assert not page.items[1]["foot"]["over"]
    page.heard.clear()
    answer.open()
    chat.wait()
    page.settle()
    assert page.texts[1] == "one\ntwo\nthree"
    assert "two" not in json.dumps(page.heard)
    assert page.shown["chat"]["status"] == "ready"
    assert page.is_whole()


def test_nothing_is_told_when_nothing_has_changed(page: Page) -> None:
    page.say("One")
    page.heard.clear()
    for _ in range(3):
        page.settle()
    assert page.heard == []


def test_many_changes_at_once_are_told_together(page: Page) -> None:
    page.say("One")
    page.heard.clear()
    live = page.panel._stage.live

    async def change() -> None:
        for number in range(100):
            live.chat._conversation.record.header["title"] = f"Title {number}"
            live.look()

    engines.get_engine().run(change())
    until(lambda: page.shown["chat"]["title"] == "Title 99")
    assert len(page.heard) < 10


def test_a_page_that_has_missed_something_is_told_everything(page: Page) -> None:
    told: list[Any] = []
    page.panel._stage.tell_all = lambda: told.append("shown")
    page.click("tell")
    assert told == ["shown"]


# -- long conversations --


def test_of_a_long_conversation_the_newest_messages_are_rendered_and_more_on_demand(
    chat: Chat, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = stored(chat, 1000)
    rendered: list[str] = []
    update = sections.Sections.update

    def counted(sections: Any, message: Message, **more: Any) -> Any:
        if message.id in ids:  # a view that another test has left may draw its own
            rendered.append(message.id)
        return update(sections, message, **more)

    monkeypatch.setattr(sections.Sections, "update", counted)
    with opened(chat) as page:
        assert rendered == ids[-30:]
        assert page.ids == ids[-30:]
        assert page.shown["chat"]["earlier"] == 970
        page.click("earlier")
        assert page.ids == ids[-60:]
        assert page.shown["chat"]["earlier"] == 940
        assert len(rendered) == 60
        page.click("reveal", id=ids[500])
        assert page.ids[0] <= ids[500]
        assert page.ids == ids[-len(page.ids) :]
        assert page.answers[-1] == {"reveal": ids[500]}
        assert len(rendered) == len(page.ids)
        assert page.is_whole()


def test_the_beginning_is_reached_in_the_end(chat: Chat) -> None:
    ids = stored(chat, 70)
    with opened(chat) as page:
        for _ in range(4):
            page.click("earlier")
        assert page.ids == ids
        assert page.shown["chat"]["earlier"] == 0


def test_a_turn_that_is_put_back_is_shown_and_what_stands_above_is_not(chat: Chat) -> None:
    ids = stored(chat, 100)
    with opened(chat) as page:
        page.click("delete", id=ids[70])
        assert page.ids == ids[72:]
        page.click("undo", notice=page.shown["notice"]["id"])
        assert page.ids == ids[70:]


# -- what is clicked --


def test_a_click_is_taken_before_anything_is_done_about_it(page: Page) -> None:
    page.panel.chat._say = lambda *_, **__: page.heard.append({"said": True})  # type: ignore
    page.heard.clear()
    page.panel._hear(page.panel, {"do": "send", "click": 7, "text": "One"}, [])
    assert page.heard[:3] == [{"took": 7}, {"said": True}, {"sent": True}]


def test_a_message_can_be_edited_and_what_was_said_before_is_a_click_away(page: Page) -> None:
    page.say("One")
    first, _ = page.ids
    page.click("ask_edit", id=first)
    assert page.answers[-1] == {"edit": first, "text": "One", "files": []}
    page.click("save_edit", id=first, text="Uno")
    page.panel.chat.wait()
    page.settle()
    assert page.texts == ["Uno", "Answer to: Uno"]
    assert page.items[0]["branch"] == [2, 2]
    page.click("switch", id=page.ids[0], to=1)
    assert page.texts == ["One", "Answer to: One"]
    assert page.items[0]["branch"] == [1, 2]
    page.click("switch", id=page.ids[0], to=9)
    assert page.texts == ["Uno", "Answer to: Uno"]


def test_an_answer_can_be_had_again(page: Page, provider: Provider) -> None:
    page.say("One")
    provider.answer("Another")
    page.click("regenerate", id=page.ids[1])
    page.panel.chat.wait()
    page.settle()
    assert page.texts == ["One", "Another"]
    assert page.items[1]["branch"] == [2, 2]


def test_what_can_be_done_with_an_answer_is_what_makes_sense(
    page: Page, provider: Provider
) -> None:
    provider.answer("never ends", gated=True).release(1)
    page.click("send", text="Stop me")
    until(lambda: page.texts[1:] == ["never"])
    assert page.items[1]["does"] == ["copy"]
    page.click("stop")
    page.panel.chat.wait()
    page.settle()
    assert page.items[1]["does"] == ["copy", "regenerate", "resume", "delete"]
    provider.answer(" ends")
    page.click("resume", id=page.ids[1])
    page.panel.chat.wait()
    page.settle()
    assert page.texts[1].startswith("never")
    assert page.items[1]["does"] == ["copy", "regenerate", "delete"]


def test_an_error_is_shown_in_the_providers_words_and_can_be_retried(
    page: Page, provider: Provider
) -> None:
    provider.refuse(400, {"error": {"message": "no such thing"}})
    page.say("One")
    assert "no such thing" in page.items[1]["foot"]["notices"]
    assert "Run the cell" not in page.items[1]["foot"]["notices"]
    assert page.items[1]["does"] == ["copy", "retry", "delete"]
    assert page.shown["chat"]["status"] == "error"
    page.click("retry", id=page.ids[1])
    page.panel.chat.wait()
    page.settle()
    assert page.texts == ["One", "Answer to: One"]
    assert page.items[1]["branch"] is None  # an attempt with nothing in it is no branch


def test_what_is_deleted_comes_back_until_the_next_notice(page: Page) -> None:
    page.say("One")
    page.say("Two")
    page.click("delete", id=page.ids[1])
    assert page.texts == ["Two", "Answer to: Two"]
    first = page.shown["notice"]
    assert first["undo"]
    page.click("delete", id=page.ids[0])
    assert page.texts == []
    page.click("undo", notice=first["id"])  # of a notice that is gone
    assert page.texts == []
    page.click("undo", notice=page.shown["notice"]["id"])
    assert page.texts == ["Two", "Answer to: Two"]
    assert page.shown["notice"] is None


def test_a_conversation_is_cleared_and_comes_back(page: Page) -> None:
    page.say("One")
    page.click("clear")
    assert page.texts == []
    page.click("undo", notice=page.shown["notice"]["id"])
    assert page.texts == ["One", "Answer to: One"]


def test_a_tool_call_is_allowed_or_not_by_its_button(chat: Chat, page: Page) -> None:
    told: list[Any] = []
    calls = [
        ToolPart("go", f"c {n}", "approval-requested", {}, approval={"id": f"a{n}"}) for n in (0, 1)
    ]

    class Writer:
        is_at_work = True

        def decide(self, id: str, approved: bool, reason: str | None) -> None:
            told.append((id, approved))

    follow(
        chat, Writer(), Message(id="x", role="assistant", status="streaming", parts=tuple(calls))
    )
    page.settle()
    item = page.items[-1]
    for what, _ in item["foot"]["buttons"][:1]:
        do, *about = what.split(" ")
        page.click(do, id="x", call=" ".join(about))
    page.click("deny", id="x", call="c%201")
    engines.get_engine().run(asyncio.sleep(0))
    assert told == [("a0", True), ("a1", True), ("a1", False)]


def follow(chat: Chat, writer: Any, message: Message) -> None:
    """An answer that is written by `writer`."""
    from chatkit.answers.feed import Feed

    conversation = chat._conversation
    question = Node(Message(id="q", role="user", parts=(TextPart("?"),)), None)
    node = Node(message, "q")
    with conversation.record.changing():
        conversation.tree.add(question)
        conversation.tree.add(node)
        conversation.tree.head = node.id
        conversation._adopt(node, Feed(message, engines.get_engine()), writer)


def test_the_text_of_a_message_is_copied_as_it_was_written(page: Page) -> None:
    page.say("**One**")
    page.click("copy", id=page.ids[0])
    assert page.answers[-1] == {"copied": page.ids[0], "text": "**One**"}


def test_a_chat_is_exported_as_a_download(page: Page) -> None:
    page.say("One")
    sent: list[Any] = []
    page.panel._stage.board.send = lambda told, buffers=None: sent.append((told, buffers))
    page.click("export", suffix=".md")
    told, [content] = sent[-1]
    assert told == {"download": "trip.md", "type": "text/markdown"}
    assert b"Answer to: One" in content


# -- what goes wrong --


def test_what_cannot_be_sent_is_refused_in_the_errors_own_words(page: Page) -> None:
    page.click("send", text="  ")
    assert page.answers[-1] == {"refused": "there is nothing to send: the message is empty"}
    assert {"sent": True} not in page.answers
    assert page.texts == []


def test_a_click_on_what_is_no_more_says_so(page: Page) -> None:
    page.click("copy", id="gone")
    assert page.shown["notice"]["kind"] == "error"
    assert "no message 'gone'" in page.shown["notice"]["text"]


def test_a_mistake_of_ours_is_said_and_logged(
    page: Page, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("boom")

    monkeypatch.setattr(finding, "search", fail)
    with caplog.at_level(logging.ERROR, "chatkit"):
        page.click("search", query="x")
    assert page.shown["notice"]["text"] == "This failed: RuntimeError: boom"
    assert "boom" in caplog.text


def test_without_ipywidgets_it_says_what_to_install(
    chat: Chat, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(name: str) -> None:
        raise ModuleNotFoundError("No module named 'anywidget'")

    monkeypatch.setattr("chatkit.chat.resolve_name", missing)
    with pytest.raises(ConfigError, match="pip install ipywidgets anywidget"):
        chat.panel()


# -- files --


def png() -> bytes:
    out = io.BytesIO()
    PIL.Image.new("RGB", (8, 8), "red").save(out, "PNG")
    return out.getvalue()


def test_files_are_attached_shown_small_sent_and_gone(page: Page, provider: Provider) -> None:
    page.click("attach", png(), name="red.png", type="image/png")
    page.click("attach", b"a,b\n1,2\n", name="table.csv", type="text/csv")
    page.click("attach", b"wrong", name="wrong.txt", type="text/plain")
    page.click("detach", file=page.shown["files"][2]["id"])
    first, second = page.shown["files"]
    assert (first["name"], first["size"]) == ("red.png", "1 KB")
    assert first["picture"].startswith("<img")
    assert (second["name"], second["picture"]) == ("table.csv", None)
    page.say("What is this?")
    assert page.shown["files"] == []
    asked = json.dumps(provider.requests[0].body)
    assert base64.b64encode(png()).decode() in asked
    assert "`table.csv`" in asked
    assert "wrong" not in asked
    assert page.is_whole()
    page.say("And now?")
    assert len(page.items[2]["sections"]) == 1


def test_an_edit_keeps_the_files_of_the_message(page: Page, provider: Provider) -> None:
    page.click("attach", png(), name="red.png", type="image/png")
    page.click("attach", b"a,b\n1,2\n", name="table.csv", type="text/csv")
    page.say("What is this?")
    page.click("ask_edit", id=page.ids[0])
    asked = page.answers[-1]
    assert (asked["text"], asked["files"]) == ("What is this?", ["table.csv", "red.png"]) or (
        asked["files"] == ["red.png", "table.csv"]
    )
    page.click("save_edit", id=page.ids[0], text="What colour?")
    page.panel.chat.wait()
    again = json.dumps(provider.requests[1].body)
    assert base64.b64encode(png()).decode() in again
    assert "`table.csv`" in again
    assert "What colour?" in again
    assert "What is this?" not in again


def test_a_file_that_is_too_large_or_empty_is_refused_and_the_rest_is_kept(page: Page) -> None:
    page.click("attach", png(), name="red.png", type="image/png")
    page.click("attach", b"\0" * (LARGEST + 1), name="big.bin", type="")
    assert "'big.bin' has 8.4 MB, and a panel takes" in page.answers[-1]["refused"]
    page.click("attach", b"", name="../none.txt", type="")
    assert "'none.txt' is empty" in page.answers[-1]["refused"]
    assert [file["name"] for file in page.shown["files"]] == ["red.png"]


def test_a_large_picture_that_was_sent_is_shown_small(chat: Chat) -> None:
    noise = PIL.Image.effect_noise((600, 600), 90).convert("RGB")
    out = io.BytesIO()
    noise.save(out, "PNG")
    url = f"data:image/png;base64,{base64.b64encode(out.getvalue()).decode()}"
    node = Node(Message(id="q", role="user", parts=(FilePart("image/png", url, "n.png"),)), None)
    engines.get_engine().run(chat.store.append("trip", [node.row()], header={"head": "q"}))
    chat._conversation.refresh()
    with opened(chat) as page:
        [[_, [picture]]] = page.items[0]["sections"]
        assert picture.startswith("<img")
        assert len(picture) < len(url) / 5


# -- what is chosen --


def test_a_model_and_options_are_chosen_for_the_panels_asks_alone(
    chat: Chat, page: Page, provider: Provider, cells: Cells
) -> None:
    page.click("set", model="openai-chat/other", options={"temperature": 0.5, "max_tokens": 9})
    page.click("set", system="Be brief.")
    shown = page.shown["chat"]
    assert (shown["model"], shown["system"]) == ("openai-chat/other", "Be brief.")
    assert shown["options"]["temperature"] == 0.5
    page.say("One")
    with cells("a"):
        chat.send("Two").wait()
    ours, theirs = (request.body for request in provider.requests)
    assert (ours["model"], ours["temperature"]) == ("other", 0.5)
    assert ours["messages"][0]["content"] == "Be brief."
    assert theirs["model"] == "test"
    assert "temperature" not in theirs
    page.click("set", options={"temperature": None})
    assert page.shown["chat"]["options"]["temperature"] is None
    page.click("regenerate", id=page.ids[1])
    page.panel.chat.wait()
    assert provider.requests[-1].body["model"] == "other"
    assert "temperature" not in provider.requests[-1].body
    page.settle()
    page.click("set", model="openai-chat/third")
    page.click("save_edit", id=page.ids[0], text="Uno")
    page.panel.chat.wait()
    assert provider.requests[-1].body["model"] == "third"


def test_an_edit_of_what_was_deleted_is_refused_whatever_was_chosen(
    page: Page, provider: Provider
) -> None:
    page.say("One")
    deleted = page.ids[0]
    page.click("set", model="openai-chat/other")
    page.click("delete", id=deleted)
    page.click("save_edit", id=deleted, text="Uno")
    assert "restore() it first" in page.answers[-1]["refused"]
    assert len(provider.requests) == 1


def test_a_model_that_takes_other_options_is_asked_without_those_it_lacks(page: Page) -> None:
    page.click("set", options={"seed": 3, "temperature": 0.5})
    page.click("set", model="anthropic/claude")
    assert page.shown["chat"]["options"]["temperature"] == 0.5
    assert "seed" not in page.shown["chat"]["choices"]
    assert "seed" in page.shown["notice"]["text"]
    page.click("set", model="openai-chat/test")  # whose key and address are known
    assert page.panel.chat.model.base_url.startswith("http://127.0.0.1")


def test_what_cannot_be_chosen_is_refused_and_changes_nothing(page: Page) -> None:
    page.click("set", model="nobody/nothing")
    assert "nobody" in page.answers[-1]["refused"]
    page.click("set", options={"temperature": "hot"})
    assert "temperature" in page.answers[-1]["refused"]
    assert page.shown["chat"]["model"] == "openai-chat/test"
    assert page.shown["chat"]["options"]["temperature"] is None


def test_the_models_to_choose_from_are_those_that_can_be_asked_now(
    chat: Chat, model: Model, monkeypatch: pytest.MonkeyPatch, cells: Cells
) -> None:
    for variable in ("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN"):
        monkeypatch.delenv(variable, raising=False)
    headers = {"a": "openai/gpt", "b": "anthropic/claude", "c": "ollama/qwen"}
    row = Node(Message(id="q", role="user", parts=(TextPart("?"),)), None).row()
    for id, name in headers.items():
        engines.get_engine().run(chat.store.append(id, [row], header={"model": name}))
    monkeypatch.setenv("ANTHROPIC_API_KEY", "k")
    with opened(chat) as page:
        first, *others = page.shown["chat"]["models"]
    assert first == "openai-chat/test"
    assert {"anthropic/claude", "ollama/qwen", "local/smollm2"} <= set(others)
    assert "openai/gpt" not in others


# -- other chats --


def test_the_stored_chats_are_listed_opened_named_and_deleted(
    chat: Chat, model: Model, page: Page
) -> None:
    Chat("other", model=model, system="As a pirate.").ask("Elsewhere")
    page.say("One")
    assert page.shown.get("chats") is None
    page.click("chats")
    assert {each["id"]: each["current"] for each in page.shown["chats"]} == {
        "trip": True,
        "other": False,
    }
    page.click("open", chat="other")
    assert page.texts == ["Elsewhere", "Answer to: Elsewhere"]
    assert page.panel.chat.id == page.shown["chat"]["id"] == "other"
    assert page.shown["chat"]["system"] == "As a pirate."
    assert [each["id"] for each in page.shown["chats"] if each["current"]] == ["other"]
    page.say("More")
    page.click("rename", chat="other", title="Pirates")
    assert page.shown["chat"]["title"] == "Pirates"
    page.click("rename", chat="trip", title="Lisbon")
    assert {each["title"] for each in page.shown["chats"]} == {"Pirates", "Lisbon"}
    page.click("delete_chat", chat="trip")
    assert [each["id"] for each in page.shown["chats"]] == ["other"]
    page.click("delete_chat", chat="other")
    assert page.texts == []
    page.say("Anew")
    assert page.texts == ["Anew", "Answer to: Anew"]
    assert page.is_whole()


def test_a_new_chat_has_the_name_it_is_given_and_another_id_than_those_there_are(
    page: Page,
) -> None:
    page.say("One")
    page.click("new_chat", title="trip")
    assert page.texts == []
    assert page.panel.chat.id == "trip 2"
    page.say("Two")
    assert page.shown["chat"]["title"] == "trip"
    page.click("new_chat", title="a/b")
    assert page.panel.chat.id == "a b"
    page.click("new_chat")
    assert page.panel.chat.id.startswith("chat 20")


def test_of_the_chat_that_was_shown_before_nothing_is_told(chat: Chat, page: Page) -> None:
    page.say("One")
    page.click("new_chat", title="next")
    page.heard.clear()
    chat.ask("Two")
    page.settle()
    assert page.heard == []


def test_more_of_a_chat_that_is_not_shown_any_more_is_not_shown_either(chat: Chat) -> None:
    stored(chat, 100)
    with opened(chat) as page:
        before = page.panel._stage.live
        page.click("new_chat", title="next")
        page.heard.clear()
        before.earlier()
        page.settle()
        assert page.heard == []


# -- looking for something --


def said(id: str, text: str) -> Message:
    return Message(id=id, role="user", parts=(TextPart(text),))


def test_words_are_found_whatever_their_case_and_accents() -> None:
    messages = [
        said("a", "<i>A cafés\nin <b>Lisbon"),
        said("b", "nothing"),
        said("c", "CAFE\u0301S too"),
    ]
    found = finding.search(messages, " Cafes ")
    assert found["total"] == 2
    newest, oldest = found["hits"]
    assert (newest["id"], oldest["id"]) == ("c", "a")
    assert oldest["html"] == "&lt;i&gt;A <mark>cafés</mark> in &lt;b&gt;Lisbon"
    assert newest["html"] == "<mark>CAFE\u0301S</mark> too"


@given(st.text(max_size=30), st.text(max_size=4))
def test_what_is_found_is_shown_safely_whatever_it_is(text: str, query: str) -> None:
    for hit in finding.search([said("a", text)], query)["hits"]:
        inside = hit["html"].replace("<mark>", "").replace("</mark>", "")
        assert "<" not in inside


def test_many_hits_are_counted_and_the_newest_shown(chat: Chat) -> None:
    ids = stored(chat, 200, "the same word {}" + " and so on" * 50)
    with opened(chat) as page:
        page.click("search", query="WORD")
        found = page.shown["found"]
        assert (found["total"], len(found["hits"])) == (200, 50)
        assert found["hits"][0]["id"] == ids[-1]
        assert found["hits"][0]["html"].endswith("…")
        page.click("close_search")
        assert page.shown["found"] is None


# -- whatever happens --

ACTIONS = (
    "send", "cell", "regenerate", "edit", "switch", "delete", "undo", "clear", "rename",
    "earlier", "search", "set", "open", "attach", "late", "stop", "fail",
)  # fmt: skip


@settings(
    max_examples=50,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(st.lists(st.tuples(st.sampled_from(ACTIONS), st.integers(0, 5)), max_size=20))
def test_whatever_happens_what_was_told_adds_up_to_what_is_shown(
    provider: Provider, tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, int]]
) -> None:
    model = get_model("openai-chat/test", base_url=provider.url, api_key="k")
    chat = Chat("trip", model=model, store=tmp_path_factory.mktemp("store"))
    with opened(chat) as page:
        for what, number in steps:
            act(page, chat, provider, what, number)
        page.panel.chat.stop()
        page.panel.chat.wait()
        page.settle()
        assert page.is_whole()
        path = page.panel.chat.messages
        assert page.ids == [message.id for message in path][-len(page.ids) :]
        assert len(page.ids) + page.shown["chat"]["earlier"] == len(path)


def act(page: Page, chat: Chat, provider: Provider, what: str, number: int) -> None:
    ids = page.ids
    id = ids[number % len(ids)] if ids else ""
    match what:
        case "send":
            page.click("send", text=f"Say *{number}*\n\n- a\n- b")
        case "cell":
            chat.send(f"Cell {number}")
        case "edit" if id:
            page.click("save_edit", id=id, text=f"Other {number}")
        case "late":
            page.say(f"Late {number}")
        case "fail":
            provider.refuse(400, {"error": {"message": "no"}})
            page.say("fail")
        case "undo" if page.shown["notice"]:
            page.click("undo", notice=page.shown["notice"]["id"])
        case "rename":
            page.click("rename", chat=page.panel.chat.id, title=f"T{number}")
        case "search":
            page.click("search", query=str(number))
        case "set":
            page.click("set", options={"temperature": number / 10})
        case "open":
            page.click("open", chat="trip" if number % 2 else "other")
        case "attach":
            page.click("attach", b"text", name=f"{number}.txt", type="")
        case "regenerate" | "delete" | "switch" if id:
            page.click(what, id=id, to=number)
        case "stop" | "clear" | "earlier":
            page.click(what)


# -- what is left behind --


def test_a_closed_panel_leaves_nothing_behind(chat: Chat, provider: Provider) -> None:
    record = chat._conversation.record
    provider.answer("one two", gated=True).release(1)
    panel = open_panel(chat, height="1px")
    panel._hear(panel, {"do": "send", "click": 1, "text": "Hi"}, [])
    until(lambda: bool(chat._conversation.live()))
    [feed] = chat._conversation.live()
    until(lambda: bool(feed._watchers))
    ours = weakref.ref(panel), weakref.ref(panel._stage.live), weakref.ref(panel.chat)
    panel.close()
    engines.get_engine().run(asyncio.sleep(0.1))
    assert record._observers == []
    assert feed._watchers == []
    del panel
    gc.collect()
    assert [each() for each in ours] == [None, None, None]
    chat.stop()
    chat.wait()


def test_a_panel_whose_comm_the_browser_closes_is_over(chat: Chat) -> None:
    panel = open_panel(chat, height="1px")
    panel.comm.handle_close({})
    engines.get_engine().run(asyncio.sleep(0))
    assert chat._conversation.record._observers == []
    assert panel.comm is None


# -- what a notebook keeps --


class Output:
    """An output of a cell: all that it showed."""

    def __init__(self) -> None:
        self.shown: list[Json] = []

    def put(self, bundle: Json) -> None:
        self.shown.append(bundle)


def test_a_notebook_keeps_the_conversation_and_is_told_only_of_changes(
    page: Page, monkeypatch: pytest.MonkeyPatch, provider: Provider
) -> None:
    monkeypatch.setattr(cell, "PACE", 0.0)
    output = Output()
    page.panel.keep("a", output)  # type: ignore[arg-type]
    until(lambda: len(output.shown) == 1)
    page.say("<b>One</b>")
    [keeper] = page.panel._keepers.values()
    until(lambda: "Answer to" in str(output.shown[-1]) and not keeper._behind and not keeper._busy)
    kept = output.shown[-1]["text/html"]
    assert page.panel.live in kept
    assert "<b>One" not in kept
    count = len(output.shown)
    page.settle()
    page.click("search", query="one")
    engines.get_engine().run(asyncio.sleep(0.05))
    assert len(output.shown) == count


def test_while_an_answer_grows_what_is_kept_is_told_in_proportion(
    chat: Chat, page: Page, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cell, "PACE", 0.0)
    output = Output()
    message = Message(id="x", role="assistant", status="streaming")
    follow(chat, type("Writer", (), {"is_at_work": True})(), message)
    page.settle()
    keeper = cell.Keeper(page.panel._stage, "mark", output)  # type: ignore[arg-type]
    text = "word " * 20

    async def grow() -> None:
        for _ in range(200):
            keeper.note({"changes": [["x", 0, "text", 0, 0, [text]]]})
            while keeper._busy:
                await asyncio.sleep(0)

    monkeypatch.setattr(keeper, "_html", lambda: "x" * 4000)
    engines.get_engine().run(grow())
    assert 5 <= len(output.shown) <= 25


def test_a_panel_that_is_shown_nowhere_any_more_is_closed(page: Page) -> None:
    first, second = Output(), Output()
    page.panel.keep("a", first)  # type: ignore[arg-type]
    page.panel.keep("b", second)  # type: ignore[arg-type]
    page.panel.leave("a")
    assert page.panel.comm is not None
    page.panel.leave("b")
    assert page.panel.comm is None
