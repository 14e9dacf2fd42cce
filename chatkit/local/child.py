"""The embedded model's server: run as a file in a process of its own, never imported by chatkit.

It alone knows xllamacpp, and imports nothing of chatkit, so that it starts in half a second.

    python -P child.py MODEL_FILE ALIAS PARENT_PID

prints its base URL on one line when it can answer, and ends with its parent, even where
the parent was killed with SIGKILL: at the end of its standard input, whose other end the
parent holds, or, where a fork of the parent still holds that end, when it has another parent.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from typing import Any, TextIO

CONTEXT = 8192  # tokens for all slots together, so 4,096 for one conversation
SLOTS = 2  # answers at a time; further requests wait their turn
LONGEST = 512  # tokens, where a request sets no `max_tokens`: small models can go on for ever
REPEAT_PENALTY = 1.1  # without it half of the everyday prompts tried ended in a loop
PARENT_CHECK = 1.0  # seconds

# The model's own template knows no tools, and without them in its prompt it calls blindly. With
# them it would call again and again, so they go once there is a result. llama.cpp learns from this
# how calls are written: marked, so that braces in an answer are none. It tries it with tools that
# have no "function" too, and where that fails it drops the text of messages: so tools go whole.
TEMPLATE = r"""
{%- set told = messages[0]['content'] if messages[0]['role'] == 'system' else '' -%}
{%- set offered = tools if tools and messages[-1]['role'] != 'tool' else [] -%}
{%- if told or offered -%}
{{ '<|im_start|>system\n' + told }}
{%- for tool in offered -%}
{{ ('\n\nYou can call these functions:\n' if loop.first else '\n') + (tool | tojson) }}
{%- endfor -%}
{{ '<|im_end|>\n' }}
{%- endif -%}
{%- for message in messages if message['role'] != 'system' -%}
{{ '<|im_start|>' + ('user' if message['role'] == 'tool' else message['role']) + '\n' }}
{{- 'Answer me from this: ' if message['role'] == 'tool' else '' }}
{{- message['content'] or '' }}
{%- for call in message['tool_calls'] or [] -%}
{{ '<tool_call>' + (call['function'] | tojson) + '</tool_call>' }}
{%- endfor -%}
{{ '<|im_end|>\n' }}
{%- endfor -%}
{{ '<|im_start|>assistant\n' if add_generation_prompt else '' }}
"""


def main(model: str, alias: str, parent: int) -> None:
    threading.Thread(target=_exit_at_end_of_input, daemon=True).start()
    announcement = _take_stdout()
    server = _serve(model, alias)
    for number in (signal.SIGINT, signal.SIGTERM):  # llama.cpp's handlers stop serving and stay
        signal.signal(number, signal.SIG_DFL)
    print(f"{server.listening_address}/v1", file=announcement, flush=True)
    announcement.close()
    _hush()
    while os.getppid() == parent:
        time.sleep(PARENT_CHECK)
    os._exit(0)


def _exit_at_end_of_input() -> None:
    while os.read(0, 1):
        pass
    os._exit(0)  # not sys.exit, which would end this thread only


def _take_stdout() -> TextIO:
    """Standard output for ourselves; what llama.cpp prints there joins the error output."""
    ours = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    return ours


def _serve(model: str, alias: str) -> Any:
    from xllamacpp import CommonParams, Server

    params = CommonParams()
    params.model.path = model
    params.model_alias = {alias}
    params.hostname, params.port = "127.0.0.1", 0
    params.n_ctx, params.n_parallel, params.n_predict = CONTEXT, SLOTS, LONGEST
    params.sampling.penalty_repeat = REPEAT_PENALTY
    params.chat_template, params.use_jinja = TEMPLATE, True
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = _threads()
    params.cache_ram_mib = 0  # else up to 8 GiB of old prompts are kept in memory
    params.fit_params = False  # looks for graphics memory, 0.2 s
    params.verbosity = 1  # errors only
    params.webui = False
    try:
        return Server(params)
    except RuntimeError as error:  # llama.cpp has printed why
        sys.exit(str(error))


def _threads() -> int:
    """Half the cores: with all of them a busy machine gave 4 tokens a second instead of 88.

    And no more than four, for a container sees more cores than it may use.
    """
    return max(1, min(4, (os.cpu_count() or 1) // 2))


def _hush() -> None:
    """Once it runs nobody reads its output, which must not grow a file for days."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
