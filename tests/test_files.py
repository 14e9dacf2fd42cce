"""What people hand over as files: each kind as a part, kept, sent as it is, and found again."""

from __future__ import annotations

import base64
import io
import os
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
import polars as pl
import pytest
from matplotlib.figure import Figure
from matplotlib.gridspec import GridSpec
from PIL import Image

from chatkit import Chat, FilePart, MessageError, Reply, TextPart, conversation
from chatkit.files import LARGEST, LARGEST_TEXT, as_parts
from chatkit.files.tables import BUDGET
from chatkit.providers import Model
from tests.conftest import Cells
from tests.servers import Provider
from tests.storing import run

GIF = b"GIF89a\x01\x00\x01\x00\x00\x00\x00;"


def part(value: Any) -> Any:
    """The one part of one file."""
    [found] = as_parts(value)
    return found


def content(file: FilePart) -> bytes:
    """The bytes of a file's `data:` URL, which must say its type."""
    head, _, text = file.url.partition(",")
    assert head == f"data:{file.media_type};base64"
    return base64.b64decode(text, validate=True)


def image(file: FilePart) -> Image.Image:
    return Image.open(io.BytesIO(content(file)))


def plotted() -> Figure:
    figure = Figure()
    figure.add_subplot().plot([1, 3, 2])
    return figure


# -- paths, bytes and URLs --


@pytest.mark.parametrize(
    ("name", "begins", "kind"),
    [
        ("a.png", b"\x89PNG\r\n\x1a\n\0", "image/png"),
        ("a.jpg", b"\xff\xd8\xff\xe0", "image/jpeg"),
        ("a.gif", GIF, "image/gif"),
        ("a.webp", b"RIFF\x10\0\0\0WEBPVP8 ", "image/webp"),
        ("a.pdf", b"%PDF-1.7\n%\xe2\xe3", "application/pdf"),
        ("a.wav", b"RIFF\x10\0\0\0WAVEfmt ", "audio/wav"),
        ("a.mp3", b"ID3\x04\0\0\0", "audio/mpeg"),
        ("a.mp3", b"\xff\xfb\x90\x44", "audio/mpeg"),
        ("a.mp4", b"\0\0\0\x18ftypmp42\0\0", "video/mp4"),
        ("a.zip", b"PK\x03\x04\xff\xff", "application/zip"),
        ("a", b"\xfe\xff\0\xfe", "application/octet-stream"),
    ],
)
def test_a_binary_file_is_sent_as_it_is_under_the_type_of_its_content(
    tmp_path: Path, name: str, begins: bytes, kind: str
) -> None:
    data = begins + bytes(range(256)) * 9
    (tmp_path / name).write_bytes(data)
    (tmp_path / "misnamed.txt").write_bytes(data)
    file = part(tmp_path / name)
    assert (file.media_type, file.filename, content(file)) == (kind, name, data)
    assert part(str(tmp_path / name)) == file
    if name not in ("a", "a.zip"):  # whose type only the name tells
        assert part(tmp_path / "misnamed.txt").media_type == kind
        for given in (data, bytearray(data), memoryview(data)):
            assert part(given) == FilePart(kind, file.url)


@pytest.mark.parametrize(
    ("name", "text", "language"),
    [
        ("code.py", "print('hé')\r\n", "py"),
        ("data.csv", "a,b\n1,2\n", "csv"),
        ("notes.md", "# Hi\n```\ncode\n```\n", "md"),
        ("Makefile", "all:\n", ""),
        ("odd.a b`<", "x", ""),
        ("drawing.svg", "<svg xmlns='http://www.w3.org/2000/svg'/>", "svg"),
    ],
)
def test_a_file_of_text_is_text_in_a_fence_under_its_name(
    tmp_path: Path, name: str, text: str, language: str
) -> None:
    (tmp_path / name).write_bytes(b"\xef\xbb\xbf" + text.encode())
    said = part(tmp_path / name)
    assert isinstance(said, TextPart)
    ticks = "````" if "```" in text else "```"
    heading = f"`{name.replace('`', chr(39))}`:"
    assert said.text == f"\n\n{heading}\n\n{ticks}{language}\n{text.rstrip()}\n{ticks}\n"
    assert text.rstrip() in part(text.encode()).text


def test_paths_may_begin_at_home_or_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.gif").write_bytes(GIF)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    assert part("~/a.gif") == part("a.gif") == FilePart("image/gif", part(GIF).url, "a.gif")
    assert as_parts(tmp_path.glob("*.gif")) == as_parts([Path("a.gif")])
    odd = os.fsdecode(b"\xff.gif")
    (tmp_path / odd).write_bytes(GIF)
    assert part(odd).filename == "\ufffd.gif"


@pytest.mark.parametrize(
    ("url", "kind", "name"),
    [
        ("https://example.org/a%20b.png?size=1", "image/png", "a b.png"),
        ("HTTP://example.org/paper.PDF", "application/pdf", "paper.PDF"),
        ("https://example.org/a.webp", "image/webp", "a.webp"),
        ("https://example.org/photos/17", "image/*", "17"),
        ("https://example.org", "image/*", None),
    ],
)
def test_a_url_is_kept_and_not_fetched(url: str, kind: str, name: str | None) -> None:
    assert part(url) == FilePart(kind, url, name)


def test_parts_and_their_json_pass_through_in_their_order() -> None:
    file, text = FilePart("image/png", "https://example.org/a"), TextPart("b")
    json = {"type": "file", "mediaType": "image/png", "url": "https://example.org/a"}
    assert as_parts([file, text, json]) == [file, text, file]
    assert as_parts((GIF, file)) == [part(GIF), file]
    assert as_parts(()) == as_parts([]) == []


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ("no.png", r"no file 'no.png' in '.*/here'"),
        ("no/such.png", r"no file 'such.png' in '.*/here/no'"),
        ("empty", "'empty' is empty"),
        ("latin.txt", "'latin.txt' is text, but not in UTF-8"),
        (".", "is a directory: give the files in it"),
        ("pipe", "'pipe' is a device or a pipe"),
        ("x" * 5000, "cannot be read as a file"),
        ("a\0b", "cannot be read as a file"),
        ("empty/x", "cannot be read as a file"),
        ("https://[x", "no URL"),
        (b"", "the file is empty"),
        (7, "a int cannot be sent as a file: files takes paths, URLs"),
        (object, "a type cannot be sent"),
        (None, "a NoneType cannot be sent"),
        ([[GIF]], "a list cannot be sent"),
        ({"type": "image"}, "'image' is no file"),
        ({"a": 1}, "a part is an object with a type"),
    ],
)
def test_what_is_no_file_is_refused_in_words_that_help(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wrong: Any, says: str
) -> None:
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    (here / "empty").touch()
    (here / "latin.txt").write_bytes("né".encode("latin-1"))
    os.mkfifo(here / "pipe")
    with pytest.raises(MessageError, match=says) as caught:
        as_parts(wrong)
    assert len(str(caught.value)) < 500


def test_a_file_that_no_provider_takes_is_refused_before_it_is_read(tmp_path: Path) -> None:
    with (tmp_path / "big.mp4").open("wb") as file:
        file.truncate(LARGEST + 1)
    with pytest.raises(MessageError, match=r"'big.mp4' has 20\.0 MB.* 20 MB: .*URL"):
        as_parts(tmp_path / "big.mp4")
    with pytest.raises(MessageError, match="the file has 20"):
        as_parts(b"\0" * (LARGEST + 1))
    (tmp_path / "long.csv").write_text("1,2\n" * (LARGEST_TEXT // 4 + 1))
    with pytest.raises(MessageError, match=r"'long.csv' has 2\.0 MB of text.*DataFrame"):
        as_parts(tmp_path / "long.csv")


# -- images and figures --


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "F", "I", "I;16"])
def test_an_image_in_memory_is_a_png(mode: str) -> None:
    picture = Image.new(mode, (30, 20), 0)
    file = part(picture)
    assert (file.media_type, image(file).size) == ("image/png", (30, 20))
    assert part(Image.new(mode, (30, 20), 0)) == file


def test_an_image_opened_from_a_jpeg_stays_one_upright_and_without_its_exif() -> None:
    out = io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = 6  # lies on its side
    exif[0x010F] = "a camera"
    Image.new("RGB", (30, 20), "red").save(out, "JPEG", exif=exif)
    file = part(Image.open(out))
    assert (file.media_type, image(file).size) == ("image/jpeg", (20, 30))
    assert b"a camera" not in content(file)
    see_through = Image.open(out)
    see_through.putalpha(7)
    file = part(see_through)
    assert (file.media_type, image(file).mode) == ("image/png", "RGBA")
    assert b"a camera" not in content(file)


def test_a_figure_is_a_png_with_the_same_bytes_each_time_it_is_drawn() -> None:
    import matplotlib.pyplot as plt

    figure = plotted()
    file = part(figure)
    assert file.media_type == "image/png"
    assert image(file).width > 500
    assert b"Software" not in content(file)
    assert part(figure) == part(plotted()) == file
    for within in (figure.axes[0], type("Grid", (), {"figure": figure})()):
        assert part(within) == file
    half = Figure().add_subfigure(GridSpec(1, 2)[0])
    assert part(half.subplots()).media_type == "image/png"
    assert plt.get_fignums() == []
    assert mpl.rcParams["figure.dpi"] == figure.dpi


class Shows:
    """Something that a notebook would show."""

    def __init__(self, **shown: Any) -> None:
        for name, value in shown.items():
            setattr(self, f"_repr_{name}_", lambda value=value: value)


@pytest.mark.parametrize(
    "shown",
    [
        {"png": GIF},
        {"png": (GIF, {"width": 1})},
        {"png": base64.b64encode(GIF).decode()},
        {"png": None, "jpeg": GIF},
        {"mimebundle": {"image/png": GIF, "text/plain": "a"}},
        {"png": None, "mimebundle": ({"image/png": base64.b64encode(GIF).decode()}, {})},
    ],
)
def test_what_shows_itself_as_an_image_is_one(shown: Any) -> None:
    assert part(Shows(**shown)) == part(GIF)


@pytest.mark.parametrize("shown", [{}, {"png": None}, {"mimebundle": {"text/html": "a"}}])
def test_what_shows_itself_otherwise_is_refused(shown: Any) -> None:
    with pytest.raises(MessageError, match="Shows cannot be sent as a file"):
        part(Shows(**shown))


# -- tables --


def test_a_small_table_is_all_there_as_csv() -> None:
    frame = pd.DataFrame({"city": ["Lisbon", 'a "b"\nc'], "hills": [7, 2], "far": [0.5, np.nan]})
    said = part(frame).text
    assert "A pandas DataFrame, 2 rows × 3 columns: city " in said
    assert "hills int64, far float64" in said
    assert '```csv\ncity,hills,far\nLisbon,7,0.5\n"a ""b""\nc",2,\n```' in said
    assert "left out" not in said
    assert part(pd.Series([1, 2], name="n")).text.endswith("```csv\nn\n1\n2\n```\n")


def test_a_table_of_polars_is_told_alike() -> None:
    said = part(pl.DataFrame({"n": [1, None], "s": ["x", "y,z"]})).text
    assert "A polars DataFrame, 2 rows × 2 columns: n Int64, s String" in said
    assert said.endswith('```csv\nn,s\n1,x\n,"y,z"\n```\n')
    assert part(pl.Series("n", [1, 2])).text.endswith("```csv\nn\n1\n2\n```\n")
    long = part(pl.DataFrame({f"c{number}": range(10_000) for number in range(100)})).text
    assert "rows and 40 columns in the middle are left out" in long
    assert long.rstrip("`\n").rpartition("\n")[2].startswith("9999,9999")
    assert len(long) <= BUDGET


def test_an_index_that_says_something_is_there_too() -> None:
    frame = pd.DataFrame({"n": [1, 2]}, index=pd.Index(["x", "y"], name="id"))
    assert "```csv\nid,n\nx,1\ny,2\n```" in part(frame).text
    levels = pd.MultiIndex.from_tuples([("x", 1), ("y", 2)], names=["a", None])
    assert "```csv\na,index,n\nx,1,1\ny,2,2\n```" in part(frame.set_axis(levels)).text


@pytest.mark.parametrize(
    ("rows", "columns", "value"),
    [
        (1_000_000, 3, 7),
        (3, 5_000, 0.123456789),
        (100_000, 200, "word"),
        (50, 2, "long " * 9_000),
        (50, 60, '"' * 500),
        (0, 3, 0),
    ],
)
def test_a_large_table_is_cut_in_the_middle_within_the_budget(
    rows: int, columns: int, value: Any
) -> None:
    names = [f"column {number}" for number in range(columns)]
    frame = pd.DataFrame(value, index=range(rows), columns=names)
    said = part(frame).text
    assert len(said) <= BUDGET
    assert f"{rows:,} rows × {columns:,} columns" in said
    assert "column 0" in said
    assert names[-1] in said
    assert ("left out" in said) == (rows > 0)


def test_the_first_and_the_last_rows_and_columns_are_there_and_the_cut_is_counted() -> None:
    frame = pd.DataFrame({f"c{column}": range(10_000) for column in range(100)})
    said = part(frame).text
    body = said.partition("```csv\n")[2].splitlines()
    gap = next(number for number, line in enumerate(body) if line.startswith("…"))
    first, last = body[1:gap], body[gap + 1 : -1]
    assert body[0] == ",".join(f"c{n}" for n in (*range(30), *range(70, 100)))
    assert [line.split(",")[0] for line in first] == [str(n) for n in range(len(first))]
    assert [line.split(",")[0] for line in last] == [
        str(10_000 - n) for n in range(len(last), 0, -1)
    ]
    assert body[gap] == f"… {10_000 - len(first) - len(last):,} rows left out …"
    assert f"{10_000 - len(first) - len(last):,} rows and 40 columns in the middle are left" in said
    assert len(said) > 0.9 * BUDGET


# -- in a chat --


def asked(provider: Provider, number: int = -1) -> Any:
    return provider.requests[number].body["messages"][-1]["content"]


def restarted(model: Model) -> Chat:
    conversation._conversations.clear()
    return Chat("trip", model=model)


def test_an_image_arrives_as_it_is_and_is_there_again(
    provider: Provider, model: Model, tmp_path: Path
) -> None:
    data = b"\x89PNG\r\n\x1a\n" + os.urandom(5000)
    (tmp_path / "map.png").write_bytes(data)
    provider.answer("A map.")
    chat = Chat("trip", model=model)
    chat.ask("What is it?", files=tmp_path / "map.png")
    text, sent = asked(provider)
    assert text == {"type": "text", "text": "What is it?"}
    assert base64.b64decode(sent["image_url"]["url"].partition(",")[2]) == data
    run(chat.store.close())
    again = restarted(model)
    assert again.messages[0].parts == chat.messages[0].parts
    [_, file] = again.messages[0].parts
    assert isinstance(file, FilePart)
    assert content(file) == data
    assert again.ask("What is it?", files=[tmp_path / "map.png"]).text == "A map."
    assert len(provider.requests) == 1
    again.ask("And there?")
    sent = provider.requests[1].body["messages"][0]["content"][1]
    assert base64.b64decode(sent["image_url"]["url"].partition(",")[2]) == data


def test_files_may_go_without_a_word_and_texts_stand_apart(
    provider: Provider, model: Model
) -> None:
    provider.answer("A dot.")
    chat = Chat("trip", model=model)
    chat.ask("", files=GIF)
    assert [each["type"] for each in asked(provider)] == ["image_url"]
    assert chat.messages[0].text == ""
    chat.ask("Look:", files=[b"one", b"two"])
    assert chat.messages[2].text == "Look:\n\n```\none\n```\n\n\n```\ntwo\n```\n"
    with pytest.raises(MessageError, match="nothing to send"):
        chat.send("", files=[])
    with pytest.raises(MessageError, match="no file"):
        chat.send("Look:", files="no.png")
    assert len(chat.messages) == 4


def test_a_cell_that_makes_its_files_again_finds_its_answer(
    provider: Provider, model: Model, cells: Cells
) -> None:
    def send(high: int) -> Reply:
        frame = pd.DataFrame({"n": [1, high]})
        figure = Figure()
        figure.add_subplot().plot(frame["n"])
        with cells("1"):
            files = [frame, figure, Image.new("RGB", (3, 3))]
            return Chat("trip", model=model).ask("What grows?", files=files)

    provider.answer("n")
    provider.answer("n, more")
    first = send(2)
    conversation._conversations.clear()
    assert send(2).id == first.id
    assert send(3).id != first.id
    assert len(provider.requests) == 2


def test_a_message_is_edited_with_other_files(provider: Provider, model: Model) -> None:
    provider.answer("A dot.")
    provider.answer("Another.")
    chat = Chat("trip", model=model)
    chat.ask("What?", files=GIF)
    chat.edit(chat.messages[0], "What?", files=GIF + b"2").wait()
    assert [len(each.parts) for each in chat.branches(chat.messages[0])] == [2, 2]
    assert len(provider.requests) == 2
