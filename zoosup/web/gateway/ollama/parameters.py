"""What Ollama's clients ask of sampling, format and thinking, in the words of OpenAI's API and its servers. Pure.

`options` that are about loading (num_ctx, num_gpu, num_thread, …) are passed over: a model is started as zoo.yaml has
it, and a request can't change that.
"""

from collections.abc import Mapping
from typing import Any

from zoosup.web.gateway.ollama.fields import field, wrong

_SAME = (
    "temperature", "top_p", "top_k", "min_p", "typical_p", "seed", "presence_penalty", "frequency_penalty",
    "repeat_penalty", "repeat_last_n", "mirostat", "mirostat_tau", "mirostat_eta",
)  # fmt: skip
"""Options that llama.cpp calls so as well, and others do where they have them."""

_OTHERWISE = (("num_keep", "n_keep"), ("repeat_penalty", "repetition_penalty"))
"""Those that have another name in llama.cpp; and in vLLM and SGLang, which pass over what they don't know."""


def parameters(body: Mapping[str, Any]) -> dict[str, Any]:
    """All that a request for a text says besides its words; DeniedError with 400 says what is wrong."""
    found = _options(field(body, "options", dict))
    found |= _format(body.get("format")) | _thinking(body.get("think"))
    if body.get("logprobs"):
        found["logprobs"] = True
        if body.get("top_logprobs"):
            found["top_logprobs"] = body["top_logprobs"]
    return found


def _options(options: Mapping[str, Any]) -> dict[str, Any]:
    names = (*((name, name) for name in _SAME), *_OTHERWISE)
    found = {new: options[old] for old, new in names if options.get(old) is not None}
    if options.get("stop"):
        found["stop"] = options["stop"]
    limit = options.get("num_predict")
    if isinstance(limit, int) and limit >= 0:  # -1 and -2: as long as it goes
        found["max_tokens"] = limit
    return found


def _format(wanted: object) -> dict[str, Any]:
    if wanted is None or wanted == "":
        return {}
    if wanted == "json":
        return {"response_format": {"type": "json_object"}}
    if not isinstance(wanted, dict):
        raise wrong("format", '"json", or a JSON schema')
    schema = {"name": "answer", "schema": wanted, "strict": True}
    return {"response_format": {"type": "json_schema", "json_schema": schema}}


def _thinking(think: object) -> dict[str, Any]:
    """Templates know `enable_thinking` or, as gpt-oss's, an effort; who knows neither passes over both."""
    if think is None or think == "":
        return {}
    if isinstance(think, bool):
        return {"chat_template_kwargs": {"enable_thinking": think}}
    if not isinstance(think, str):
        raise wrong("think", 'true, false, or an effort such as "low"')
    kwargs = {"enable_thinking": True, "reasoning_effort": think}
    return {"reasoning_effort": think, "chat_template_kwargs": kwargs}
