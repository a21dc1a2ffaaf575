"""Read and replace the texts of a prompt, in any endpoint's form. Pure.

Chat has `messages`; responses have `input`, a text or messages, and `instructions`;
completions have `prompt`. What is not text (images, tools) stays as it is.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from batches.faults import CHAT
from curation.ingest.prompts import content_text

SYSTEM = ("system", "developer")
RESPONSES, COMPLETIONS = "/v1/responses", "/v1/completions"
Prompt = Mapping[str, Any]


class Text(NamedTuple):
    """A text of a prompt: whose it is, and whether it may be replaced."""

    role: str
    text: str
    is_editable: bool = True


@dataclass(frozen=True)
class Correction:
    """What to put into prompts: a system text, or all texts of one of them.

    With `replaces`, only prompts with this system text get the new one. Without a new
    one (None) the prompt's own stays; an empty one takes it out.
    """

    system: str | None = None
    replaces: str | None = None
    texts: tuple[str, ...] | None = None

    def apply(self, prompt: Prompt) -> dict[str, Any]:
        """Return the corrected prompt; the same one if nothing is to be changed."""
        found = dict(prompt)
        if self.texts is not None:
            found = with_texts(found, self.texts)
        if self.system is None:
            return found
        if self.replaces is not None and system_text(prompt) != self.replaces:
            return found
        return with_system(found, self.system)

    def as_json(self) -> dict[str, Any]:
        """Return it as it is stored."""
        fields = {"system": self.system, "replaces": self.replaces}
        found: dict[str, Any] = {k: v for k, v in fields.items() if v is not None}
        return found if self.texts is None else {**found, "texts": list(self.texts)}


def endpoint_of(prompt: Prompt) -> str:
    """Return the endpoint that takes such a prompt."""
    if "messages" in prompt:
        return CHAT
    return RESPONSES if "input" in prompt else COMPLETIONS


def system_text(prompt: Prompt) -> str | None:
    """Return the system text, "" if there is none, None if there is no place for it."""
    if isinstance(prompt.get("instructions"), str):
        return str(prompt["instructions"])
    key, place = _messages_key(prompt), _system_place(prompt)
    if key is not None and place is not None:
        return content_text(prompt[key][place].get("content"))
    return "" if endpoint_of(prompt) != COMPLETIONS else None


def with_system(prompt: Prompt, text: str) -> dict[str, Any]:
    """Return the prompt with another system text; completions have none and stay."""
    found = dict(prompt)
    key, place = _messages_key(prompt), _system_place(prompt)
    if "instructions" in prompt or ("input" in prompt and place is None):
        found.pop("instructions", None)
        return {**found, "instructions": text} if text else found
    if key is None:
        return found
    messages = list(prompt[key])
    if place is None:
        return {**found, key: [_system(text), *messages]} if text else found
    if text:
        messages[place] = {**messages[place], "content": text}
    else:
        del messages[place]
    return {**found, key: messages}


def texts_of(prompt: Prompt) -> list[Text]:
    """Return the texts of a prompt in their order."""
    return [
        Text(role, value if isinstance(value, str) else content_text(value), is_text)
        for role, value, is_text in _places(prompt)
    ]


def with_texts(prompt: Prompt, texts: Sequence[str]) -> dict[str, Any]:
    """Return the prompt with these texts where its editable ones are, in their order.

    Raises ValueError if their number is another.
    """
    if len(texts) != sum(is_text for _, _, is_text in _places(prompt)):
        raise ValueError("The prompt has another number of texts.")
    left, found = list(texts), dict(prompt)
    for key in ("instructions", "messages", "input", "prompt"):
        value = found.get(key)
        if isinstance(value, str):
            found[key] = left.pop(0)
        elif isinstance(value, list) and key != "prompt":
            found[key] = [
                {**one, "content": left.pop(0)} if _is_editable(one) else one
                for one in value
            ]
    return found


def _places(prompt: Prompt) -> Iterator[tuple[str, Any, bool]]:
    for key in ("instructions", "messages", "input", "prompt"):
        value = prompt.get(key)
        if isinstance(value, list) and key != "prompt":
            for one in value:
                content = one.get("content") if isinstance(one, dict) else one
                role = one.get("role", "") if isinstance(one, dict) else ""
                yield str(role), content, _is_editable(one)
        elif value is not None:
            role = "system" if key == "instructions" else "user"
            yield role, value, isinstance(value, str)


def _is_editable(message: object) -> bool:
    return isinstance(message, dict) and isinstance(message.get("content"), str)


def _messages_key(prompt: Prompt) -> str | None:
    for key in ("messages", "input"):
        if isinstance(prompt.get(key), list):
            return key
    return None


def _system_place(prompt: Prompt) -> int | None:
    key = _messages_key(prompt)
    for place, message in enumerate(prompt[key] if key else ()):
        if isinstance(message, dict) and message.get("role") in SYSTEM:
            return place
    return None


def _system(text: str) -> dict[str, str]:
    return {"role": "system", "content": text}
