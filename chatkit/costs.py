"""What an answer costs. The only module that knows genai-prices, whose price list comes with it:
nothing is asked of the network.

What no provider counts, such as the tokens of an answer that was stopped, is estimated and
marked; a price that is not known is never guessed.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Mapping
from typing import Any

import msgspec

from chatkit.messages import JSON, Usage

CHARACTERS = 4  # a token of English has about so many; other languages have fewer
FREE = frozenset(("llamacpp", "lmstudio", "local", "ollama", "vllm"))
# the price list's names of the providers that it has; what is not here has no known price
LISTED = {
    "anthropic": "anthropic",
    "azure": "azure",
    "cerebras": "cerebras",
    "cloudflare": "cloudflare",
    "databricks": "databricks",
    "deepseek": "deepseek",
    "fireworks": "fireworks",
    "gemini": "google",
    "gemini-interactions": "google",
    "groq": "groq",
    "mistral": "mistral",
    "moonshot": "moonshotai",
    "openai": "openai",
    "openai-chat": "openai",
    "openai-responses": "openai",
    "openrouter": "openrouter",
    "perplexity": "perplexity",
    "together": "together",
    "xai": "x-ai",
    "xai-chat": "x-ai",
    "zai": "zai",
}

_loaded = threading.Event()  # the price list is


def cost_of(provider: str, model: str, usage: Usage) -> float | None:
    """US dollars by today's list price, None where the model or the usage is not known.

    0.0 on servers of one's own. The first call takes a quarter of a second, to load the list:
    see `is_at_hand`.
    """
    if provider in FREE:
        return 0.0
    if provider not in LISTED or usage.input_tokens is None or usage.output_tokens is None:
        return None
    import genai_prices  # imports pydantic and an HTTP client

    try:
        counted = genai_prices.Usage(
            input_tokens=usage.input_tokens,
            output_tokens=usage.output_tokens,
            cache_read_tokens=usage.cached_input_tokens,
            cache_write_tokens=usage.cache_write_tokens,
            output_reasoning_tokens=usage.reasoning_tokens,
        )
        found = genai_prices.calc_price(counted, model, provider_id=LISTED[provider])
    except (LookupError, ValueError):  # no such model, or counts that contradict each other
        return None
    finally:
        _loaded.set()
    # some models are listed without a price
    return None if found.model_price.output_mtok is None else float(found.total_price)


def is_at_hand(provider: str) -> bool:
    """Whether a cost can be told at once: nothing has to be loaded for it any more."""
    return provider not in LISTED or _loaded.is_set()


def estimated(text_in: str, text_out: str) -> Usage:
    """The tokens of these texts, roughly: one for every four characters, rounded up."""
    return Usage(input_tokens=_tokens(text_in), output_tokens=_tokens(text_out))


def accounted(
    metadata: Mapping[str, Any], *, model: str, provider: str, prompt_text: str, answer_text: str
) -> JSON:
    """What an answer's metadata lacks, as far as it can be known: `usage`, `usageEstimated`
    and `cost`.

    `metadata` is that of an answer that has ended, `model` the name it was asked for under;
    `answer_text` is all that the model wrote, its reasoning too. Counts of an answer that did
    not finish are of its beginning: those are estimated again.
    """
    told = _told(metadata)
    if told == Usage() and not answer_text:
        return {}  # nothing came, and nobody knows what was read
    usage, found = told, JSON()
    if told.output_tokens is None or "finishReason" not in metadata:
        usage = _completed(told, estimated(prompt_text, answer_text))
    if usage != told:
        found = {"usage": msgspec.to_builtins(usage), "usageEstimated": True}
    if "cost" not in metadata:
        cost = cost_of(provider, str(metadata.get("responseModel") or model), usage)
        found |= {} if cost is None else {"cost": cost}
    return found


def _told(metadata: Mapping[str, Any]) -> Usage:
    try:
        return msgspec.convert(metadata.get("usage") or {}, Usage)
    except msgspec.ValidationError:  # counts of another kind than chatkit's
        return Usage()


def _completed(told: Usage, guess: Usage) -> Usage:
    """What was told, with the guess where that is nothing or, of the output, less."""
    assert guess.output_tokens is not None
    return msgspec.structs.replace(
        told,
        input_tokens=guess.input_tokens if told.input_tokens is None else told.input_tokens,
        output_tokens=max(told.output_tokens or 0, guess.output_tokens),
    )


def _tokens(text: str) -> int:
    return math.ceil(len(text) / CHARACTERS)
