"""Find the prompts in a request's body, as vLLM does. Pure; bodies are hostile.

Sources: vLLM 0.32, `entrypoints/openai/*/protocol.py`, `renderers/chat_utils.py`.
"""

import json
from dataclasses import dataclass, field
from typing import Any

from batches.counting import Uncountable

CHAT, EMBEDDINGS = "/v1/chat/completions", "/v1/embeddings"
# What only apply_chat_template's caller may say, not a request's chat_template_kwargs.
_RESERVED = frozenset(
    {
        "conversation",
        "messages",
        "chat_template",
        "tools",
        "documents",
        "tokenize",
        "padding",
        "truncation",
        "max_length",
        "return_tensors",
        "return_dict",
        "return_assistant_tokens_mask",
        "tokenizer_kwargs",
        "add_generation_prompt",
        "continue_final_message",
    }
)


@dataclass(frozen=True, kw_only=True)
class Chat:
    """Messages for a chat template, with what else the template is given."""

    messages: list[dict[str, Any]]
    options: dict[str, Any] = field(default_factory=dict)
    is_exact: bool = True


@dataclass(frozen=True, kw_only=True)
class Prompts:
    """What a body asks a model to read: a chat, or texts, or lists of token ids."""

    chat: Chat | None = None
    texts: list[str] = field(default_factory=list)
    token_counts: list[int] = field(default_factory=list)
    has_special_tokens: bool = True
    # Tokens that are kept of each prompt; -1: as many as the model takes.
    truncated_to: int | None = None


def parse_prompts(endpoint: str, body: bytes) -> Prompts:
    """Return a body's prompts; raises Uncountable."""
    try:
        # Numbers and lone surrogates that msgspec refuses are valid JSON.
        values: Any = json.loads(body)
    except (ValueError, RecursionError):
        raise Uncountable("A request's body could not be read.") from None
    if not isinstance(values, dict):
        raise Uncountable("A request's body is no object.")
    is_chat = endpoint == CHAT
    if is_chat or (endpoint == EMBEDDINGS and values.get("input") is None):
        return _of_chat(values, is_generating=is_chat)
    if endpoint == "/v1/completions":
        return _of_texts(values, values.get("prompt"))
    if endpoint == EMBEDDINGS:
        return _of_texts(values, values.get("input"))
    if endpoint == "/v1/responses" and isinstance(values.get("input"), str):
        return _of_responses(values)
    raise Uncountable(f"Some requests to {endpoint} are estimated, not counted.")


def _of_chat(values: dict[str, Any], *, is_generating: bool) -> Prompts:
    if values.get("chat_template"):
        raise Uncountable("A request's own chat template is not used for counting.")
    messages, is_exact = _messages(values.get("messages"))
    options = {
        "add_generation_prompt": values.get("add_generation_prompt", is_generating),
        "continue_final_message": values.get("continue_final_message", False),
    }
    if tools := values.get("tools"):
        options["tools"] = tools
    given = values.get("chat_template_kwargs")
    if isinstance(given, dict):
        options |= {key: given[key] for key in given.keys() - _RESERVED}
    return Prompts(
        chat=Chat(messages=messages, options=options, is_exact=is_exact),
        has_special_tokens=values.get("add_special_tokens") is True,
        truncated_to=_truncation(values),
    )


def _of_responses(values: dict[str, Any]) -> Prompts:
    if values.get("previous_response_id") or values.get("tools"):
        raise Uncountable("Responses with tools or earlier turns are estimated.")
    messages = [{"role": "user", "content": values["input"]}]
    if isinstance(values.get("instructions"), str):
        messages.insert(0, {"role": "system", "content": values["instructions"]})
    chat = Chat(messages=messages, options={"add_generation_prompt": True})
    return Prompts(chat=chat, has_special_tokens=False)


def _messages(value: object) -> tuple[list[dict[str, Any]], bool]:
    """Return the messages with plain text, and whether that is all there was."""
    if not isinstance(value, list) or not value:
        raise _refused("'messages' is no array of messages.")
    found, is_exact = [], True
    for message in value:
        if not isinstance(message, dict) or not isinstance(message.get("role"), str):
            raise _refused("A message is no object with a role.")
        content, is_plain = _text_of(message.get("content"))
        is_exact = is_exact and is_plain
        entry = {**message, "content": content}
        if "tool_calls" in message:
            entry["tool_calls"] = _tool_calls(message["tool_calls"])
        found.append(entry)
    return found, is_exact


def _refused(why: str) -> Uncountable:
    return Uncountable(why, is_refused=True)


def _text_of(content: object) -> tuple[str, bool]:
    if content is None or isinstance(content, str):
        return content or "", True
    if not isinstance(content, list):
        raise _refused("A message's content is neither text nor an array of parts.")
    texts = []
    for part in content:
        text = part if isinstance(part, str) else None
        if isinstance(part, dict):
            text = part.get("text")
        if not isinstance(text, str):
            raise Uncountable("Requests with media are estimated by their text.")
        texts.append(text)
    # Templates differ in what stands between the parts.
    return "\n".join(texts), len(texts) == 1


def _tool_calls(value: object) -> object:
    """Return tool calls with their arguments as objects, as templates want them."""
    if not isinstance(value, list):
        return value
    return [_tool_call(call) for call in value]


def _tool_call(call: object) -> object:
    function = call.get("function") if isinstance(call, dict) else None
    if not isinstance(call, dict) or not isinstance(function, dict):
        return call
    try:
        arguments = json.loads(function.get("arguments") or "{}")
    except (TypeError, ValueError):
        return call
    return {**call, "function": {**function, "arguments": arguments}}


def _of_texts(values: dict[str, Any], value: object) -> Prompts:
    items = value if isinstance(value, list) else [value]
    if items and all(_is_token(item) for item in items):
        items = [items]
    texts = [item for item in items if isinstance(item, str)]
    ids = [item for item in items if isinstance(item, list)]
    if not items or len(texts) + len(ids) < len(items):
        raise _refused("A prompt is neither text nor an array of tokens.")
    return Prompts(
        texts=texts,
        token_counts=[len(item) for item in ids],
        has_special_tokens=values.get("add_special_tokens") is not False,
        truncated_to=_truncation(values),
    )


def _is_token(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _truncation(values: dict[str, Any]) -> int | None:
    value = values.get("truncate_prompt_tokens")
    if not isinstance(value, int) or isinstance(value, bool) or value < -1:
        return None
    return value
