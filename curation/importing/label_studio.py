"""Label Studio's JSON export: tasks with their data and annotations.

Prompt and answers are found by the names that Label Studio's own templates use. What
people decided comes from `pairwise`, `choices` and `ranker` results, what they wrote
from `textarea`. Results are read by control and type only: the page itself stores
pairwise results that point at themselves.
"""

from collections.abc import Iterator
from typing import Any

from curation.importing.records import (
    BadRecord,
    ForeignAnswer,
    Record,
    answer_of,
    prompt_of,
)

_PROMPTS = ("prompt", "messages", "instruction", "question", "input", "dialogue")
_PAIRS = (
    ("answer1", "answer2"),
    ("answer_a", "answer_b"),
    ("response1", "response2"),
    ("response_a", "response_b"),
    ("pairText1", "pairText2"),
    ("text1", "text2"),
    ("chosen", "rejected"),
)
_LISTS = ("answers", "responses", "items")
_SINGLE = ("answer", "response", "output", "completion", "text")
_LEFT = ("left", "a", "a better", "answer1", "1", "first")
_RIGHT = ("right", "b", "b better", "answer2", "2", "second")


def read_row(row: Any) -> Record:
    """Read one task; raises BadRecord."""
    if not isinstance(row, dict) or not isinstance(row.get("data"), dict):
        raise BadRecord("a task has no 'data' object")
    data = row["data"]
    answers, ids = _answers(data)
    results = list(_results(row))
    prompt = next((data[key] for key in _PROMPTS if data.get(key)), None)
    return Record(
        prompt_of(prompt, data),
        answers,
        row,
        key=str(row.get("id", "")),
        chosen=_chosen(results, ids, len(answers)),
        corrections=tuple(_texts(results)),
    )


def _answers(data: dict[str, Any]) -> tuple[tuple[ForeignAnswer, ...], list[str]]:
    """Return the answers, and the ids that rankings call them by."""
    for pair in _PAIRS:
        if all(data.get(key) is not None for key in pair):
            return tuple(answer_of(data[key]) for key in pair), list(pair)
    for key in _LISTS:
        found = data.get(key)
        if isinstance(found, list) and found:
            ids = [
                str(one.get("id", "")) if isinstance(one, dict) else "" for one in found
            ]
            return tuple(answer_of(_body(one)) for one in found), ids
    for key in _SINGLE:
        if data.get(key) is not None:
            return (answer_of(data[key]),), [key]
    raise BadRecord("there is no answer in a field that is known")


def _body(one: Any) -> Any:
    """Return a ranker item's text, which is in `body`."""
    if isinstance(one, dict) and isinstance(one.get("body"), str):
        return {**one, "text": one["body"]}
    return one


def _results(row: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    annotations = row.get("annotations")
    for annotation in annotations if isinstance(annotations, list) else []:
        if not isinstance(annotation, dict) or annotation.get("was_cancelled"):
            continue
        results = annotation.get("result")
        for result in results if isinstance(results, list) else []:
            if isinstance(result, dict) and isinstance(result.get("value"), dict):
                yield str(result.get("type")), result["value"]


def _chosen(
    results: list[tuple[str, dict[str, Any]]], ids: list[str], count: int
) -> int | None:
    """Return the answer people chose; None if they did not, or not all the same."""
    votes = [vote for kind, value in results if (vote := _vote(kind, value, ids)) != -1]
    fit = {vote for vote in votes if vote is not None and vote < count}
    return fit.pop() if len(fit) == 1 and len(set(votes)) == 1 else None


def _vote(kind: str, value: dict[str, Any], ids: list[str]) -> int | None:
    """Return the place of the answer voted for, None for a tie, -1 for no vote."""
    if kind == "pairwise":
        return _side(value.get("selected"))
    if kind == "choices" and isinstance(value.get("choices"), list):
        sides = [_side(choice) for choice in value["choices"]]
        return next((side for side in sides if side != -1), -1)
    if kind == "ranker" and isinstance(value.get("ranker"), dict):
        for bucket in value["ranker"].values():
            if isinstance(bucket, list) and bucket and str(bucket[0]) in ids:
                return ids.index(str(bucket[0]))
    return -1


def _side(said: object) -> int | None:
    word = said.strip().lower() if isinstance(said, str) else ""
    if word in _LEFT:
        return 0
    if word in _RIGHT:
        return 1
    return None if word in ("tie", "both bad", "equal") else -1


def _texts(results: list[tuple[str, dict[str, Any]]]) -> Iterator[str]:
    for kind, value in results:
        text = value.get("text") if kind == "textarea" else None
        for one in text if isinstance(text, list) else [text]:
            if isinstance(one, str) and one.strip():
                yield one
