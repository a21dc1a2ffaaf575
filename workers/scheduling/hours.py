"""Times of day: "22:00-08:00", several separated by commas. Pure: no clock.

Hours are read on the wall's clock of a time zone, so a night with a change of clocks is
an hour shorter or longer.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo

_SPAN = re.compile(r"(\d\d?):(\d\d)\s*-\s*(\d\d?):(\d\d)")
MIDNIGHT = 24 * 60
DAY = timedelta(days=1)


class BadHours(ValueError):
    """The text is not hours; the message says what to write."""


@dataclass(frozen=True)
class Hours:
    """Spans of minutes since midnight that do not touch; one that wraps is cut in two.

    No span at all means always.
    """

    spans: tuple[tuple[int, int], ...] = ()

    def is_open(self, now: datetime, zone: tzinfo) -> bool:
        """Tell whether work may run at this moment."""
        return not self.spans or self._next(now, zone)[0] <= now

    def closes_at(self, now: datetime, zone: tzinfo) -> datetime | None:
        """Return when the hours that are open now end; None: never."""
        if not self.spans:
            return None
        begin, end = self._next(now, zone)
        return end if begin <= now else now

    def opens_at(self, now: datetime, zone: tzinfo) -> datetime:
        """Return when the next hours begin, or the moment itself if they are open."""
        return max(now, self._next(now, zone)[0]) if self.spans else now

    def _next(self, now: datetime, zone: tzinfo) -> tuple[datetime, datetime]:
        """Return begin and end of the first hours that end after a moment."""
        today = now.astimezone(zone).date()
        days = [today + DAY * number for number in (-1, 0, 1, 2)]
        found = _joined(self._on(day, zone) for day in days)
        return next(pair for pair in found if pair[1] > now)

    def _on(self, day: date, zone: tzinfo) -> list[tuple[datetime, datetime]]:
        return [(_moment(day, a, zone), _moment(day, b, zone)) for a, b in self.spans]


def parse_hours(text: str) -> Hours:
    """Read hours; an empty text means always. Raises BadHours."""
    minutes = [False] * MIDNIGHT
    for part in filter(None, map(str.strip, text.split(","))):
        for begin, end in _cut(*_parse_span(part)):
            minutes[begin:end] = [True] * (end - begin)
    if text.strip() and not any(minutes):
        raise BadHours("Write times of day such as 22:00-08:00.")
    if all(minutes):
        return Hours()
    edges = [m for m in range(MIDNIGHT) if minutes[m] and not (m and minutes[m - 1])]
    return Hours(tuple((edge, _end_of(minutes, edge)) for edge in edges))


def _end_of(minutes: list[bool], begin: int) -> int:
    closed = (m for m in range(begin, MIDNIGHT) if not minutes[m])
    return next(closed, MIDNIGHT)


def _parse_span(text: str) -> tuple[int, int]:
    match = _SPAN.fullmatch(text)
    if match is None:
        raise BadHours(f"'{text}' is not a time of day such as 22:00-08:00.")
    numbers = [int(number) for number in match.groups()]
    begin, end = numbers[0] * 60 + numbers[1], numbers[2] * 60 + numbers[3]
    is_clock = max(numbers[1], numbers[3]) < 60 and begin < MIDNIGHT >= end
    if not is_clock:
        raise BadHours(f"'{text}' has a time that no clock shows.")
    if begin == end:
        raise BadHours(f"'{text}' is no time at all; leave it empty for always.")
    return begin, end


def _cut(begin: int, end: int) -> list[tuple[int, int]]:
    """Return a span as one or, over midnight, two within a day."""
    return [(begin, end)] if begin < end else [(begin, MIDNIGHT), (0, end)]


def _moment(day: date, minute: int, zone: tzinfo) -> datetime:
    if minute == MIDNIGHT:
        day, minute = day + DAY, 0
    # In UTC: Python compares times of one zone without their offsets.
    local = datetime.combine(day, time(minute // 60, minute % 60), zone)
    return local.astimezone(UTC)


def _joined(
    days: Iterable[list[tuple[datetime, datetime]]],
) -> list[tuple[datetime, datetime]]:
    """Join what meets at midnight."""
    found: list[tuple[datetime, datetime]] = []
    for begin, end in (pair for day in days for pair in day):
        if begin >= end:
            continue  # the hour that the clocks skip
        if found and found[-1][1] >= begin:
            found[-1] = (found[-1][0], end)
        else:
            found.append((begin, end))
    return found
