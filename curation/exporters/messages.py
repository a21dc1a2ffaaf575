"""What every consumer wants of messages; rules of evidence §3.10."""

import json
import re
from collections.abc import Iterator
from typing import Any

Message = dict[str, Any]
Found = tuple[str, str]

ROLES = ("system", "user", "assistant", "tool")
# Tokens of chat templates: inside a text they would end the turn.
_CONTROL = re.compile(
    r"<\|(?:im_start|im_end|im_sep|endoftext|eot_id|eom_id|start_header_id|"
    r"end_header_id|begin_of_text|end_of_text|user|assistant|system|end)\|>"
    r"|\[/?INST\]|<<SYS>>|<(?:start|end)_of_turn>|<｜[^｜>]{1,40}｜>"
)
_UNWRITABLE = re.compile("[\0\ud800-\udfff]")


def check_prompt(prompt: list[Message], has_tools: bool) -> Iterator[Found]:
    """Yield what is wrong with a prompt, by field."""
    if not prompt:
        yield "prompt", "has no messages"
        return
    for place, message in enumerate(prompt):
        at = f"prompt[{place}]"
        yield from _check(message, at, has_tools)
        if message["role"] == "system" and place:
            yield f"{at}.role", "is system, which may only come first"
    if not any(message["role"] == "user" for message in prompt):
        yield "prompt", "has no message of a user"
    if prompt[-1]["role"] not in ("user", "tool"):
        yield f"prompt[{len(prompt) - 1}].role", "must be user or tool at the end"
    yield from _check_calls(prompt)


def check_answer(answer: Message, place: str, has_tools: bool) -> Iterator[Found]:
    """Yield what is wrong with an answer, by field."""
    if answer["role"] != "assistant":
        yield f"{place}.role", "must be assistant"
    yield from _check(answer, place, has_tools)


def _check(message: Message, at: str, has_tools: bool) -> Iterator[Found]:
    role, content = message["role"], message["content"]
    if role not in ROLES:
        yield f"{at}.role", f"must be one of {', '.join(ROLES)}"
    calls = message.get("tool_calls", [])
    if not content.strip() and not calls and role != "tool":
        yield f"{at}.content", "is empty"
    if found := _CONTROL.search(content):
        yield f"{at}.content", f"has {found[0]!r}, which is a chat template's"
    if found := _UNWRITABLE.search(content):
        yield f"{at}.content", f"has U+{ord(found[0]):04X}, which is no text"
    if calls and not has_tools:
        yield f"{at}.tool_calls", "there are calls, but the prompt declares no tools"
    for number, call in enumerate(calls):
        if not _is_object(call["function"]["arguments"]):
            where = f"{at}.tool_calls[{number}].function.arguments"
            yield where, "must be the JSON of an object"


def _is_object(text: str) -> bool:
    try:
        return isinstance(json.loads(text), dict)
    except (ValueError, RecursionError):
        return False


def _check_calls(prompt: list[Message]) -> Iterator[Found]:
    """Yield results of calls that nobody made, and calls without a result."""
    waiting: set[str] = set()
    for place, message in enumerate(prompt):
        if message["role"] == "tool":
            if message.get("tool_call_id") not in waiting:
                yield f"prompt[{place}].tool_call_id", "answers no call before it"
            waiting.discard(message.get("tool_call_id", ""))
        else:
            if waiting:
                yield f"prompt[{place}]", "comes before a tool call was answered"
            waiting = {call["id"] for call in message.get("tool_calls", [])}


def check_turns(prompt: list[Message]) -> Iterator[Found]:
    """Yield turns that do not alternate between the user's side and the model's."""
    expected = "user"
    for place, message in enumerate(prompt):
        if message["role"] == "system" and not place:
            continue
        side = "assistant" if message["role"] == "assistant" else "user"
        if side != expected:
            yield f"prompt[{place}].role", f"must be a turn of the {expected}"
            return
        expected = "user" if side == "assistant" else "assistant"


def check_plain(messages: list[Message]) -> Iterator[Found]:
    """Yield what has no place where only texts are known."""
    for place, message in enumerate(messages):
        if "tool_calls" in message or message["role"] == "tool":
            yield f"prompt[{place}]", "has tools, which this format cannot hold"


def without_empty(message: Message) -> Message:
    """Return a message whose empty content beside tool calls is left out."""
    if message.get("tool_calls") and not message["content"]:
        return {key: value for key, value in message.items() if key != "content"}
    return message


def parsed_calls(message: Message) -> Message:
    """Return a message with its calls' arguments as objects, as templates want them."""
    if "tool_calls" not in message:
        return message
    calls = [
        {**call, "function": {**call["function"], "arguments": _loads(call)}}
        for call in message["tool_calls"]
    ]
    return {**message, "tool_calls": calls}


def _loads(call: dict[str, Any]) -> Any:
    return json.loads(call["function"]["arguments"])
