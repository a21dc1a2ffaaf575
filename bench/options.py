"""What the command line asked for."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Options:
    """How many interleaved pairs, and whether small sizes are enough."""

    pairs: int = 5
    is_quick: bool = False

    def size(self, full: int, quick: int) -> int:
        """Return one of two sizes."""
        return quick if self.is_quick else full
