"""What all answers of a chat have taken, in one line: each is looked at once."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from chatkit.messages import Message, Usage
from chatkit.standing import cost_words, token_words
from chatkit.tree import Node


class Taken(NamedTuple):
    """What one answer has taken, as its message says."""

    message: Message
    asked: int  # tokens
    said: int
    cost: float  # US dollars


class Totals:
    """The sums over a chat's answers, for somebody who wants them at each change."""

    def __init__(self) -> None:
        self._known: dict[str, Taken] = {}

    def words(self, nodes: Iterable[Node]) -> str:
        """Their tokens and cost; "" where neither is known."""
        taken = [self._taken(node) for node in list(nodes) if node.role == "assistant"]
        asked, said = sum(each.asked for each in taken), sum(each.said for each in taken)
        tokens = token_words(Usage(asked, said)) if said else ""
        return " · ".join(filter(None, [tokens, cost_words(sum(each.cost for each in taken))]))

    def _taken(self, node: Node) -> Taken:
        message, known = node.message, self._known.get(node.id)
        if known is None or known.message is not message:
            usage = message.usage or Usage()
            asked, said = usage.input_tokens or 0, usage.output_tokens or 0
            known = self._known[node.id] = Taken(message, asked, said, message.cost or 0.0)
        return known
