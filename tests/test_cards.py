"""How chats, messages and tables show themselves: readable, short, and inert."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path

import pytest

from chatkit import Chat, FilePart, Message, TextPart, ToolPart, chats, open_store
from chatkit.cards import Cell, ago, message_card, table_card, text_table
from chatkit.listing import ChatInfo, ChatList, Writer
from chatkit.providers import Model
from chatkit.stores.redis import RedisStore
from tests.servers import Provider

EVIL = '<script>alert(1)</script><img src=x onerror="alert(1)">"\'</table></div>\x1b[31m\u202e'
NOW = datetime(2026, 11, 22, 18, 0, tzinfo=UTC)


class Tags(HTMLParser):
    """The elements of a page, and every attribute that could do something."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.names: list[str] = []
        self.acts: list[str] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.append(tag)
        self.acts += [name for name, _ in attrs if name.startswith("on") or name == "src"]

    def handle_data(self, data: str) -> None:
        self.text += data


def assert_inert(html: str) -> None:
    shown = Tags(html)
    assert {"script", "img", "iframe", "svg", "object", "link", "form"} & set(shown.names) == set()
    assert shown.acts == []


def infos(count: int, **fields: object) -> ChatList:
    known = {"title": "How it began", "model": "openai/gpt", "created_at": NOW, "updated_at": NOW}
    made = [ChatInfo(id=f"chat-{n}", **{**known, **fields}) for n in range(count)]  # type: ignore[arg-type]
    return ChatList(made, "/home/me/.chatkit")


def test_a_message_is_told_in_one_line() -> None:
    parts = (
        TextPart("Three days in Lisbon?\n" * 5),
        FilePart("image/png", "data:image/png;base64," + "A" * 10_000),
        ToolPart("f", "1", "output-available"),
        ToolPart("f", "2", "output-available"),
    )
    message = Message(id="a", role="user", parts=parts)
    told = repr(message)
    assert told.startswith("<Message user complete 'Three days in Lisbon?\\nThree")
    assert told.endswith("...' (1 file, 2 tool calls)>")
    assert (
        repr(Message(id="a", role="assistant", status="queued")) == "<Message assistant queued ''>"
    )
    assert repr(parts[1]) == f"<FilePart image/png {'data:image/png;base64,' + 'A' * 35 + '...'!r}>"


def test_a_message_shows_who_said_it_what_and_how_it_ended() -> None:
    metadata = {
        "model": "openai/gpt",
        "usage": {"inputTokens": 10, "outputTokens": 20},
        "cost": 0.5,
    }
    message = Message(
        id="a",
        role="assistant",
        parts=(TextPart("Go **now**"),),
        status="stopped",
        metadata=metadata,
    )
    html = message._repr_html_()
    assert html == message_card(message)
    assert "<strong>now</strong>" in html
    assert "stopped · openai/gpt · 10 → 20 tokens · $0.5" in html


def test_a_chat_shows_what_it_is_and_its_last_messages(model: Model, provider: Provider) -> None:
    chat = Chat("trip", model=model)
    for number in range(12):
        chat.ask(f"Question {number} <b>?")
    assert repr(chat) == "<Chat 'trip' openai-chat/test, 24 messages, ready>"
    html = chat._repr_html_()
    assert "Question 0 &lt;b&gt;?" in html  # its title
    assert "trip · openai-chat/test · 24 messages · ready · 120 → " in html
    assert "… 20 earlier messages" in html
    assert "Question 9" not in html
    assert "Question 10 &lt;b&gt;?" in html
    assert_inert(html)


def test_a_chat_in_which_nothing_was_said_shows_itself_too(model: Model) -> None:
    chat = Chat("trip", model=model)
    assert repr(chat) == "<Chat 'trip' openai-chat/test, 0 messages, ready>"
    assert "0 messages · ready" in chat._repr_html_()


def test_a_card_of_a_chat_with_huge_messages_stays_small(model: Model, provider: Provider) -> None:
    chat = Chat("trip", model=model)
    provider.answer(tokens=["word " * 100_000])
    chat.ask("x " * 100_000, files=b"\x89PNG\r\n\x1a\n" + bytes(3_000_000))
    assert len(chat._repr_html_()) < 60_000
    assert (
        "495,999 characters more" in chat._repr_html_() or "characters more" in chat._repr_html_()
    )


def test_what_anybody_says_does_nothing(model: Model, provider: Provider) -> None:
    provider.answer(EVIL)
    chat = Chat("trip", model=model)
    chat.ask(EVIL)
    for html in (chat._repr_html_(), *(each._repr_html_() for each in chat.messages)):
        assert_inert(html)
        assert "<script>alert(1)</script>" in Tags(html).text
    listed = infos(1, title=EVIL, model=EVIL)
    assert_inert(listed._repr_html_())
    assert_inert(table_card(EVIL, [EVIL], [[Cell(EVIL, EVIL), Cell(EVIL, is_code=True)]], EVIL))
    assert "\x1b" not in listed._repr_html_() + repr(listed) + repr(chat) + repr(chat.messages[1])
    assert len(repr(listed).splitlines()) == 3


def test_chats_are_a_list_that_shows_itself_as_a_table(model: Model, provider: Provider) -> None:
    Chat("trip", model=model).ask("Three days in Lisbon?")
    Chat("food", model=model).ask("What is bacalhau?")
    listed = chats()
    assert isinstance(listed, list)
    assert [info.id for info in listed] == ["food", "trip"]
    title, head, food, _ = repr(listed).splitlines()
    assert title == f"2 chats in {listed.location}"
    assert head.split() == ["chat", "title", "model", "updated"]
    assert food.split() == ["food", "What", "is", "bacalhau?", "openai-chat/test", "just", "now"]
    assert_inert(listed._repr_html_())
    assert f'title="{datetime.now():%Y-%m-%d}' in listed._repr_html_()


def test_who_writes_now_is_a_column_where_somebody_does() -> None:
    writer = Writer("host", 7, True, None)
    assert "writes now" not in repr(infos(1))
    listed = infos(1, writers=(writer,))
    assert repr(listed).splitlines()[1].endswith("writes now")
    assert "worker 7 on host" in repr(listed)
    assert "<td>worker 7 on host</td>" in listed._repr_html_()


def test_no_chats_and_many_are_readable(tmp_path: Path) -> None:
    assert repr(chats(tmp_path / "none")) == f"No chats in {tmp_path / 'none'}"
    assert "No chats in" in chats(tmp_path / "none")._repr_html_()
    many = infos(500)
    assert len(repr(many).splitlines()) == 23
    assert repr(many).endswith("… and 480 more")
    assert many._repr_html_().count("<tr>") == 21
    assert "… and 480 more" in many._repr_html_()


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        (-5, "just now"),
        (59, "just now"),
        (60, "1 minute ago"),
        (7_300, "2 hours ago"),
        (6 * 86_400, "6 days ago"),
        (40 * 86_400, "2026-10-13"),
    ],
)
def test_how_long_ago_is_told_as_people_say_it(seconds: int, told: str) -> None:
    assert ago(NOW - timedelta(seconds=seconds), NOW) == told


def test_columns_of_a_text_table_stand_below_each_other() -> None:
    table = text_table(("a", "b"), [("one\ntwo", "x"), ("y" * 60, "z")], widest=10)
    assert table.splitlines() == ["a           b", "one two     x", "yyyyyyyyy…  z"]


def test_a_store_says_what_and_where_it_is(tmp_path: Path) -> None:
    assert repr(open_store(tmp_path)) == f"<DiskStore {str(tmp_path)!r}>"
    assert repr(RedisStore("redis://me:pa55@host:6379/0")) == "<RedisStore 'redis://host:6379/0'>"
