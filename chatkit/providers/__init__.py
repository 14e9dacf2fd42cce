"""Models by name, and what each of them is: two translations and no state.

    model = get_model("groq/llama-3.3-70b-versatile")
    request = model.request(messages, {"temperature": 0})
    decoder = model.decoder()  # feed it the bytes that come back

An endpoint, a dialect and a server's quirks are three things: `table` has the first and the
last as data, a package for each dialect has the translations.
"""

from chatkit.providers.dialect import Decoder, ToolSpec, WireRequest
from chatkit.providers.model import Model
from chatkit.providers.names import get_model

__all__ = ["Decoder", "Model", "ToolSpec", "WireRequest", "get_model"]
