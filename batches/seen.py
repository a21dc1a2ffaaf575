"""Remember which custom_ids a file has had, in little memory.

A set of a million strings takes 100 MB and more; this table takes 16 MB. It keeps 64
bits of each string, by Python's keyed hash, so nobody can build a clash, and two of a
million different strings clash once in thirty million files.
"""

from array import array

_FIRST_SLOTS = 1 << 12
_MASK = (1 << 64) - 1


class SeenTexts:
    """A set of strings or bytes that can be added to and asked, nothing else."""

    def __init__(self) -> None:
        self._count = 0
        self._slots = array("Q", bytes(8 * _FIRST_SLOTS))

    def add(self, text: str | bytes) -> bool:
        """Take one; True if it was there before."""
        # Zero marks a free slot.
        key = hash(text) & _MASK or 1
        slots, last = self._slots, len(self._slots) - 1
        place = key & last
        while found := slots[place]:
            if found == key:
                return True
            place = (place + 1) & last
        slots[place] = key
        self._count += 1
        if 2 * self._count > last:
            self._grow()
        return False

    def _grow(self) -> None:
        old = self._slots
        last = 2 * len(old) - 1
        slots = array("Q", bytes(16 * len(old)))
        for key in old:
            if key:
                place = key & last
                while slots[place]:
                    place = (place + 1) & last
                slots[place] = key
        self._slots = slots
