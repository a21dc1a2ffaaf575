"""Turn stored prompts and answers into chat messages, the neutral form of examples."""

import json
from collections.abc import Mapping
from typing import Any

from curation.canonical import canonical, clean, clean_text

Message = dict[str, Any]
# The platform's newer word for the same turn; trainers know the older one.
_ROLES = {"developer": "system", "function": "tool"}
ROLES = ("system", "user", "assistant", "tool")
_TEXT_PARTS = ("text", "input_text", "output_text")


class Unusable(Exception):
    """What no example can be made of; the text is the cause, to be counted."""


def prompt_messages(prompt: Mapping[str, Any]) -> list[Message]:
    """Return an item's input as messages; raises Unusable."""
    if "messages" in prompt:
        messages = _messages(prompt["messages"])
    elif "input" in prompt:
        messages = _of_responses(prompt)
    else:
        messages = [{"role": "user", "content": _plain(prompt.get("prompt"))}]
    if not messages:
        raise Unusable("the prompt has no messages")
    return messages


def prompt_extras(prompt: Mapping[str, Any]) -> dict[str, Any]:
    """Return what else the model was told: its tools, in the form of chat."""
    tools = prompt.get("tools")
    if not isinstance(tools, list) or not tools:
        return {}
    return {"tools": [_tool(tool) for tool in tools]}


def _tool(tool: object) -> dict[str, Any]:
    if not isinstance(tool, dict) or tool.get("type", "function") != "function":
        raise Unusable("a tool is no function")
    if isinstance(tool.get("function"), dict):
        return {"type": "function", "function": tool["function"]}
    # The Responses API has the function's keys beside the type.
    own = {key: value for key, value in tool.items() if key not in ("type", "strict")}
    return {"type": "function", "function": own}


def _messages(found: object) -> list[Message]:
    if not isinstance(found, list):
        raise Unusable("the prompt has no messages")
    return [_message(one) for one in found]


def _message(found: object) -> Message:
    if not isinstance(found, dict):
        raise Unusable("a message is no object")
    role = _ROLES.get(str(found.get("role")), found.get("role"))
    if role not in ROLES:
        raise Unusable("a message has an unknown role")
    message: Message = {"role": role, "content": _content(found.get("content"))}
    if isinstance(found.get("name"), str) and role != "tool":
        message["name"] = found["name"]
    if found.get("tool_calls"):
        message["tool_calls"] = _calls(found["tool_calls"])
    if role == "tool":
        message["tool_call_id"] = str(found.get("tool_call_id", ""))
    return message


def _of_responses(prompt: Mapping[str, Any]) -> list[Message]:
    messages: list[Message] = []
    if isinstance(prompt.get("instructions"), str):
        messages.append({"role": "system", "content": prompt["instructions"]})
    if isinstance(prompt["input"], str):
        return [*messages, {"role": "user", "content": prompt["input"]}]
    for item in prompt["input"] if isinstance(prompt["input"], list) else []:
        kind = item.get("type", "message") if isinstance(item, dict) else None
        if kind == "message":
            messages.append(_message(item))
        elif kind == "function_call":
            call = {"role": "assistant", "content": "", "tool_calls": _calls([item])}
            messages.append(call)
        elif kind == "function_call_output":
            call_id = str(item.get("call_id", ""))
            text = _content(item.get("output"))
            messages.append({"role": "tool", "content": text, "tool_call_id": call_id})
        else:
            raise Unusable("the prompt has parts that are no messages")
    return messages


def _plain(prompt: object) -> str:
    """Return the text of a completions prompt."""
    if isinstance(prompt, list) and len(prompt) == 1:
        prompt = prompt[0]
    if not isinstance(prompt, str) or not prompt:
        raise Unusable("the prompt is no single text")
    return prompt


def _content(content: object) -> str:
    if content is None or isinstance(content, str):
        return content or ""
    if not isinstance(content, list):
        raise Unusable("a message's content is no text")
    return "".join(map(_part, content))


def _part(part: object) -> str:
    if isinstance(part, str):
        return part
    is_text = isinstance(part, dict) and part.get("type", "text") in _TEXT_PARTS
    if not is_text or not isinstance(part.get("text"), str):  # type: ignore[attr-defined]
        raise Unusable("a message has media")
    return str(part["text"])  # type: ignore[index]


def _calls(calls: object) -> list[dict[str, Any]]:
    if not isinstance(calls, list):
        raise Unusable("tool calls are no list")
    return [_call(call) for call in calls]


def _call(call: object) -> dict[str, Any]:
    """Return a call in chat's form, from that of chat or of responses."""
    if not isinstance(call, dict):
        raise Unusable("a tool call is no object")
    function = call.get("function", call)
    if not isinstance(function, dict) or not isinstance(function.get("name"), str):
        raise Unusable("a tool call names no function")
    arguments = function.get("arguments", "{}")
    text = arguments if isinstance(arguments, str) else canonical(arguments)
    return {
        "id": str(call.get("call_id", call.get("id", ""))),
        "type": "function",
        "function": {"name": function["name"], "arguments": text},
    }


def answer_message(output: Mapping[str, Any]) -> Message:
    """Return a candidate's output as the assistant's message; raises Unusable."""
    message: Message = {"role": "assistant", "content": _content(output.get("content"))}
    if not message["content"] and isinstance(output.get("refusal"), str):
        message["content"] = output["refusal"]
    if output.get("tool_calls"):
        message["tool_calls"] = _calls(output["tool_calls"])
    elif not message["content"].strip():
        raise Unusable("the answer is empty")
    return clean(message)  # type: ignore[no-any-return]


def revised_message(text: str, output: Mapping[str, Any] | None) -> Message:
    """Return a correction as the assistant's message; raises Unusable.

    Reviewers see an answer without text as the JSON of its tool calls, and correct
    that.
    """
    if not text.strip():
        raise Unusable("the correction is empty")
    is_calls = output and output.get("tool_calls") and not output.get("content")
    if not is_calls:
        return {"role": "assistant", "content": clean_text(text)}
    try:
        calls = _calls(json.loads(text))
    except (ValueError, RecursionError) as error:
        raise Unusable("a correction of tool calls is no JSON") from error
    return clean({"role": "assistant", "content": "", "tool_calls": calls})  # type: ignore[no-any-return]
