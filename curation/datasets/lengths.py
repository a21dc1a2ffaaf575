"""How many tokens examples have, by a served model's own tokenizer."""

from typing import Any

import msgspec

from batches.counting import Measures, Uncountable, find_measures
from curation.exporters.base import Example

CHAT = "/v1/chat/completions"
# Where TRL cuts unless it is told otherwise.
TRL_LENGTH = 1024


class Lengths:
    """Counts examples as they are checked; a pair counts by its longer side."""

    def __init__(self, model: str) -> None:
        self._model = model
        self._measures = find_measures(model) if model else Measures()
        self._counts = self._total = self._longest = self._uncounted = 0
        self._over_trl = self._over_model = self._untrained = 0

    def add(self, example: Example) -> None:
        """Take an example."""
        if self._measures.counter is None:
            return
        try:
            length = max(map(self._length, self._bodies(example)))
        except Uncountable:
            self._uncounted += 1
            return
        self._counts += 1
        self._total += length
        self._longest = max(self._longest, length)
        if length > TRL_LENGTH:
            self._over_trl += 1
            # TRL keeps the start: of these nothing is left but the prompt.
            self._untrained += self._prompt_length(example) >= TRL_LENGTH
        limit = self._measures.max_model_len
        self._over_model += limit is not None and length > limit

    def _prompt_length(self, example: Example) -> int:
        tools = {"tools": example.tools} if example.tools else {}
        body = {"model": self._model, "messages": example.prompt, **tools}
        try:
            return self._length(msgspec.json.encode(body))
        except Uncountable:
            return 0

    def _length(self, body: bytes) -> int:
        assert self._measures.counter is not None  # noqa: S101 - add() looked
        return self._measures.counter(CHAT, body).longest

    def _bodies(self, example: Example) -> list[bytes]:
        tools = {"tools": example.tools} if example.tools else {}
        bodies = [
            {
                "model": self._model,
                "messages": [*example.prompt, answer],
                "add_generation_prompt": False,
                **tools,
            }
            for answer in example.answers.values()
        ]
        return [msgspec.json.encode(body) for body in bodies]

    def report(self) -> dict[str, Any]:
        """Return what was counted, or why nothing was."""
        if self._measures.counter is None:
            reason = self._measures.reason if self._model else "No tokenizer was named."
            return {"model": self._model, "counted": 0, "reason": reason}
        return {
            "model": self._model,
            "counted": self._counts,
            "uncounted": self._uncounted,
            "mean": round(self._total / max(1, self._counts)),
            "longest": self._longest,
            f"over_{TRL_LENGTH}": self._over_trl,
            f"untrained_{TRL_LENGTH}": self._untrained,
            "over_max_model_len": self._over_model,
        }
