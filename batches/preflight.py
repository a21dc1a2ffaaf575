"""Look at a batch's lines before they run: tokens, lengths, duplicates, time.

Memory does not grow with the lines but for two tables of hashes, one entry a line and
one for each of at most a million prompt starts.
"""

import time
from dataclasses import dataclass, field
from typing import Any

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

from batches import faults
from batches.counting import (
    BYTES_PER_TOKEN,
    GENERATING,
    MOST_TOKENS,
    Count,
    Measures,
    OutputLimits,
    Uncountable,
    answer_count,
    answer_limit,
    estimate_input,
    find_measures,
    reserved_output,
)
from batches.faults import Fault
from batches.ordering import Traits, target_url
from batches.prefixes import PromptStarts
from batches.seen import SeenTexts
from vllm_batch.lib.conf import conf
from vllm_batch.lib.jsonl import Line

LISTED_LINES = 100
BUDGET_SPENT = (
    "Counting took its {seconds} s (BATCH_PREFLIGHT_SECONDS); the lines after that were"
    " estimated from those before."
)


class _Line(Struct):
    body: Raw


class _Limits(Struct):
    max_tokens: Raw | UnsetType = UNSET
    max_completion_tokens: Raw | UnsetType = UNSET
    max_output_tokens: Raw | UnsetType = UNSET
    n: Raw | UnsetType = UNSET


_line_decoder = msgspec.json.Decoder(_Line)
_limits_decoder = msgspec.json.Decoder(_Limits)


@dataclass
class LineList:
    """Lines with something in common: how many, and the first of them."""

    count: int = 0
    lines: list[int] = field(default_factory=list)

    def add(self, number: int) -> None:
        """Take a line's number."""
        self.count += 1
        if len(self.lines) < LISTED_LINES:
            self.lines.append(number)

    def as_json(self) -> dict[str, Any]:
        """Return both, for the report."""
        return {"count": self.count, "lines": self.lines}


@dataclass
class _Sums:
    """What the lines of one model add up to; `run` is without duplicates."""

    measures: Measures
    run_input: int = 0
    run_output: int = 0

    def seconds(self) -> float | None:
        return self.measures.seconds(self.run_input, self.run_output)


def make_preflight(
    endpoint: str, *, is_strict: bool, model: str | None = None
) -> "Preflight":
    """Return one as the settings say; for `model`, whatever the lines name."""
    return Preflight(
        endpoint,
        model=model,
        is_strict=is_strict,
        is_folding=conf().BATCH_FOLD_DUPLICATES,
        seconds=conf().BATCH_PREFLIGHT_SECONDS,
    )


class Preflight:
    """Takes the valid lines of one batch and tells what is to be expected of them.

    `is_strict` makes a fault of each line that is certainly too long for its model.
    After `seconds` of counting, lines are estimated.
    """

    def __init__(
        self,
        endpoint: str,
        *,
        is_strict: bool,
        is_folding: bool,
        seconds: float,
        model: str | None = None,
    ) -> None:
        self._endpoint = endpoint
        self._model = model
        self._is_strict = is_strict
        self._is_folding = is_folding
        self._budget = self._left = seconds
        self._models: dict[str, _Sums] = {}
        self._lines = self._exact = self._unlimited = 0
        self._input = self._output = self._enqueued = 0
        self._counted_bytes = self._counted_tokens = 0
        self._too_long, self._refused = LineList(), LineList()
        self._duplicates = 0
        self._folds = SeenTexts()
        self._starts = PromptStarts()
        self._reason = ""

    @property
    def enqueued_tokens(self) -> int:
        """Input tokens and the output tokens to reckon with, of all lines."""
        return self._enqueued

    def look(self, line: Line, model: str) -> list[Fault]:
        """Take a valid line; return its faults, of which there is one at most."""
        body = bytes(_line_decoder.decode(line.content).body)
        sums = self._sums_of(self._model or model)
        count = self._count(sums.measures, body, line.number)
        limits = _limits_decoder.decode(body)
        output = reserved_output(self._endpoint, limits, count.prompts)
        self._lines += 1
        self._exact += count.is_exact
        self._input += count.tokens
        self._enqueued += min(count.tokens + output, MOST_TOKENS)
        self._output += self._most_output(sums.measures, limits, count)
        self._fold(sums, body, count, output)
        return self._length_faults(sums.measures, limits, count, line.number)

    def _sums_of(self, model: str) -> _Sums:
        if model not in self._models:
            started = time.monotonic()
            measures = find_measures(model)
            self._left -= time.monotonic() - started
            self._reason = self._reason or measures.reason
            self._models[model] = _Sums(measures)
        return self._models[model]

    def _count(self, measures: Measures, body: bytes, number: int) -> Count:
        if measures.counter is None:
            return self._estimate(body)
        if self._left <= 0:
            self._reason = BUDGET_SPENT.format(seconds=round(self._budget))
            return self._estimate(body)
        started = time.monotonic()
        try:
            count = measures.counter(self._endpoint, body)
        except Uncountable as why:
            self._reason = self._reason or str(why)
            if why.is_refused:
                self._refused.add(number)
            return self._estimate(body)
        finally:
            self._left -= time.monotonic() - started
        self._counted_bytes += len(body)
        self._counted_tokens += count.tokens
        return count

    def _estimate(self, body: bytes) -> Count:
        ratio = float(BYTES_PER_TOKEN)
        if self._counted_tokens:
            ratio = self._counted_bytes / self._counted_tokens
        tokens = estimate_input(body, ratio)
        return Count(tokens, tokens, at_least=0)

    def _most_output(
        self, measures: Measures, limits: OutputLimits, count: Count
    ) -> int:
        """Return what the answers may be at most: the context's rest without limit."""
        if self._endpoint not in GENERATING:
            return 0
        if answer_limit(limits) is None:
            self._unlimited += 1
            if measures.max_model_len is not None:
                room = max(0, measures.max_model_len - count.longest)
                return min(room * answer_count(limits) * count.prompts, MOST_TOKENS)
        return reserved_output(self._endpoint, limits, count.prompts)

    def _fold(self, sums: _Sums, body: bytes, count: Count, output: int) -> None:
        url = target_url(self._endpoint, body)
        traits = Traits(url, body, fold=self._is_folding)
        if traits.fold_key and self._folds.add(traits.fold_key):
            self._duplicates += 1
            return
        sums.run_input += count.tokens
        sums.run_output += output
        self._starts.add(traits.prompt, count.tokens)

    def _length_faults(
        self, measures: Measures, limits: OutputLimits, count: Count, number: int
    ) -> list[Fault]:
        most, output = measures.max_model_len, 0
        if self._endpoint in GENERATING:
            # Without a limit, the engine needs room for one token at least.
            limit = answer_limit(limits)
            output = 1 if limit is None else limit
        if most is None or count.longest + output <= most:
            return []
        self._too_long.add(number)
        if not self._is_strict or count.at_least + output <= most:
            return []
        fault = faults.context_exceeded(
            self._endpoint, most, (count.longest, output), number
        )
        return [fault]

    def report(self) -> dict[str, Any]:
        """Return what was seen, as it stands in the batch object."""
        lengths = {sums.measures.max_model_len for sums in self._models.values()}
        share = self._starts.share()
        return {
            "lines": self._lines,
            "tokenizer": "model" if self._counted_tokens else "estimate",
            "tokenizer_reason": self._reason or None,
            "counted_lines": self._exact,
            "max_model_len": lengths.pop() if len(lengths) == 1 else None,
            "input_tokens": self._input,
            "max_output_tokens": self._output,
            "lines_without_output_limit": self._unlimited,
            "too_long": self._too_long.as_json(),
            "refused": self._refused.as_json(),
            "duplicates": self._duplicates,
            "shared_prefix_share": round(share, 4),
            "expected_seconds": self._seconds(),
            **self._certainty(),
        }

    def _seconds(self) -> float | None:
        found = [sums.seconds() for sums in self._models.values()]
        known = [seconds for seconds in found if seconds is not None]
        return round(sum(known), 1) if len(known) == len(found) else None

    def _certainty(self) -> dict[str, list[str]]:
        """Sort the figures into what was counted and what was estimated."""
        exact, estimated = ["lines", "duplicates"], ["shared_prefix_share"]
        counted = exact if self._exact == self._lines else estimated
        counted += ["input_tokens", "too_long"]
        (estimated if self._unlimited else exact).append("max_output_tokens")
        if self._seconds() is not None:
            estimated.append("expected_seconds")
        return {"exact": exact, "estimated": estimated}
