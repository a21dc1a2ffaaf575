"""How many tokens a request takes: counted by the model's tokenizer, or estimated.

Who can count is found by a dotted path (`settings.MODEL_MEASURES`), because imports
point up only.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, Protocol, cast

from django.conf import settings
from django.utils.module_loading import import_string
from msgspec import Raw, UnsetType

# Of usual text in usual tokenizers; a whole body has some keys and quotes beside it.
BYTES_PER_TOKEN = 4
# Answers without a limit may fill the model's context; few do.
ASSUMED_OUTPUT_TOKENS = 1024
# No line counts for more, so that a batch's sum fits a column of 64 bits.
MOST_TOKENS = 1 << 40
GENERATING = frozenset({"/v1/chat/completions", "/v1/completions", "/v1/responses"})
# Media inside a request: no engine takes it as text.
_EMBEDDED = re.compile(rb";base64,[A-Za-z0-9+/=_\\-]+")


class Uncountable(Exception):
    """A request whose tokens cannot be counted; str() says why.

    `is_refused` tells that the engine will not take it either.
    """

    def __init__(self, why: str, *, is_refused: bool = False) -> None:
        super().__init__(why)
        self.is_refused = is_refused


class Count(NamedTuple):
    """Input tokens of one request.

    `tokens` of all its prompts, `longest` of the longest one; `at_least` is what that
    one has for certain: the same if it was counted in one piece.
    """

    tokens: int
    longest: int
    at_least: int
    prompts: int = 1

    @property
    def is_exact(self) -> bool:
        """Tell whether the engine will count the same."""
        return self.at_least == self.longest


Counter = Callable[[str, bytes], Count]


@dataclass(frozen=True, kw_only=True)
class Measures:
    """What a model's requests are measured by: its longest, its pace, its tokenizer.

    `counter` takes an endpoint and a body; it raises Uncountable and nothing else.
    Without one, `reason` says why.
    """

    max_model_len: int | None = None
    input_tokens_per_second: float | None = None
    output_tokens_per_second: float | None = None
    counter: Counter | None = None
    reason: str = ""

    def seconds(self, input_tokens: int, output_tokens: int) -> float | None:
        """Return how long so many tokens take at the model's pace, if it is known.

        Input and output were measured side by side, so the slower one tells.
        """
        found = 0.0
        for tokens, pace in (
            (input_tokens, self.input_tokens_per_second),
            (output_tokens, self.output_tokens_per_second),
        ):
            if tokens and not pace:
                return None
            found = max(found, tokens / pace if pace else 0.0)
        return found


def find_measures(model: str) -> Measures:
    """Ask whoever knows for what a model's requests are measured by."""
    return cast(Measures, import_string(settings.MODEL_MEASURES)(model))


class OutputLimits(Protocol):
    """The keys of a body that limit its answers, of whatever JSON type they are."""

    @property
    def max_tokens(self) -> Raw | UnsetType:
        """The old word of chat, and that of completions."""

    @property
    def max_completion_tokens(self) -> Raw | UnsetType:
        """Chat's word."""

    @property
    def max_output_tokens(self) -> Raw | UnsetType:
        """The word of responses."""

    @property
    def n(self) -> Raw | UnsetType:
        """How many answers a prompt gets."""


def answer_limit(body: OutputLimits) -> int | None:
    """Return the most tokens of one answer, None if the request does not say."""
    for raw in (body.max_completion_tokens, body.max_output_tokens, body.max_tokens):
        if (limit := _whole(raw)) is not None:
            return limit
    return None


def answer_count(body: OutputLimits) -> int:
    """Return how many answers a prompt gets."""
    return _whole(body.n) or 1


def _whole(raw: Raw | UnsetType) -> int | None:
    if isinstance(raw, UnsetType):
        return None
    digits = bytes(raw).strip()
    if not digits.isdigit():
        return None  # the engine says what is wrong with it
    return min(int(digits), MOST_TOKENS) if len(digits) < 20 else MOST_TOKENS


def estimate_input(body: bytes, bytes_per_token: float = BYTES_PER_TOKEN) -> int:
    """Return the input tokens of a body by its length, without embedded media."""
    return max(1, int((len(body) - _embedded(body)) / bytes_per_token))


def _embedded(body: bytes) -> int:
    if b";base64," not in body:
        return 0  # nearly all of them
    return sum(len(found[0]) for found in _EMBEDDED.finditer(body))


def estimate_enqueued(endpoint: str, body: bytes, limits: OutputLimits) -> int:
    """Return what a request counts against a quota: its input and longest answers."""
    return estimate_input(body) + reserved_output(endpoint, limits)


def reserved_output(endpoint: str, limits: OutputLimits, prompts: int = 1) -> int:
    """Return the output tokens to reckon with; no limit counts as a usual answer."""
    if endpoint not in GENERATING:
        return 0
    limit = answer_limit(limits)
    each = ASSUMED_OUTPUT_TOKENS if limit is None else limit
    return min(each * answer_count(limits) * prompts, MOST_TOKENS)
