"""In which order a chunk's requests run, and which of them are the same. Pure.

Requests that start alike follow each other, so that vLLM's prefix cache has their
common start still (performance §1, row 8); in such a group the longest answers go
first, so that none is left alone at the end. Order in the output is not promised.
"""

import hashlib

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

# Prompts that share this many bytes count as one group.
GROUP_BYTES = 1024
# Endpoints whose answers follow from the request alone.
_ALWAYS_EQUAL = frozenset({"/v1/embeddings", "/v1/score", "/v1/rerank"})


class _Body(Struct):
    messages: Raw | UnsetType = UNSET
    prompt: Raw | UnsetType = UNSET
    input: Raw | UnsetType = UNSET
    max_tokens: int | None = None
    max_completion_tokens: int | None = None
    temperature: float | None = None
    n: int | None = None


class _Rerank(Struct):
    query: Raw
    documents: Raw
    queries: Raw | UnsetType = UNSET


_decoder = msgspec.json.Decoder(_Body)
_rerank_decoder = msgspec.json.Decoder(_Rerank)
_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
_NOTHING = _Body()


class Traits:
    """What a request's body says about how it may be run."""

    __slots__ = ("fold_key", "sort_key")

    def __init__(self, url: str, body: bytes, *, fold: bool) -> None:
        try:
            fields = _decoder.decode(body)
        except _UNREADABLE:
            fields = _NOTHING
        start = _prompt(fields)
        longest = fields.max_completion_tokens or fields.max_tokens or 0
        self.sort_key = (start[:GROUP_BYTES], -longest, start)
        self.fold_key = b""
        if fold and _has_one_answer(url, fields):
            self.fold_key = hashlib.blake2b(body, digest_size=16).digest()

    @property
    def prompt(self) -> bytes:
        """The request's prompt, as JSON; empty if there is none."""
        return self.sort_key[2]


def _prompt(fields: _Body) -> bytes:
    for raw in (fields.messages, fields.prompt, fields.input):
        if not isinstance(raw, UnsetType):
            return bytes(raw)
    return b""


def _has_one_answer(url: str, fields: _Body) -> bool:
    """Tell whether equal requests get equal answers: nothing is drawn at random."""
    if url in _ALWAYS_EQUAL:
        return True
    return fields.temperature == 0 and fields.n in (None, 1)


def target_url(endpoint: str, body: bytes) -> str:
    """Return where a line of a batch for `endpoint` is sent.

    openai-batch sends rerank requests to /v1/score, which vLLM refuses there: a query
    and its documents are what /v1/rerank takes (contract 9).
    """
    if endpoint != "/v1/score" or b'"documents"' not in body:
        return endpoint
    try:
        fields = _rerank_decoder.decode(body)
    except _UNREADABLE:
        return endpoint
    return "/v1/rerank" if isinstance(fields.queries, UnsetType) else endpoint
