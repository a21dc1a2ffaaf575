"""What differs between two versions, example by example."""

from collections.abc import Iterator
from typing import NamedTuple

from curation.models import DatasetMember, DatasetVersion

PAGE_MEMBERS = 500
_FIELDS = ("payload_hash", "ordinal", "split", "provenance__item")


class Difference(NamedTuple):
    """An example that is in one version only, or in another split.

    `sign`: + is new, - is gone, ~ has moved to another split.
    """

    sign: str
    ordinal: int
    item: int
    split: str
    payload_hash: str

    def __str__(self) -> str:
        """Say it in a line."""
        place = f"{self.sign} {self.split} #{self.ordinal}"
        return f"{place}  item {self.item}  {self.payload_hash[:12]}"


_Row = tuple[str, int, str, int]


def differences(old: DatasetVersion, new: DatasetVersion) -> Iterator[Difference]:
    """Yield what differs, in the order of the examples' hashes; in little memory."""
    olds, news = _rows(old), _rows(new)
    was, now = next(olds, None), next(news, None)
    while was is not None or now is not None:
        if now is None or (was is not None and was[0] < now[0]):
            assert was is not None  # noqa: S101 - one of the two is there
            yield Difference("-", was[1], was[3], was[2], was[0])
            was = next(olds, None)
        elif was is None or now[0] < was[0]:
            yield Difference("+", now[1], now[3], now[2], now[0])
            now = next(news, None)
        else:
            if was[2] != now[2]:
                moved = f"{was[2]} → {now[2]}"
                yield Difference("~", now[1], now[3], moved, now[0])
            was, now = next(olds, None), next(news, None)


def _rows(version: DatasetVersion) -> Iterator[_Row]:
    rows = DatasetMember.objects.filter(version=version).order_by("payload_hash")
    yield from rows.values_list(*_FIELDS).iterator(chunk_size=PAGE_MEMBERS)
