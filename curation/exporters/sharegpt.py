"""ShareGPT's `from` and `value`, as LLaMA-Factory and Axolotl read them."""

import json
from collections.abc import Iterator
from typing import Any

from curation.exporters.base import Example, JsonlExporter, Problem
from curation.exporters.messages import Message, check_turns

_FROM = {"user": "human", "assistant": "gpt", "tool": "observation"}


class ShareGpt(JsonlExporter):
    """`conversations`, with `chosen` and `rejected` apart for preferences."""

    name = "sharegpt"
    title = "ShareGPT, as LLaMA-Factory reads it"
    kinds = frozenset({"sft", "dpo"})

    def validate(self, example: Example) -> Iterator[Problem]:
        """Refuse what trainers would empty: turns that do not alternate."""
        yield from super().validate(example)
        for place, text in check_turns(example.prompt):
            yield Problem(place, text)
        messages = {f"prompt[{n}]": one for n, one in enumerate(example.prompt)}
        for place, message in {**messages, **example.answers}.items():
            if message.get("tool_calls") and message["content"]:
                text = "has both a text and tool calls, and this format holds one"
                yield Problem(place, text)

    def row(self, example: Example) -> dict[str, Any]:
        """Return a conversation."""
        turns = [_turn(one) for one in example.prompt if one["role"] != "system"]
        system = [m["content"] for m in example.prompt if m["role"] == "system"]
        if "completion" in example.answers:
            turns.append(_turn(example.answers["completion"]))
        row: dict[str, Any] = {"conversations": turns, "system": "".join(system)}
        if "chosen" in example.answers:
            row["chosen"] = _turn(example.answers["chosen"])
            row["rejected"] = _turn(example.answers["rejected"])
        if self.facts.has_tools:
            row["tools"] = json.dumps(example.tools) if example.tools else ""
        return row


def _turn(message: Message) -> dict[str, str]:
    if not message.get("tool_calls"):
        return {"from": _FROM[message["role"]], "value": message["content"]}
    calls = [
        {
            "name": call["function"]["name"],
            "arguments": json.loads(call["function"]["arguments"]),
        }
        for call in message["tool_calls"]
    ]
    value = calls[0] if len(calls) == 1 else calls
    return {"from": "function_call", "value": json.dumps(value, ensure_ascii=False)}
