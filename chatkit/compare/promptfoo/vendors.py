"""Models and their options by promptfoo's names and by chatkit's. Alone knows promptfoo's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

# Of two names that mean the same, the last is the one that is written.
_PROVIDERS = {
    "openai": "openai",
    "openai:responses": "openai",
    "openai:chat": "openai-chat",
    "anthropic": "anthropic",
    "anthropic:messages": "anthropic",
    "google": "gemini",
    "ollama": "ollama",
    "ollama:completion": "ollama",
    "ollama:chat": "ollama",
    "azure": "azure",
    "azureopenai": "azure",
    "azure:chat": "azure",
    "mistral": "mistral",
    "groq": "groq",
    "deepseek": "deepseek",
    "xai": "xai",
    "openrouter": "openrouter",
    "togetherai": "together",
    "fireworks": "fireworks",
    "cerebras": "cerebras",
    "perplexity": "perplexity",
}
_OTHERS = {  # what these providers have that answers no chat
    *("agents", "assistant", "chatkit", "claude-agent-sdk", "codex-sdk", "completion"),
    *("embedding", "embeddings", "image", "live", "moderation", "realtime", "speech"),
    *("transcription", "video"),
}
_WRITTEN = {ours: theirs for theirs, ours in _PROVIDERS.items()}
_OPTIONS = (
    *("temperature", "top_p", "max_tokens", "stop", "seed"),
    *("presence_penalty", "frequency_penalty"),
)
_SPELLED = {  # by chatkit's provider: chatkit's name of an option, and promptfoo's
    "gemini": {"top_p": "topP", "max_tokens": "maxOutputTokens", "stop": "stopSequences"},
    "ollama": {"max_tokens": "num_predict"},
    "anthropic": {"stop": "stop_sequences"},
}


def model_of(provider: str) -> str | None:
    """`openai:chat:gpt-4o` as `openai-chat/gpt-4o`; None of what chatkit does not have."""
    parts = provider.split(":")
    for count in (2, 1):
        rest = ":".join(parts[count:])
        if (name := _PROVIDERS.get(":".join(parts[:count]))) and rest:
            return None if parts[count] in _OTHERS or provider in _PROVIDERS else f"{name}/{rest}"
    return None


def provider_of(model: str) -> str | None:
    """`openai-chat/gpt-4o` as `openai:chat:gpt-4o`; None of what promptfoo does not have."""
    provider, _, name = model.partition("/")
    return f"{_WRITTEN[provider]}:{name}" if provider in _WRITTEN else None


def options_of(model: str, config: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """The options in the settings of a provider by chatkit's names, and the settings left over."""
    ours = {theirs: name for name, theirs in _spelled(model).items()}
    options = {ours[name]: value for name, value in config.items() if name in ours}
    return options, [name for name in config if name not in ours]


def config_of(model: str, options: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """Options by promptfoo's names for the model, and those that it has none for."""
    theirs = _spelled(model)
    config = {theirs[name]: value for name, value in options.items() if name in theirs}
    return config, [name for name in options if name not in theirs]


def _spelled(model: str) -> dict[str, str]:
    return {name: name for name in _OPTIONS} | _SPELLED.get(model.partition("/")[0], {})
