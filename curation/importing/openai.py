"""OpenAI's files: fine-tuning (SFT and preferences), evals and datasets.

Recognised by their keys: `input` with `preferred_output`; `item` with `sample`, which
is a row of an eval run; `input` with `ideal`, a sample of openai/evals; `input` with
`output`; `messages`.
"""

from typing import Any

from curation.importing import generic
from curation.importing.records import BadRecord, Record, answer_of, prompt_of

_PROMPTS = ("input", "messages", "prompt", "question", "instruction", "query")
_IDEALS = ("ideal", "correct_answer", "expected_output", "reference", "output")


def read_row(row: Any) -> Record:
    """Read one object; raises BadRecord."""
    if not isinstance(row, dict):
        raise BadRecord("the line is no object")
    if "preferred_output" in row:
        return _preference(row)
    if isinstance(row.get("item"), dict):
        return _of_eval(row)
    if "input" in row and ("ideal" in row or "output" in row):
        return _sample(row)
    return generic.read_row(row)


def _preference(row: dict[str, Any]) -> Record:
    asked = row.get("input")
    if not isinstance(asked, dict):
        raise BadRecord("'input' is no object")
    pair = (row["preferred_output"], row.get("non_preferred_output"))
    prompt = prompt_of(asked.get("messages"), asked)
    return Record(prompt, tuple(answer_of(one) for one in pair), row, chosen=0)


def _of_eval(row: dict[str, Any]) -> Record:
    item = row["item"]
    sample = row["sample"] if isinstance(row.get("sample"), dict) else {}
    model = sample["model"] if isinstance(sample.get("model"), str) else ""
    answers = []
    said = sample.get("output_text") or sample.get("output")
    if said:
        answers.append(answer_of(said, model))
    ideal = _first(item, _IDEALS)
    if ideal is not None:
        answers.append(answer_of(ideal, "reference"))
    if not answers:
        raise BadRecord("there is neither an output nor a reference")
    asked = sample.get("input") or _first(item, _PROMPTS)
    return Record(
        prompt_of(asked, item),
        tuple(answers),
        row,
        key=str(row.get("id", "")),
        chosen=len(answers) - 1 if ideal is not None else None,
    )


def _sample(row: dict[str, Any]) -> Record:
    ideal = row.get("ideal")
    if ideal is None:
        model = row["model"] if isinstance(row.get("model"), str) else ""
        answers = [answer_of(row["output"], model)]
    else:
        ideals = ideal if isinstance(ideal, list) else [ideal]
        answers = [answer_of(one, "reference") for one in ideals]
    if not answers:
        raise BadRecord("there is no answer")
    chosen = None if ideal is None else 0
    return Record(prompt_of(row["input"], row), tuple(answers), row, chosen=chosen)


def _first(item: dict[str, Any], keys: tuple[str, ...]) -> Any:
    return next((item[key] for key in keys if item.get(key)), None)
