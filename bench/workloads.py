"""Batch files nobody tuned for: seeded, generated when needed, never committed."""

import importlib.util
import json
import random
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

_TEXT = """
the a model batch line answer question summer river stone light quick slow green seven
table window music paper garden engine letter number city train
"""
_WORDS = _TEXT.split()
SUBJECTS, PREFIX_CHARACTERS = 57, 3755
CHAT = "/v1/chat/completions"


def sentence(generator: random.Random, words: int) -> str:
    """Return so many words."""
    return " ".join(generator.choices(_WORDS, k=words))


def line(custom_id: str, text: str, *, model: str, **body: Any) -> bytes:
    """Return one request line."""
    messages = [
        {"role": "system", "content": "You are a careful assistant."},
        {"role": "user", "content": text},
    ]
    request = {
        "custom_id": custom_id,
        "method": "POST",
        "url": CHAT,
        "body": {"model": model, "messages": messages, **body},
    }
    return json.dumps(request).encode() + b"\n"


def chat_lines(
    count: int, *, model: str, words: int = 120, seed: int = 1
) -> Iterator[bytes]:
    """Yield chat requests of about `words` words, each with a length of its own."""
    generator = random.Random(seed)
    for number in range(count):
        wanted = max(1, int(generator.lognormvariate(0, 0.5) * words))
        text = f"{number} {sentence(generator, wanted)}"
        yield line(f"request-{number}", text, model=model, max_tokens=64, temperature=0)


def mixed_lines(
    count: int, *, model: str, tokens: int = 24, seed: int = 2
) -> Iterator[bytes]:
    """Yield real chat texts with log-normal output lengths, `tokens` in the median.

    `ignore_eos` makes the lengths exact, so that two runs make the same tokens.
    """
    generator = random.Random(seed)
    for number, text in enumerate(texts(count, seed)):
        wanted = min(256, max(2, int(generator.lognormvariate(0, 0.8) * tokens)))
        body = {"max_tokens": wanted, "temperature": 0, "ignore_eos": True}
        yield line(f"request-{number}", text, model=model, **body)


def texts(count: int, seed: int) -> Iterator[str]:
    """Yield different prompts: turns of real conversations, or generated words."""
    generator = random.Random(seed)
    known = _conversations()
    for number in range(count):
        if known:
            text = known[generator.randrange(len(known))]
        else:
            text = sentence(generator, generator.randint(20, 160))
        yield f"{number} {text}"


@cache
def _conversations() -> tuple[str, ...]:
    """Return the conversations of chitchat-dataset (PyPI), each up to 900 letters."""
    folder = _package("chitchat_dataset")
    if folder is None:
        return ()
    content = json.loads((folder / "dataset.json").read_text())
    found = (
        "\n".join(turn["text"] for turns in each["messages"] for turn in turns)[:900]
        for each in content.values()
    )
    return tuple(text for text in found if len(text) > 100)


def prefix_lines(copies: int, *, model: str, seed: int = 3, **body: Any) -> list[bytes]:
    """Return shuffled lines: `copies` questions for each few-shot prefix."""
    generator = random.Random(seed)
    questions = texts(SUBJECTS * copies, seed)
    lines = []
    for subject, prefix in enumerate(prefixes()):
        for number in range(copies):
            text = f"{prefix}\n\nQ: {next(questions)[:200]}\nA:"
            lines.append(line(f"{subject}-{number}", text, model=model, **body))
    generator.shuffle(lines)
    return lines


def prefixes() -> list[str]:
    """Return MMLU's chain-of-thought prefixes of lm-eval, or generated ones as long."""
    folder = _package("lm_eval")
    if folder is None:
        generator = random.Random(4)
        made = (sentence(generator, 1000) for _ in range(SUBJECTS))
        return [text[:PREFIX_CHARACTERS] for text in made]
    path = folder / "tasks" / "mmlu" / "flan_cot_fewshot" / "_cot_prompts.json"
    return list(json.loads(path.read_text()).values())


def sources() -> str:
    """Say where the texts come from, for the report."""
    names = {"chitchat_dataset": "chitchat-dataset", "lm_eval": "lm-eval"}
    found = [shown for name, shown in names.items() if _package(name)]
    return " and ".join(found) or "generated words (see bench/requirements.txt)"


def _package(name: str) -> Path | None:
    found = importlib.util.find_spec(name)
    return Path(found.origin).parent if found and found.origin else None
