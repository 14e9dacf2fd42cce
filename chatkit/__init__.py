"""Ask language models from a notebook; an answer is never lost and never asked for twice.

    from chatkit import Chat

    chat = Chat("trip", model="anthropic/claude-sonnet-5-5", system="Be brief.")
    chat.send("Three days in Lisbon?")

Importing it loads nothing heavy: httpx, diskcache and the widgets come with their first use.
"""

from __future__ import annotations

import sys
from typing import Any

from chatkit.answers.producer import FinishEvent
from chatkit.chat import Chat
from chatkit.compare import compare
from chatkit.config import begin_logging, config
from chatkit.errors import (
    AuthError,
    BadChatId,
    ChatkitError,
    ConfigError,
    ConnectionFailed,
    Fenced,
    LocalModelError,
    MessageError,
    MissingKey,
    NotFound,
    NothingMore,
    ProviderError,
    RateLimited,
    SchemaMismatch,
    ServerError,
    StoreError,
    StreamCut,
    StreamFailed,
    TooLarge,
    ToolFailed,
    UnknownModel,
    UnknownOption,
)
from chatkit.listing import ChatInfo, ChatList, chats
from chatkit.messages import (
    CustomPart,
    DataPart,
    FilePart,
    Message,
    ReasoningFilePart,
    ReasoningPart,
    SourceDocumentPart,
    SourceUrlPart,
    SteeringPart,
    StepPart,
    TextPart,
    ToolPart,
    UnknownPart,
    Usage,
)
from chatkit.providers import get_model
from chatkit.replies import Reply
from chatkit.single import stream_text
from chatkit.stores import open_store
from chatkit.tools import tool

__all__ = [
    "AuthError",
    "BadChatId",
    "Chat",
    "ChatInfo",
    "ChatList",
    "ChatkitError",
    "ConfigError",
    "ConnectionFailed",
    "CustomPart",
    "DataPart",
    "Fenced",
    "FilePart",
    "FinishEvent",
    "LocalModelError",
    "Message",
    "MessageError",
    "MissingKey",
    "NotFound",
    "NothingMore",
    "ProviderError",
    "RateLimited",
    "ReasoningFilePart",
    "ReasoningPart",
    "Reply",
    "SchemaMismatch",
    "ServerError",
    "SourceDocumentPart",
    "SourceUrlPart",
    "SteeringPart",
    "StepPart",
    "StoreError",
    "StreamCut",
    "StreamFailed",
    "TextPart",
    "TooLarge",
    "ToolFailed",
    "ToolPart",
    "UnknownModel",
    "UnknownOption",
    "UnknownPart",
    "Usage",
    "chats",
    "compare",
    "config",
    "get_model",
    "open_store",
    "stream_text",
    "tool",
]


def load_ipython_extension(shell: Any) -> None:
    """`%load_ext chatkit`: the magic `%%chat`, and completions for it."""
    from chatkit.notebook.magic import load

    load(shell)


def unload_ipython_extension(shell: Any) -> None:
    """`%unload_ext chatkit`."""
    from chatkit.notebook.magic import unload

    unload(shell)


begin_logging()

if "IPython" in sys.modules:  # a kernel or console runs: replies can show themselves
    from chatkit.notebook import attach

    attach()
