"""Batch files as strategies: lines that are good, and lines with one fault."""

import json
from typing import Any, NamedTuple

from hypothesis import strategies as st

CHAT = "/v1/chat/completions"
# All of Unicode but surrogates, which no UTF-8 can hold.
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
NUMBERS = st.one_of(
    st.integers(-(2**70), 2**70),
    st.sampled_from([2**63, 2**64, -(2**63) - 1, 10**400]),
    st.floats(allow_nan=False, allow_infinity=False),
)
VALUES: st.SearchStrategy[Any] = st.recursive(
    st.one_of(st.none(), st.booleans(), NUMBERS, TEXTS),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(TEXTS, inner, max_size=4)
    ),
    max_leaves=12,
)
SPACES = st.text(" \t\r", max_size=3)
# Keys that mean something to us or to the stub; all others are only passed on.
_OURS = ("model", "messages", "stream", "n", "text", "tools", "stop")


class Written(NamedTuple):
    """A line: its text, whether it is good, its custom_id and its body as written."""

    text: str
    is_good: bool
    custom_id: str = ""
    body: str = ""


@st.composite
def json_text(draw: st.DrawFn, value: Any) -> str:
    """Write a value as JSON in one of its many ways."""
    space = draw(SPACES)
    return json.dumps(
        value,
        ensure_ascii=draw(st.booleans()),
        separators=(f"{space},{space}", f"{space}:{space}"),
    )


@st.composite
def good_line(draw: st.DrawFn) -> Written:
    """Write a request that is to run, whatever else is in it."""
    extra = draw(st.dictionaries(TEXTS, VALUES, max_size=4))
    body = {key: value for key, value in extra.items() if key not in _OURS}
    body |= {"model": "stub", "messages": [{"role": "user", "content": "BODY"}]}
    # "_url" in a key is a model's business: test_limits has it.
    written = draw(json_text(body))
    custom_id = draw(TEXTS.filter(lambda text: "\0" not in text)) + "-"
    custom_id += str(draw(st.uuids()))
    head = {"custom_id": custom_id, "method": "POST", "url": CHAT}
    parts = [
        f"{draw(json_text(key))}:{draw(SPACES)}{draw(json_text(value))}"
        for key, value in head.items()
    ]
    parts.append(f'"body":{draw(SPACES)}{written}')
    text = ",".join(draw(st.permutations(parts)))
    start, end = draw(SPACES), draw(SPACES)
    return Written(f"{start}{{{text}}}{end}", True, custom_id, written)


def _without(key: str) -> Any:
    return lambda line: {k: v for k, v in line.items() if k != key}


def _with(key: str, *values: Any) -> list[Any]:
    return [lambda line, v=value: {**line, key: v} for value in values]


def _body(key: str, *values: Any) -> list[Any]:
    return [
        lambda line, v=value: {**line, "body": {**line["body"], key: v}}
        for value in values
    ]


FAULTS = [
    *map(_without, ("custom_id", "method", "url", "body")),
    *_with("custom_id", "", "a\0", "\ud800", 1, []),
    *_with("method", "GET", "P\0", "", 1, None),
    *_with("url", "/v1/x", "\0", "", 1, None),
    *_with("body", "x", [], 1, None, {}),
    *_body("model", "", "other", "a\0b", "\u2028", 1, None, {}, "m" * 999),
    *_body("messages", None),
    *_body("stream", True, 1),
]
_NO_JSON = st.one_of(
    TEXTS.map(lambda text: f"x{text}"),
    st.sampled_from(["[]", "1", '"a"', "null", "{", "}", "{}}", "NaN", "[" * 300]),
)


@st.composite
def bad_line(draw: st.DrawFn) -> Written:
    """Write a line with a fault: no JSON, no end, or a key that is not right."""
    good = draw(good_line())
    kind = draw(st.sampled_from(["no json", "cut", "key"]))
    if kind == "no json":
        return Written(draw(_NO_JSON).replace("\n", " "), False)
    if kind == "cut":
        text = good.text.strip()
        return Written(text[: draw(st.integers(1, len(text) - 1))], False)
    change = draw(st.sampled_from(FAULTS))
    return Written(json.dumps(change(json.loads(good.text))), False)


def file_of(written: list[Written]) -> bytes:
    """Return the file of these lines."""
    return "".join(f"{line.text}\n" for line in written).encode()
