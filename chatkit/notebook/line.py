"""The line of `%%chat`: its options, and how they are read."""

from __future__ import annotations

import argparse
import difflib
import json
import keyword
import re
import shlex
from typing import Any, NoReturn

from IPython.core.error import UsageError

EXAMPLE = "%%chat trip --model anthropic/claude-sonnet-5-5"

# What goes to the model with the question, as for `Chat.send`.
VALUES = {
    "temperature": "NUMBER",
    "top_p": "NUMBER",
    "max_tokens": "NUMBER",
    "stop": "TEXT",
    "seed": "NUMBER",
    "tool_choice": "TOOL",
    "presence_penalty": "NUMBER",
    "frequency_penalty": "NUMBER",
    "reasoning": "EFFORT",
    "history": "all|last",
    "extra": "JSON",
}
SWITCHES = ("background", "stoppable")

_ABOUT = """\
The cell below the line is the prompt. In it {name}, {name.attribute}, {name[0]} and {name:.2f}
stand for variables of the notebook, in the values of options too; {{name}} stays as it is.
Running the cell again asks nothing; changed, it forks the conversation there.
%chat NAME shows a chat, %chat lists the stored ones."""


class Line(argparse.Namespace):
    """What a line says."""

    name: str | None
    model: str | None
    system: str | None
    files: list[str]
    tools: list[str]
    schema: str | None
    repair: bool
    out: str | None
    store: str | None
    fresh: bool
    detached: bool
    wait: bool
    raw: bool
    help: bool

    def options(self) -> dict[str, str | bool]:
        """The options of the model that are named, their values as text."""
        given = {name: getattr(self, name) for name in (*VALUES, *SWITCHES)}
        return {name: said for name, said in given.items() if said is not None}

    def left_open(self) -> set[str]:
        """Which of model and system prompt it does not name."""
        return {name for name in ("model", "system") if getattr(self, name) is None}


def parse(line: str) -> Line:
    """Raises UsageError, with what was meant perhaps."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars=False)
    lexer.whitespace_split, lexer.commenters, lexer.escape = True, "", ""  # a path may hold \ or #
    try:
        words = [re.sub(r"^--[a-z_]+", _dashed, word) for word in lexer]
    except ValueError:
        raise UsageError(f"a quotation mark is not closed: {line!r}") from None
    said, rest = _parser().parse_known_args(words, Line())
    if rest:
        raise UsageError(_unknown(rest))
    return said


def read(text: Any) -> Any:
    """The value of an option of the model: JSON where it is JSON, else the text itself."""
    try:
        return json.loads(text) if isinstance(text, str) else text
    except ValueError:
        return text


def help_text() -> str:
    """What `--help` shows."""
    return _parser().format_help()


def option_names() -> list[str]:
    """The options that a line may have, in their long spelling."""
    return sorted(name for name in _parser().known() if name.startswith("--"))


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UsageError(f"%%chat: {message}")

    def known(self) -> list[str]:
        return list(self._option_string_actions)


def _parser() -> _Parser:
    parser = _Parser(
        usage="%%%%chat NAME [options]",
        description=_ABOUT,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
        add_help=False,
    )
    add = parser.add_argument
    add("name", nargs="?", metavar="NAME", help="the chat; it is restored if it is stored")
    add("-h", "--help", action="store_true", help="show this")
    add("-m", "--model", help="provider/name or a variable; else the chat's own")
    add("-s", "--system", metavar="TEXT", help="the system prompt of the chat from here on")
    add("-o", "--out", metavar="NAME", type=_identifier, help="the variable to keep the reply in")
    add("--fresh", action="store_true", help="ask for another answer beside the first")
    add("--wait", action="store_true", help="end the cell when the answer has")
    add("--raw", action="store_true", help="send braces in the cell as they are")
    files = "paths, URLs, and {variables} such as a DataFrame or a figure"
    add("--files", nargs="+", default=[], metavar="FILE", help=files)
    add("--tools", nargs="+", default=[], metavar="FUNCTION", help="variables: functions to call")
    add("--schema", metavar="TYPE", help="a variable: the type of the answer, or its JSON schema")
    add("--repair", action="store_true", help="ask once more for an answer that does not fit")
    add("--detached", action="store_true", help="a process of its own writes the answer")
    add("--store", metavar="PATH", help="where the chat is kept; else $CHATKIT_STORE or .chatkit")
    add = parser.add_argument_group("what goes to the model").add_argument
    for name, kind in VALUES.items():
        add(_spelled(name), metavar=kind)
    for name in SWITCHES:
        add(_spelled(name), action=argparse.BooleanOptionalAction)
    return parser


def _spelled(option: str) -> str:
    return f"--{option.replace('_', '-')}"


def _dashed(option: re.Match[str]) -> str:
    """An option as Python spells it is meant, too."""
    return option[0].replace("_", "-")


def _identifier(name: str) -> str:
    if not name.isidentifier() or keyword.iskeyword(name):
        raise argparse.ArgumentTypeError(f"{name!r} cannot name a variable")
    return name


def _unknown(rest: list[str]) -> str:
    option = next((word.partition("=")[0] for word in rest if word.startswith("-")), None)
    if option is None:
        return (
            f"what is {rest[0]!r}? Below the line stands what to ask; a value of several words"
            " is put in quotes, as in --system 'Be brief.'"
        )
    near = difflib.get_close_matches(option, option_names(), n=1)
    guess = f"; did you mean {near[0]}?" if near else "."
    return f"%%chat has no option {option}{guess} %%chat --help tells which it has."
