"""A line's depth is judged by a limit of our own, the same wherever it is read."""

import json

import pytest

from batches.offers import Offer
from batches.validation import DEEPEST, LineValidator
from vllm_batch.lib.jsonl import Line, is_deeper_than

CHAT = "/v1/chat/completions"


def nested(depth: int) -> str:
    return "[" * depth + "]" * depth


def check(text: str):
    validator = LineValidator(
        CHAT, {"m": Offer()}, allow_mixed_models=False, max_line_bytes=1 << 20
    )
    content = text.encode()
    return validator.check(Line(1, 0, len(content), content))[1]


def line(extra: str) -> str:
    body = f'{{"model": "m", "messages": [], "extra": {extra}}}'
    return f'{{"custom_id": "a", "method": "POST", "url": "{CHAT}", "body": {body}}}'


def test_a_line_at_the_limit_is_valid():
    assert check(line(nested(DEEPEST - 2))) == []


@pytest.mark.parametrize("depth", [DEEPEST - 1, 950, 100_000])
def test_a_deeper_line_is_a_fault_of_its_line(depth: int):
    (fault,) = check(line(nested(depth)))

    assert (fault.code, fault.line) == ("invalid_json_line", 1)
    assert "flatter" in fault.message


def test_brackets_inside_strings_are_no_depth():
    text = json.dumps({"a": "[" * 1000 + '\\"' + "{" * 1000, "b": [[]]})

    assert not is_deeper_than(text.encode(), 3)
    assert is_deeper_than(text.encode(), 2)


def test_many_brackets_side_by_side_are_no_depth():
    assert check(line("[" + ",".join(["[]"] * 5000) + "]")) == []
