"""How much of a batch's prompts is a start that they share, in flat memory.

The worker sorts a chunk's requests by their prompts' bytes (ordering.py), so whatever
starts alike follows each other and finds its start in the engine's prefix cache.
"""

from batches.seen import SeenTexts

# Starts are compared at lengths that double, so the share is between half of the truth
# and the truth. vLLM's cache has blocks of 16 tokens; a shorter start is no help.
SHORTEST_BYTES, LONGEST_BYTES = 128, 1 << 17
MOST_STARTS = 1 << 20


class PromptStarts:
    """Takes prompts and tells which share of their tokens an earlier one began with."""

    def __init__(self) -> None:
        self._seen = SeenTexts()
        self._left = MOST_STARTS
        self._tokens = self._shared = 0.0

    def add(self, prompt: bytes, tokens: int) -> None:
        """Take a prompt of so many tokens."""
        self._tokens += tokens
        shared, length = 0, SHORTEST_BYTES
        while length <= min(len(prompt), LONGEST_BYTES) and self._left:
            if self._seen.add(prompt[:length]):
                shared = length
            else:
                self._left -= 1
            length *= 2
        if shared:
            self._shared += tokens * shared / len(prompt)

    def share(self) -> float:
        """Return the share of the tokens, from 0 to 1."""
        return self._shared / self._tokens if self._tokens else 0.0
