"""OpenAI's fine-tuning files, which Azure, Together and Fireworks read too."""

from collections.abc import Iterator
from typing import Any

from curation.exporters.base import Example, JsonlExporter, Problem
from curation.exporters.messages import without_empty


class OpenAISft(JsonlExporter):
    """`messages`, of which the last is the assistant's and is trained.

    Earlier turns of the assistant have weight 0: they are part of the prompt.
    """

    name = "openai-sft"
    title = "OpenAI chat fine-tuning"
    kinds = frozenset({"sft"})
    minimum = 10

    def row(self, example: Example) -> dict[str, Any]:
        """Return a line of the training file."""
        messages = [_untrained(message) for message in example.prompt]
        row: dict[str, Any] = {"messages": [*messages, without_empty(example.answer)]}
        if example.tools:
            row["tools"] = example.tools
        return row


def _untrained(message: dict[str, Any]) -> dict[str, Any]:
    message = without_empty(message)
    return {**message, "weight": 0} if message["role"] == "assistant" else message


class OpenAIDpo(JsonlExporter):
    """`input`, `preferred_output`, `non_preferred_output`: one turn each, text only."""

    name = "openai-dpo"
    title = "OpenAI preference fine-tuning"
    kinds = frozenset({"dpo"})
    minimum = 10

    def validate(self, example: Example) -> Iterator[Problem]:
        """Refuse answers that are no text."""
        yield from super().validate(example)
        for place, answer in example.answers.items():
            if "tool_calls" in answer:
                yield Problem(f"{place}.tool_calls", "preferences are text only")

    def row(self, example: Example) -> dict[str, Any]:
        """Return a line of the training file."""
        asked = {
            "messages": [without_empty(message) for message in example.prompt],
            "tools": example.tools or [],
            "parallel_tool_calls": True,
        }
        return {
            "input": asked,
            "preferred_output": [example.answers["chosen"]],
            "non_preferred_output": [example.answers["rejected"]],
        }
