"""The providers by name: address, key variable, dialect and quirks, all of it data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from chatkit.providers.anthropic import ANTHROPIC
from chatkit.providers.chat import CHAT, Quirks
from chatkit.providers.dialect import JSON, Dialect
from chatkit.providers.gemini import GEMINI
from chatkit.providers.interactions import INTERACTIONS
from chatkit.providers.responses import RESPONSES
from chatkit.providers.responses import Quirks as ResponsesQuirks
from chatkit.providers.ui import UI

_PLAIN = Quirks()
_SHORT = r".{1,40}"  # ids of calls: OpenAI refuses longer ones in Chat Completions


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """Where a provider is and what it wants. Without `base_url` the user has to say where."""

    base_url: str = ""
    variable: str = ""  # the environment variable for another base URL
    path: str = ""  # what that variable's address lacks
    keys: tuple[str, ...] = ()  # environment variables of the key; the first that is set
    needs_key: bool = True
    key_header: str = "authorization"
    tokens: tuple[str, ...] = ()  # those of `keys` that go as Bearer tokens whatever the header
    header_variables: Mapping[str, str] = field(default_factory=dict)
    dialect: Dialect = CHAT
    quirks: Any = _PLAIN  # of the dialect's own kind
    at_home: Any = None  # quirks of the vendor's own servers alone
    has_schemas: bool = True  # else a forced tool call stands in for structured output
    schemas_away: bool = True  # so have other servers of the dialect
    defaults: Mapping[str, Any] = field(default_factory=dict)
    at_once: int | None = None  # answers that it writes at a time; others would wait there


def _openrouter_effort(word: str) -> JSON:
    return {"reasoning": {"effort": word}}


def _switched(word: str) -> JSON:
    """Thinking is on unless it is switched off."""
    return {"thinking": {"type": "disabled"}} if word == "none" else {"reasoning_effort": word}


def _enabled(word: str) -> JSON:
    return {"enable_thinking": word != "none"}


_OPENAI = Quirks(
    system_role="developer",
    names={"max_tokens": "max_completion_tokens"},  # reasoning models refuse the old name
    call_ids=_SHORT,
    # obfuscation is random padding of every event
    stream_options={"include_usage": True, "include_obfuscation": False},
)
_OPENAI_ENDPOINT = Endpoint(
    base_url="https://api.openai.com/v1",
    variable="OPENAI_BASE_URL",
    keys=("OPENAI_API_KEY",),
    header_variables={
        "openai-organization": "OPENAI_ORG_ID",
        "openai-project": "OPENAI_PROJECT_ID",
    },
    at_home=_OPENAI,
)
_GEMINI_ENDPOINT = Endpoint(
    base_url="https://generativelanguage.googleapis.com",
    variable="GOOGLE_GEMINI_BASE_URL",
    keys=("GOOGLE_API_KEY", "GEMINI_API_KEY"),
    key_header="x-goog-api-key",
    dialect=GEMINI,
)


# OpenAI over Responses; nothing is stored there, so reasoning comes here, encrypted
_OPENAI_RESPONSES = replace(
    _OPENAI_ENDPOINT,
    dialect=RESPONSES,
    quirks=ResponsesQuirks(),
    at_home=ResponsesQuirks(
        system_role="developer",
        fields={"store": False, "stream_options": {"include_obfuscation": False}},
        encrypts_except=r"gpt-[34]|chatgpt-|gpt-5-chat|ft:gpt-[34]|computer-use",
        summary="auto",
    ),
)
_XAI_ENDPOINT = Endpoint(base_url="https://api.x.ai/v1", keys=("XAI_API_KEY",))
_THINKING = Quirks(reasoning=_switched, reasoning_field="reasoning_content")

ENDPOINTS: Mapping[str, Endpoint] = {
    "openai": _OPENAI_RESPONSES,
    "openai-responses": _OPENAI_RESPONSES,
    "openai-chat": _OPENAI_ENDPOINT,
    "anthropic": Endpoint(
        base_url="https://api.anthropic.com",
        variable="ANTHROPIC_BASE_URL",
        keys=("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN"),
        key_header="x-api-key",
        tokens=("ANTHROPIC_AUTH_TOKEN",),
        dialect=ANTHROPIC,
        schemas_away=False,
    ),
    "azure": Endpoint(
        variable="AZURE_OPENAI_ENDPOINT",
        path="/openai/v1",
        keys=("AZURE_OPENAI_API_KEY",),
        key_header="api-key",
        quirks=Quirks(names={"max_tokens": "max_completion_tokens"}, call_ids=_SHORT),
    ),
    "gemini": _GEMINI_ENDPOINT,
    "gemini-interactions": replace(_GEMINI_ENDPOINT, dialect=INTERACTIONS),
    "groq": Endpoint(
        base_url="https://api.groq.com/openai/v1",
        variable="GROQ_BASE_URL",
        path="/openai/v1",
        keys=("GROQ_API_KEY",),
    ),
    "mistral": Endpoint(
        base_url="https://api.mistral.ai/v1",
        keys=("MISTRAL_API_KEY",),
        quirks=Quirks(
            names={"seed": "random_seed"},
            stream_options=None,  # unknown fields are refused; usage comes unasked
            call_ids=r"[a-zA-Z0-9]{9}",
            bridges=True,
        ),
    ),
    "deepseek": Endpoint(
        base_url="https://api.deepseek.com",
        keys=("DEEPSEEK_API_KEY",),
        quirks=_THINKING,
        has_schemas=False,
    ),
    "xai": replace(  # it calls its Chat Completions deprecated
        _XAI_ENDPOINT,
        dialect=replace(RESPONSES, lacks=RESPONSES.lacks | {"background"}),
        quirks=ResponsesQuirks(),
        at_home=ResponsesQuirks(
            fields={"store": False},
            encrypts_except=r".*non-reasoning|grok-[23]",
        ),
    ),
    "xai-chat": _XAI_ENDPOINT,
    "together": Endpoint(
        base_url="https://api.together.xyz/v1",
        variable="TOGETHER_BASE_URL",
        keys=("TOGETHER_API_KEY",),
    ),
    "fireworks": Endpoint(
        base_url="https://api.fireworks.ai/inference/v1", keys=("FIREWORKS_API_KEY",)
    ),
    "huggingface": Endpoint(base_url="https://router.huggingface.co/v1", keys=("HF_TOKEN",)),
    "perplexity": Endpoint(
        base_url="https://api.perplexity.ai", keys=("PERPLEXITY_API_KEY", "PPLX_API_KEY")
    ),
    "openrouter": Endpoint(
        base_url="https://openrouter.ai/api/v1",
        keys=("OPENROUTER_API_KEY",),
        quirks=Quirks(reasoning=_openrouter_effort, call_ids=_SHORT),
    ),
    "vercel": Endpoint(
        base_url="https://ai-gateway.vercel.sh/v1",
        keys=("AI_GATEWAY_API_KEY",),
    ),
    "cerebras": Endpoint(
        base_url="https://api.cerebras.ai/v1",
        keys=("CEREBRAS_API_KEY",),
        quirks=Quirks(names={"max_tokens": "max_completion_tokens"}),
    ),
    "nvidia": Endpoint(base_url="https://integrate.api.nvidia.com/v1", keys=("NVIDIA_API_KEY",)),
    "moonshot": Endpoint(
        base_url="https://api.moonshot.ai/v1", keys=("MOONSHOT_API_KEY",), quirks=_THINKING
    ),
    "alibaba": Endpoint(
        base_url="https://dashscope-intl.aliyuncs.com/compatible-mode/v1",
        variable="DASHSCOPE_BASE_URL",
        keys=("DASHSCOPE_API_KEY",),
        quirks=Quirks(reasoning=_enabled),
    ),
    "zai": Endpoint(
        base_url="https://api.z.ai/api/paas/v4", keys=("ZAI_API_KEY",), quirks=_THINKING
    ),
    "cloudflare": Endpoint(keys=("CLOUDFLARE_API_TOKEN",)),  # the account is in its address
    "databricks": Endpoint(
        variable="DATABRICKS_HOST",
        path="/serving-endpoints",
        keys=("DATABRICKS_TOKEN",),
        quirks=Quirks(stream_options=None),  # usage comes unasked
    ),
    "ollama": Endpoint(
        base_url="http://localhost:11434/v1",
        variable="OLLAMA_HOST",
        path="/v1",
        keys=("OLLAMA_API_KEY",),
        needs_key=False,
    ),
    "lmstudio": Endpoint(base_url="http://localhost:1234/v1", needs_key=False),
    "vllm": Endpoint(base_url="http://localhost:8000/v1", keys=("VLLM_API_KEY",), needs_key=False),
    "llamacpp": Endpoint(
        base_url="http://localhost:8080/v1", keys=("LLAMA_API_KEY",), needs_key=False
    ),
    "local": Endpoint(
        base_url="local:",  # the transport starts it and knows its address
        needs_key=False,
        at_once=2,
        # its server would take its talk for half a call
        quirks=Quirks(calls_of_itself=False, takes_files=False),
        # it is small: without these it wanders, and above 0 it speaks in tongues
        defaults={
            "system": "You are a helpful assistant.",
            "temperature": 0,
            "max_tokens": 512,
        },
    ),
}

UNLISTED = Endpoint(needs_key=False)  # any compatible server whose address is given
BACKEND = Endpoint(needs_key=False, dialect=UI)  # any of the AI SDK, whose address is its name
