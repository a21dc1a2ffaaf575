"""Count tokens with a model's own tokenizer and chat template.

`transformers` is imported only here, and only when something is counted. Code that
comes with a model is never run, and nothing is downloaded.
"""

import logging
import threading
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

from batches.counting import Count, Uncountable
from workers.served.prompts import Chat, Prompts, parse_prompts

logger = logging.getLogger(__name__)

# Tokenizers are some 50 MB each; the process that validates keeps the last used ones.
MOST_KEPT = 4
# Longer texts are counted in pieces, and what is beyond the last by its length.
PIECE_CHARACTERS, MOST_PIECES = 1 << 16, 16


class NoTokenizer(Exception):
    """There is no tokenizer to count with; str() is a sentence for clients."""


@dataclass(frozen=True)
class Place:
    """Where a tokenizer lies: a folder or a hub id in this machine's cache."""

    source: str
    revision: str = ""


class TokenCounter:
    """Counts what vLLM would count for a model's requests."""

    def __init__(
        self, tokenizer: Any, *, template: str, longest: int | None, has_chat: bool
    ) -> None:
        self._tokenizer = tokenizer
        self._template = template or None
        self._longest = longest
        self._has_chat = has_chat

    def count(self, endpoint: str, body: bytes) -> Count:
        """Return a request's tokens; raises Uncountable and nothing else."""
        prompts = parse_prompts(endpoint, body)
        try:
            return self._count(prompts)
        except Uncountable:
            raise
        except Exception as error:  # noqa: BLE001 - the edge: models' files raise anything
            logger.debug("a request was not counted", exc_info=True)
            kind = type(error).__name__
            raise Uncountable(f"The tokenizer raised {kind}.") from error

    def _count(self, prompts: Prompts) -> Count:
        texts, is_exact = prompts.texts, True
        if prompts.chat is not None:
            texts, is_exact = [self._render(prompts.chat)], prompts.chat.is_exact
        found = [(tokens, tokens) for tokens in prompts.token_counts]
        found += [self._encode(text, prompts.has_special_tokens) for text in texts]
        most = self._truncation(prompts)
        if most is not None:
            found = [(min(n, most), min(sure, most)) for n, sure in found]
        longest, at_least = max(found)
        return Count(
            tokens=sum(tokens for tokens, _ in found),
            longest=longest,
            at_least=at_least if is_exact else at_least // 2,
            prompts=len(found),
        )

    def _render(self, chat: Chat) -> str:
        if not self._has_chat:
            raise Uncountable("The model has no chat template.", is_refused=True)
        try:
            rendered = self._tokenizer.apply_chat_template(
                chat.messages,
                chat_template=self._template,
                tokenize=False,
                **chat.options,
            )
        except Exception as error:  # noqa: BLE001 - the edge: templates raise anything
            why = f"The chat template refuses it: {type(error).__name__}."
            raise Uncountable(why, is_refused=True) from error
        return str(rendered)

    def _encode(self, text: str, has_special: bool) -> tuple[int, int]:
        """Return a text's tokens, and how many it has for certain."""
        if len(text) <= PIECE_CHARACTERS:
            tokens = self._tokens(text, has_special)
            return tokens, tokens
        tokens = end = 0
        for _ in range(MOST_PIECES):
            piece = text[end : end + PIECE_CHARACTERS]
            tokens += self._tokens(piece, False)
            end += len(piece)
            if end >= len(text):
                break
        # A cut between two pieces adds a few tokens; half is on the safe side.
        return tokens * len(text) // end, tokens // 2

    def _tokens(self, text: str, has_special: bool) -> int:
        return len(
            self._tokenizer.encode(text, add_special_tokens=has_special, verbose=False)
        )

    def _truncation(self, prompts: Prompts) -> int | None:
        if prompts.truncated_to == -1:
            # vLLM keeps a token's room for the answer.
            return None if self._longest is None else self._longest - 1
        return prompts.truncated_to


_kept: OrderedDict[Place, Any] = OrderedDict()
_lock = threading.Lock()


def find_tokenizer(place: Place) -> Any:
    """Return a tokenizer, from this process's memory if it was used before.

    Raises NoTokenizer.
    """
    with _lock:
        if place in _kept:
            _kept.move_to_end(place)
            return _kept[place]
        tokenizer = _load(place)
        _kept[place] = tokenizer
        if len(_kept) > MOST_KEPT:
            _kept.popitem(last=False)
        return tokenizer


def _load(place: Place) -> Any:
    try:
        from transformers import AutoTokenizer
    except ImportError as error:
        raise NoTokenizer(
            "The package transformers is not installed where batches are validated."
        ) from error
    try:
        return AutoTokenizer.from_pretrained(
            place.source,
            revision=place.revision or "main",
            trust_remote_code=False,
            local_files_only=True,
        )
    except Exception as error:  # noqa: BLE001 - the edge: foreign files raise anything
        logger.warning("no tokenizer in %s: %s", place.source, error)
        raise NoTokenizer(
            "The model's tokenizer could not be loaded where batches are validated;"
            " the server's log says why."
        ) from error
