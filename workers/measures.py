"""By what a model's requests are measured, for those who may not import the workers."""

import logging
from pathlib import Path
from typing import Any

from batches.counting import Counter, Measures
from workers.engines import VLLM_ENGINES
from workers.memory.errors import CannotPlan
from workers.memory.sources import read_model, source_of_served
from workers.models import ServedModel
from workers.served.names import bases
from workers.served.tokenizing import NoTokenizer, Place, TokenCounter, find_tokenizer

logger = logging.getLogger(__name__)

LARGEST_TEMPLATE = 1 << 20


def find_measures(name: str) -> Measures:
    """Return the measures of a model by a name that clients use, an adapter's too."""
    base = bases().get(name)
    served = ServedModel.objects.filter(name=base).first() if base else None
    if served is None:
        return Measures(reason="The model is not served here.")
    longest = _longest(served)
    counter, reason = _counter(served, longest)
    return Measures(
        max_model_len=longest,
        input_tokens_per_second=served.input_tokens_per_second,
        output_tokens_per_second=served.output_tokens_per_second,
        counter=counter,
        reason=reason,
    )


def _longest(served: ServedModel) -> int | None:
    """Return max_model_len as it is set, else what the model was made for."""
    value = served.engine_args.get("max_model_len")
    if isinstance(value, int) and value > 0:
        return value
    try:
        # vLLM takes -1 as "as long as fits": no more than this.
        return read_model(source_of_served(served)).config.longest
    except CannotPlan:
        return None


def _counter(served: ServedModel, longest: int | None) -> tuple[Counter | None, str]:
    """Return what counts the model's tokens, or None and why there is nothing."""
    args = served.engine_args
    if served.engine not in VLLM_ENGINES:
        return None, f"The engine {served.engine} has its tokenizer elsewhere."
    place = Place(
        str(args.get("tokenizer") or served.source),
        str(args.get("tokenizer_revision") or served.revision),
    )
    try:
        if args.get("tokenizer_mode", "auto") not in ("auto", "hf", "slow"):
            raise NoTokenizer(
                f"Tokenizers of mode {args['tokenizer_mode']} are not read."
            )
        tokenizer = find_tokenizer(place)
        template = _template(served)
    except NoTokenizer as reason:
        return None, str(reason)
    has_chat = bool(template or getattr(tokenizer, "chat_template", None))
    counter = TokenCounter(
        tokenizer, template=template, longest=longest, has_chat=has_chat
    )
    return counter.count, ""


def _template(served: ServedModel) -> str:
    """Return the chat template that is not the tokenizer's own: a path or Jinja."""
    given: Any = served.engine_args.get("chat_template") or served.chat_template
    text = str(given or "")
    if not text or "{" in text or "\n" in text:
        return text
    try:
        with Path(text).open(encoding="utf-8") as stream:
            return stream.read(LARGEST_TEMPLATE)
    except (OSError, ValueError) as error:
        logger.warning("the chat template %s could not be read: %s", text, error)
        raise NoTokenizer("The model's chat template could not be read.") from error
