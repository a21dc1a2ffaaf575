"""Generic JSONL: a prompt and answers in the fields that people use.

`prompt`, a text or messages, or `messages` (with an answer last, if no other field has
one); `system`, `tools`, `response_format`. Answers: `answers`, a list; or `chosen` and
`rejected`; or one in `answer`, `completion`, `response` or `output`. Also `id`,
`model`, `corrections` (a list of texts), and `gold` (true) with a single answer.
"""

from typing import Any

from curation.importing.records import (
    BadRecord,
    ForeignAnswer,
    Record,
    answer_of,
    prompt_of,
)

_SINGLE = ("answer", "completion", "response", "output")


def read_row(row: Any) -> Record:
    """Read one object; raises BadRecord."""
    if not isinstance(row, dict):
        raise BadRecord("the line is no object")
    answers, chosen = _answers(row)
    prompt = _prompt(row)
    if not answers:
        prompt, answers = _split(prompt)
    corrections = row.get("corrections")
    texts = corrections if isinstance(corrections, list) else []
    is_gold = row.get("gold") is True and len(answers) == 1
    return Record(
        prompt_of(prompt, row),
        answers,
        row,
        key=str(row.get("id", row.get("custom_id", ""))),
        chosen=0 if is_gold else chosen,
        is_gold=is_gold,
        corrections=tuple(text for text in texts if isinstance(text, str)),
    )


def _prompt(row: dict[str, Any]) -> Any:
    for key in ("prompt", "messages", "instruction", "question"):
        if row.get(key):
            return row[key]
    # TRL's implicit prompts: what chosen and rejected begin with.
    chosen = row.get("chosen")
    if isinstance(chosen, list) and len(chosen) > 1:
        return chosen[:-1]
    raise BadRecord("there is neither 'prompt' nor 'messages'")


def _answers(row: dict[str, Any]) -> tuple[tuple[ForeignAnswer, ...], int | None]:
    model = row["model"] if isinstance(row.get("model"), str) else ""
    if isinstance(row.get("answers"), list):
        return tuple(answer_of(one, model) for one in row["answers"]), None
    if "chosen" in row and "rejected" in row:
        return (answer_of(row["chosen"]), answer_of(row["rejected"])), 0
    for key in _SINGLE:
        if key in row:
            return (answer_of(row[key], model),), None
    return (), None


def _split(prompt: Any) -> tuple[Any, tuple[ForeignAnswer, ...]]:
    """Take the last message for the answer, if it is the assistant's."""
    is_chat = isinstance(prompt, list) and len(prompt) > 1
    if (
        is_chat
        and isinstance(prompt[-1], dict)
        and prompt[-1].get("role") == "assistant"
    ):
        return prompt[:-1], (answer_of(prompt[-1]),)
    raise BadRecord("there is no answer")
