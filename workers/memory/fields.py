"""Take values out of JSON that came from anywhere, and believe none of it."""

import json
from dataclasses import dataclass
from typing import Any

from workers.memory.errors import BadConfig

# The largest number a field may hold: 2^24 is above any vocabulary of today.
LARGEST = 1 << 24


def parse_object(content: bytes, name: str) -> dict[str, Any]:
    """Return the JSON object in `content`; `name` is how errors call it."""
    try:
        value = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise BadConfig(f"{name} is not JSON.") from error
    if not isinstance(value, dict):
        raise BadConfig(f"{name} holds no JSON object.")
    return value


@dataclass(frozen=True)
class Fields:
    """The fields of one JSON object; a missing one and a null are the same."""

    values: dict[str, Any]
    name: str = "config.json"

    def has(self, key: str) -> bool:
        """Tell whether the field is there."""
        return self.values.get(key) is not None

    def whole(self, key: str, default: int | None = None, *, least: int = 1) -> int:
        """Return a whole number between `least` and LARGEST."""
        value = self.values.get(key)
        if value is None:
            if default is None:
                raise BadConfig(f"{self.name} lacks '{key}'.")
            return default
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if type(value) is not int or not least <= value <= LARGEST:
            raise BadConfig(f"'{key}' in {self.name} is no number of a model.")
        return value

    def number(self, key: str, default: float) -> float:
        """Return a positive number."""
        value = self.values.get(key)
        if value is None:
            return default
        if type(value) not in (int, float) or not 0 < value < LARGEST:
            raise BadConfig(f"'{key}' in {self.name} is no number of a model.")
        return float(value)

    def flag(self, key: str, default: bool) -> bool:
        """Return true or false."""
        value = self.values.get(key)
        if value is None:
            return default
        if not isinstance(value, bool):
            raise BadConfig(f"'{key}' in {self.name} is neither true nor false.")
        return value

    def text(self, key: str, default: str = "") -> str:
        """Return a short text."""
        value = self.values.get(key)
        if value is None:
            return default
        if not isinstance(value, str) or len(value) > 255:
            raise BadConfig(f"'{key}' in {self.name} is no short text.")
        return value

    def texts(self, key: str) -> tuple[str, ...]:
        """Return a list of texts, empty if it is not there."""
        value = self.values.get(key)
        if value is None:
            return ()
        if not isinstance(value, list) or not all(isinstance(v, str) for v in value):
            raise BadConfig(f"'{key}' in {self.name} is no list of texts.")
        return tuple(value)

    def inner(self, key: str) -> "Fields | None":
        """Return the fields of an object inside, None if it is not there."""
        value = self.values.get(key)
        if value is None:
            return None
        if not isinstance(value, dict):
            raise BadConfig(f"'{key}' in {self.name} is no JSON object.")
        return Fields(value, f"{self.name}: {key}")
