"""TRL's conversational forms, with an explicit prompt.

All rows of a file have the same columns: TRL tells the form from the first row.
`tools` is JSON in a string, as TRL takes it; arguments of calls are objects, as chat
templates want them.
"""

import json
from typing import Any

from curation.exporters.base import Example, JsonlExporter
from curation.exporters.messages import parsed_calls


class _Trl(JsonlExporter):
    """What TRL's forms have in common."""

    def row(self, example: Example) -> dict[str, Any]:
        """Return an example's columns."""
        row: dict[str, Any] = {"prompt": [parsed_calls(one) for one in example.prompt]}
        for place, answer in example.answers.items():
            row[place] = [parsed_calls(answer)]
        if example.label is not None:
            row["label"] = example.label
        if self.facts.has_tools:
            row["tools"] = json.dumps(example.tools) if example.tools else None
        return row


class TrlSft(_Trl):
    """`prompt` and `completion`: only the completion is trained."""

    name = "trl-sft"
    title = "TRL SFTTrainer, prompt and completion"
    kinds = frozenset({"sft"})


class TrlDpo(_Trl):
    """`prompt`, `chosen` and `rejected`."""

    name = "trl-dpo"
    title = "TRL DPOTrainer, explicit prompt"
    kinds = frozenset({"dpo"})


class TrlKto(_Trl):
    """`prompt`, `completion` and `label`."""

    name = "trl-kto"
    title = "TRL KTOTrainer"
    kinds = frozenset({"kto"})
