"""Batch files nobody tuned for: seeded, generated when needed, never committed."""

import json
import random
from collections.abc import Iterator

_TEXT = """
the a model batch line answer question summer river stone light quick slow green seven
table window music paper garden engine letter number city train
"""
_WORDS = _TEXT.split()


def sentence(generator: random.Random, words: int) -> str:
    """Return so many words."""
    return " ".join(generator.choices(_WORDS, k=words))


def chat_lines(
    count: int, *, model: str, words: int = 120, seed: int = 1
) -> Iterator[bytes]:
    """Yield chat requests of about `words` words, each with a length of its own."""
    generator = random.Random(seed)
    for number in range(count):
        text = sentence(
            generator, max(1, int(generator.lognormvariate(0, 0.5) * words))
        )
        body = {
            "model": model,
            "messages": [
                {"role": "system", "content": "You are a careful assistant."},
                {"role": "user", "content": text},
            ],
            "max_tokens": 64,
            "temperature": 0,
        }
        request = {
            "custom_id": f"request-{number}",
            "method": "POST",
            "url": "/v1/chat/completions",
            "body": body,
        }
        yield json.dumps(request).encode() + b"\n"
