"""`%%chat`, in an IPython shell of the test's own and in real kernels."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from IPython.core.completer import provisionalcompleter
from IPython.core.error import UsageError
from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config

from chatkit import Chat, Reply, chats, load_ipython_extension, unload_ipython_extension
from chatkit.errors import ConfigError
from chatkit.notebook.fields import fill, value
from chatkit.notebook.line import SWITCHES, VALUES, parse
from chatkit.providers import Model, options
from tests.conftest import Cells
from tests.kernels import Cell, Kernel
from tests.servers import Provider

Ask = Callable[..., Reply]


@pytest.fixture
def shell(cells: Cells, model: Model, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A shell with the extension, and `model` among its variables."""
    monkeypatch.delenv("VIRTUAL_ENV", raising=False)  # it would warn that this is another one
    make: Any = InteractiveShell  # untyped, as its methods are
    shell = make(config=Config({"HistoryManager": {"enabled": False}}))
    load_ipython_extension(shell)
    shell.user_ns["model"] = model
    yield shell
    shell.restore_sys_module_state()


@pytest.fixture
def ask(shell: Any, cells: Cells) -> Ask:
    """Run a `%%chat` cell of this id to the end of its answer."""

    def ask(cell: str, line: str, prompt: str) -> Reply:
        with cells(cell):
            reply: Reply = shell.run_cell_magic("chat", line, prompt)
        return reply.wait()

    return ask


# -- the prompt --

NAMES = {
    "name": "Lisbon",
    "x": 3.14159,
    "items": ["a", "b"],
    "table": SimpleNamespace(shape=(3, 4)),
    "prices": {"tea": 2},
    "a": 1,
    "n": 7,
}


@pytest.mark.parametrize(
    ("text", "sent"),
    [
        ("In {name}.", "In Lisbon."),
        ("{x:.2f} and {name!r:>9}", "3.14 and  'Lisbon'"),
        ("{table.shape}, {items[1]}, {prices[tea]}", "(3, 4), b, 2"),
        ("report_{n}.csv", "report_7.csv"),
        ("{{name}} {{x:.2f}}", "{name} {x:.2f}"),
        ("```\n{name}\n```", "```\nLisbon\n```"),
        ("costs ${a} and ${n}", "costs $1 and $7"),
    ],
)
def test_a_name_in_braces_is_its_value(text: str, sent: str) -> None:
    assert fill(text, NAMES) == sent


@pytest.mark.parametrize(
    "text",
    [
        '{"a": {"b": 1}}',
        "{'a': 1}",
        "{}",
        "{0} { name } {a b} {a + n}",
        "p {color: red} q{color:red}",
        r"\frac{a}{n} \sqrt[n]{a} \mathbf{n}_{a} \sum_{n}^{a}",
        r"$x_{n}$, $e^{a}$, \begin{a} x_{n} \end{a}, \frac{x_{n}}{a}",
        "def f(): return {",
        "}{",
        "{__import__('os').getcwd()}",
        "{undefined()}",
    ],
)
def test_braces_around_no_name_stay_as_they_are(text: str) -> None:
    assert fill(text, NAMES) == text


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("In {nmae}.", "no variable 'nmae'; did you mean 'name'? To send braces as they are"),
        ("{y:.2f}", "no variable 'y'. To send braces as they are, write {{y}}, or %%chat --raw"),
        ("{table.shpe}", "{table.shpe}: AttributeError: "),
        ("{items[5]}", "{items[5]}: IndexError: "),
        ("{prices[milk]}", "{prices[milk]}: KeyError: "),
        ("{name:.2f}", "{name:.2f}: Unknown format code 'f'"),
    ],
)
def test_a_name_that_is_none_is_told_of(text: str, told: str) -> None:
    with pytest.raises(ConfigError) as caught:
        fill(text, NAMES)
    assert told in str(caught.value)


def test_a_name_that_is_a_whole_value_is_the_thing_itself() -> None:
    assert value("{items}", NAMES) is NAMES["items"]
    assert value("{name} {n}", NAMES) == "Lisbon 7"


def test_the_cell_is_the_prompt(ask: Ask, shell: Any, provider: Provider) -> None:
    shell.user_ns["days"] = 3
    reply = ask("a", "trip -m model", "\n{days} days\nin {{x}}?\n")
    assert reply.text == "Answer to: 3 days\nin {x}?"
    assert ask("b", "trip --raw", "{days} days").text == "Answer to: {days} days"


def test_a_reply_in_the_prompt_is_waited_for(shell: Any, cells: Cells, provider: Provider) -> None:
    provider.answer("Alfama Belém Sintra", delay=0.05)
    with cells("a"):
        shell.run_cell_magic("chat", "draft -m model --out draft", "Three days?")
    with cells("b"):
        reply = shell.run_cell_magic("chat", "other -m model", "Shorter: {draft}")
    assert reply.wait().text == "Answer to: Shorter: Alfama Belém Sintra"


def test_half_an_answer_is_no_part_of_a_prompt(
    ask: Ask, provider: Provider, cells: Cells, shell: Any
) -> None:
    provider.answer("Alfama", cut=True)
    ask("a", "draft -m model --out draft", "Three days?")
    with cells("b"), pytest.raises(UsageError, match="'draft' is interrupted, not a whole answer"):
        shell.run_cell_magic("chat", "other -m model", "Shorter: {draft.text}")
    assert len(provider.requests) == 1


# -- the re-run rule --


def test_a_cell_that_is_run_again_asks_nothing_and_a_changed_one_forks(
    ask: Ask, provider: Provider
) -> None:
    first = ask("a", "trip -m model", "Lisbon?")
    ask("b", "trip", "And with children?")
    assert ask("a", "trip -m model", "Lisbon?").id == first.id
    assert len(provider.requests) == 2
    ask("a", "trip -m model", "Porto?")
    assert [message.text for message in Chat("trip").messages] == ["Porto?", "Answer to: Porto?"]
    assert len(Chat("trip").branches(Chat("trip").messages[0])) == 2


def test_fresh_asks_for_another_answer_beside_the_first(ask: Ask, provider: Provider) -> None:
    first = ask("a", "trip -m model", "Lisbon?")
    second = ask("a", "trip -m model --fresh", "Lisbon?")
    assert first.id != second.id
    assert [each.id for each in Chat("trip").branches(second.id)] == [first.id, second.id]


def test_a_changed_option_asks_again_and_goes_to_the_model(ask: Ask, provider: Provider) -> None:
    ask("a", "trip -m model", "Lisbon?")
    line = "trip -m model --temperature 0.5 --max_tokens=9 --stop END --extra '{\"top_k\": 1}'"
    ask("a", line, "Lisbon?")
    body = provider.requests[-1].body
    assert (body["temperature"], body["max_tokens"], body["top_k"]) == (0.5, 9, 1)
    assert body["stop"] in ("END", ["END"])
    assert len(provider.requests) == 2


def test_what_a_later_cell_names_is_not_asked_of_those_before_it(
    ask: Ask, shell: Any, provider: Provider, model: Model
) -> None:
    better = replace(model, name="better")
    cells = [
        ("a", "trip", "Lisbon?"),
        ("b", "trip", "Porto?"),
        ("c", "trip -m better --system 'Be brief.'", "Faro?"),
        ("d", "trip", "Évora?"),
    ]
    shell.user_ns |= {"better": better}
    shell.run_line_magic("chat", "trip -m model")
    for cell in cells:
        ask(*cell)
    asked = [request.body["model"] for request in provider.requests]
    assert asked == ["test", "test", "better", "better"]
    assert "Be brief." in str(provider.requests[-1].body["messages"][0])
    for cell in [cells[1], cells[0], cells[3], cells[2]]:
        ask(*cell)
    unload_ipython_extension(shell)
    load_ipython_extension(shell)  # the magic knows nothing any more, as after a restart
    for cell in cells:
        ask(*cell)
    assert len(provider.requests) == 4


def test_a_changed_model_is_asked_by_the_cells_below_that_name_none(
    ask: Ask, shell: Any, provider: Provider, model: Model
) -> None:
    shell.user_ns["better"] = replace(model, name="better")
    ask("a", "trip -m model", "Lisbon?")
    ask("b", "trip", "Porto?")
    ask("a", "trip -m better", "Lisbon?")
    ask("b", "trip", "Porto?")
    asked = [request.body["model"] for request in provider.requests]
    assert asked == ["test", "test", "better", "better"]
    ask("a", "trip -m model", "Lisbon?")
    ask("b", "trip", "Porto?")
    assert len(provider.requests) == 4


def test_a_chat_that_the_notebook_made_goes_on_with_its_tools_and_keeps_its_model(
    ask: Ask, shell: Any, provider: Provider, model: Model, cells: Cells
) -> None:
    def hills() -> int:
        """How many hills."""
        return 7

    mine = shell.user_ns["mine"] = Chat("trip", model=model, tools=[hills], system="Be brief.")
    with cells("a"):
        mine.ask("Lisbon?")
    ask("b", "trip -s 'Be long.'", "Porto?")
    body = provider.requests[-1].body
    assert [each["function"]["name"] for each in body["tools"]] == ["hills"]
    assert [each["content"] for each in body["messages"]][0::2] == ["Be long.", provider_said(mine)]
    assert mine.system == "Be brief."


def provider_said(chat: Chat) -> str:
    return chat.messages[1].text


def test_tools_schema_and_files_are_variables(ask: Ask, shell: Any, provider: Provider) -> None:
    def hills() -> int:
        """How many hills."""
        return 7

    shell.user_ns |= {"hills": hills, "Count": int, "note": b"The town has seven hills."}
    provider.answer('{"value": 7}')
    reply = ask("a", "trip -m model --tools hills --schema Count --files {note}", "How many?")
    body = provider.requests[-1].body
    assert [each["function"]["name"] for each in body["tools"]] == ["hills"]
    assert reply.object == 7
    assert "seven hills" in str(body["messages"])


# -- the reply, the line --


def test_the_reply_is_the_value_of_the_cell_and_a_variable(shell: Any, cells: Cells) -> None:
    with cells("a"):
        done = shell.run_cell("%%chat trip -m model --out answer --wait\nLisbon?")
    assert isinstance(done.result, Reply)
    assert shell.user_ns["answer"] is done.result
    assert shell.user_ns["_"] is done.result
    assert done.result.status == "complete"


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("trip --temprature 0", "no option --temprature; did you mean --temperature?"),
        ("trip --top_k 1", "no option --top-k"),
        ("trip --system Be brief.", "what is 'brief.'? Below the line stands what to ask"),
        ("trip --system 'Be brief.", "a quotation mark is not closed"),
        ("trip --temperature", "--temperature: expected one argument"),
        ("trip --temperature hot", "temperature is 'hot'; it is a number"),
        ("trip --out 2x", "'2x' cannot name a variable"),
        ("trip --schema Cuont", "no variable 'Cuont'; did you mean 'Count'?"),
        ("trip --model antropic/x", "did you mean 'anthropic/x'?"),
        ("trip --model anthropic/x", "ANTHROPIC_API_KEY"),
        ("trip --files gone.csv", "gone.csv"),
        ("trip --store ftp://x", "no store for 'ftp' URLs"),
        ("a/b", "cannot name a chat"),
        ("", "name the chat, as in %%chat trip --model"),
    ],
)
def test_a_wrong_line_is_told_of_shortly_and_nothing_is_sent(
    shell: Any,
    provider: Provider,
    line: str,
    told: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for key in ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN"):
        monkeypatch.delenv(key, raising=False)
    shell.user_ns["Count"] = int
    model = "" if "--model" in line else " --model model"
    done = shell.run_cell(f"%%chat {line}{model if line else ''}\nLisbon?")
    assert isinstance(done.error_in_exec, UsageError)
    shown = "".join(capsys.readouterr())
    assert told in shown
    assert "Traceback" not in shown
    assert provider.requests == []


def test_an_empty_cell_asks_nothing(shell: Any, provider: Provider) -> None:
    with pytest.raises(UsageError, match="the cell is empty"):
        shell.run_cell_magic("chat", "trip -m model", " \n")
    assert provider.requests == []


def test_help_tells_every_option(shell: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert shell.run_cell_magic("chat", "--help", "Lisbon?") is None
    shown = capsys.readouterr().out
    assert shown.startswith("usage: %%chat NAME [options]")
    assert "--max-tokens NUMBER" in shown


def test_the_line_takes_every_option_that_models_take() -> None:
    assert {*VALUES, *SWITCHES} == options._TAKEN.keys()
    assert parse("a --no-stoppable").options() == {"stoppable": False}


def test_a_path_keeps_its_backslashes_and_a_value_its_spaces() -> None:
    said = parse(r"trip --store C:\chats --system 'Be brief. #1'")
    assert (said.store, said.system) == (r"C:\chats", "Be brief. #1")


def test_the_line_magic_shows_a_chat_and_lists_them(ask: Ask, shell: Any) -> None:
    ask("a", "trip -m model", "Lisbon?")
    shown = shell.run_line_magic("chat", "trip")
    assert (shown.id, len(shown.messages)) == ("trip", 2)
    assert shell.run_line_magic("chat", "") == chats()


# -- loading and completing --


def test_loading_twice_is_harmless_and_unloading_leaves_nothing(shell: Any) -> None:
    load_ipython_extension(shell)
    assert len([m for m in shell.Completer.custom_matchers if "chatkit" in repr(m)]) == 1
    unload_ipython_extension(shell)
    unload_ipython_extension(shell)
    assert shell.find_cell_magic("chat") is None
    assert shell.Completer.custom_matchers == []
    load_ipython_extension(shell)
    assert shell.find_line_magic("chat") is not None


def tab(shell: Any, line: str) -> set[str]:
    """What the word at the end of the line may become."""
    with provisionalcompleter():
        found = list(shell.Completer.completions(line, len(line)))
    return {re.split(r"[\s=]", line[: each.start] + each.text)[-1] for each in found}


@pytest.mark.parametrize(
    ("line", "offered", "not_offered"),
    [
        ("%%chat tr", ["trip"], ["other"]),
        ("%%chat ", ["trip", "mine"], []),
        ("%%chat trip --ma", ["--max-tokens"], ["--model"]),
        ("%%chat trip --fresh --", ["--model", "--out"], ["--fresh"]),
        ("%%chat trip --model anth", ["anthropic/"], ["openai/"]),
        ("%%chat trip --model=local/", ["local/smollm2"], []),
        ("%%chat trip -m mod", ["model"], []),
        ("%%chat trip --schema Cou", ["Count"], []),
        ("%%chat trip --tools hills hi", ["hills"], ["hint"]),
        ("%%chat trip --reasoning m", ["minimal", "medium", "max"], ["low"]),
        ("%chat tr", ["trip"], []),
    ],
)
def test_tab_offers_what_fits_there(
    ask: Ask,
    shell: Any,
    line: str,
    offered: list[str],
    not_offered: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("chatkit.notebook.completion.PATIENCE", 30.0)
    ask("a", "trip -m model", "Lisbon?")
    shell.user_ns |= {"Count": int, "hills": len, "hint": 1, "own": Chat("mine")}
    found = tab(shell, line)
    assert set(offered) <= found
    assert set(not_offered) & found == set()


def test_tab_makes_no_store_and_minds_no_broken_one(
    shell: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for place in ("nowhere", "ftp://x"):
        monkeypatch.setenv("CHATKIT_STORE", place)
        tab(shell, "%%chat tr")
    assert not (tmp_path / "nowhere").exists()


# -- in real kernels --

OPEN = "%load_ext chatkit\nfrom chatkit import get_model\nday = 3\n"
# A file that is there as soon as the notebook has a `reply`, also while a cell waits for it.
WHEN_NAMED = """
import pathlib, threading, time
def tell():
    while 'reply' not in globals():
        time.sleep(0.01)
    pathlib.Path({named!r}).touch()
threading.Thread(target=tell, daemon=True).start()"""


class Notebook:
    """Two `%%chat` cells, run with ids as JupyterLab sends them or without as nbclient does."""

    def __init__(self, kernel: Kernel, provider: Provider, *, ids: bool) -> None:
        self.kernel = kernel
        self._ids = ids
        model = f"model = get_model('openai-chat/test', base_url={provider.url!r}, api_key='x')"
        self.cells = {
            "open": OPEN + model,
            "a": "%%chat trip --model model --system 'Be brief.'\n{day} days in Lisbon?",
            "b": "%%chat trip --out reply\nAnd with children?",
        }

    def run(self, cell_id: str) -> Cell:
        return self.kernel.run(self.cells[cell_id], cell_id=cell_id if self._ids else None)

    def run_all(self) -> list[str]:
        """What the cells with questions show once the last is answered."""
        shown = [self.run(cell_id) for cell_id in self.cells]
        self.kernel.run("reply.wait();", cell_id="wait")
        self.kernel.until(lambda: all("complete" in cell.text for cell in shown[1:]))
        return [cell.text for cell in shown[1:]]


class Tabbing(Kernel):
    """A kernel that is asked what Tab would offer."""

    def complete(self, code: str) -> list[str]:
        """What it offers at the end of `code`, by the message that a front end sends."""
        asked = self._client.complete(code, len(code))
        while (reply := self._client.get_shell_msg(timeout=30))["parent_header"]["msg_id"] != asked:
            pass
        matches: list[str] = reply["content"]["matches"]
        return matches


@pytest.fixture
def kernel(tmp_path: Path) -> Iterator[Tabbing]:
    with Tabbing(tmp_path) as kernel:
        yield kernel


@pytest.mark.kernel
@pytest.mark.parametrize("ids", [True, False])
def test_restart_and_run_all_asks_nothing(kernel: Tabbing, provider: Provider, ids: bool) -> None:
    notebook = Notebook(kernel, provider, ids=ids)
    before = notebook.run_all()
    assert "Answer to: 3 days in Lisbon?" in before[0]
    roles = [each["role"] for each in provider.requests[1].body["messages"]]
    assert roles == ["system", "user", "assistant", "user"]
    kernel.restart()
    assert notebook.run_all() == before
    assert len(provider.requests) == 2


@pytest.mark.kernel
def test_a_cell_is_run_again_and_then_changed_in_a_kernel(
    kernel: Tabbing, provider: Provider
) -> None:
    notebook = Notebook(kernel, provider, ids=True)
    notebook.run_all()
    again = [notebook.run("a"), notebook.run("a")]
    kernel.until(lambda: all("complete" in cell.text for cell in again))
    assert len(provider.requests) == 2
    notebook.cells["a"] = notebook.cells["a"].replace("Lisbon", "Porto")
    changed = notebook.run("a")
    kernel.until(lambda: "Answer to: 3 days in Porto?" in changed.text)
    assert len(provider.requests) == 3
    assert kernel.run("print(len((%chat trip).messages))").status == "error"  # no magic in there
    assert kernel.run("c = %chat trip\nprint(len(c.messages))").text.strip() == "2"


@pytest.mark.kernel
@pytest.mark.parametrize("ids", [True, False])
def test_a_reply_shows_itself_once_and_is_the_last_value(
    kernel: Tabbing, provider: Provider, ids: bool
) -> None:
    notebook = Notebook(kernel, provider, ids=ids)
    notebook.run_all()
    [output] = notebook.run("b").there
    assert output["data"]["text/plain"].count("Answer to: And with children?") == 1
    assert kernel.run("print(_ is reply, _.status)", cell_id="c").text == "True complete\n"


@pytest.mark.kernel
def test_a_headless_cell_ends_when_its_answer_has(kernel: Tabbing, provider: Provider) -> None:
    notebook = Notebook(kernel, provider, ids=False)
    notebook.run("open")
    provider.answer("Alfama Belém Sintra", delay=0.2)
    assert "Alfama Belém Sintra" in notebook.run("a").text


@pytest.mark.kernel
def test_an_interrupt_ends_the_wait_and_not_the_answer(
    kernel: Tabbing, provider: Provider, tmp_path: Path
) -> None:
    notebook = Notebook(kernel, provider, ids=True)
    notebook.run("open")
    named = tmp_path / "named"
    kernel.run(WHEN_NAMED.format(named=str(named)))
    answer = provider.answer("Alfama Belém Sintra", gated=True)
    waiting = kernel.start("%%chat trip -m model -o reply --wait\nLisbon?", cell_id="a")
    answer.release()
    kernel.until(lambda: "Alfama" in str(kernel.comms))
    kernel.until(named.exists)  # the text may be shown before send() has returned
    kernel.interrupt()
    kernel.until(lambda: waiting.status != "running")
    answer.open()
    kernel.until(lambda: "Alfama Belém Sintra" in waiting.text)
    assert kernel.run("print(reply.wait().status)", cell_id="b").text == "complete\n"


@pytest.mark.kernel
def test_tab_completes_in_a_kernel(kernel: Tabbing, provider: Provider) -> None:
    notebook = Notebook(kernel, provider, ids=True)
    notebook.run_all()
    kernel.run("from chatkit.notebook import completion\ncompletion.PATIENCE = 30")
    assert kernel.complete("%%chat tr") == ["trip"]
    assert kernel.complete("%%chat trip --mod") == ["--model"]
    assert kernel.complete("%%chat trip --model anthropic") == ["anthropic/"]
    assert kernel.complete("%%chat trip --out re") == ["reply"]
