"""Engine arguments as `vllm serve`'s command line."""

from typing import Any

import pytest

from workers.engines.vllm import flags_of


@pytest.mark.parametrize(
    ("value", "flags"),
    [
        (4096, ["--an-arg", "4096"]),
        (0, ["--an-arg", "0"]),
        (0.9, ["--an-arg", "0.9"]),
        ("auto", ["--an-arg", "auto"]),
        ("", ["--an-arg", ""]),
        (True, ["--an-arg"]),
        (False, ["--no-an-arg"]),
        (None, []),
        ({"a": {"b": 1}}, ["--an-arg", '{"a": {"b": 1}}']),
        (["a", "b"], ["--an-arg", "a", "b"]),
        ([{"a": 1}, "b"], ["--an-arg", '{"a": 1}', "b"]),
        ([1, 2], ["--an-arg", "1", "2"]),
    ],
)
def test_a_value_is_written_as_vllm_takes_it(value: Any, flags: list[str]):
    assert flags_of({"an_arg": value}) == flags


def test_arguments_keep_their_order():
    assert flags_of({"b": 1, "a": True}) == ["--b", "1", "--a"]


def test_no_arguments_are_no_flags():
    assert flags_of({}) == []
