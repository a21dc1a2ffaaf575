"""One line on its way through a fleet: where it failed, and whether that is its fault.

Decided by evidence, because most failures are not the line's: a server that is
overloaded, restarts or breaks off fails every line it has. A line is to blame

- if its failures would be chance once in a few millions, given how many of the other
  lines fail where it did;
- if it failed alone at endpoints that answered the next request;
- if endpoints died each time it ran alone there, and came back without it.
"""

import math
from dataclasses import dataclass, field
from enum import Enum

from workers.engines.base import Answer
from workers.engines.fleet.endpoint import Endpoint

# "By chance" is: as often as `tries` failures in a row where one line in twenty fails.
CALM = 0.05
# What a line did alone counts once it did it so often; a line that so many endpoints
# were lost with runs alone from then on.
MOST_CONFIRMED, MOST_LOSSES = 2, 3


class Verdict(Enum):
    """Whose fault a line's failures are."""

    OPEN = "open"
    FAILED = "failed"
    # It ends the endpoints it runs on.
    KILLS = "kills"


@dataclass(frozen=True, slots=True)
class Failure:
    """A try that failed. `share`: of the lines that failed at that endpoint then."""

    endpoint: Endpoint
    at: float
    share: float
    was_alone: bool
    # The connection broke after the request was sent.
    is_break: bool

    @property
    def has_recovered(self) -> bool:
        """Tell whether the endpoint has answered anything since."""
        return self.endpoint.good_at > self.at

    @property
    def may_be_lost(self) -> bool:
        """Tell whether the endpoint went away, as far as that is known yet."""
        return self.was_lost or (self.is_break and not self.has_recovered)

    @property
    def was_lost(self) -> bool:
        """Tell whether the endpoint went away with the line, and others with it."""
        return self.is_break and self.endpoint.lost_at >= self.at


@dataclass(slots=True, eq=False)
class Line:
    """A request; `key` is its prompt's start, or empty."""

    key: bytes = b""
    sent: int = 0
    answer: Answer | None = None
    failures: list[Failure] = field(default_factory=list)
    # Where it failed since it last waited: others are asked first.
    avoided: set[Endpoint] = field(default_factory=set)

    @property
    def is_suspect(self) -> bool:
        """Tell whether it has to run alone: too many endpoints were lost with it."""
        if len(self.failures) < MOST_LOSSES:
            return False
        return sum(one.may_be_lost for one in self.failures) >= MOST_LOSSES

    def judge(self, tries: int) -> Verdict:
        """Say whose fault the failures are by what is known now."""
        if not self.failures:
            return Verdict.OPEN
        lost = [one for one in self.failures if one.was_lost]
        kills = sum(one.was_alone and one.has_recovered for one in lost)
        if kills >= MOST_CONFIRMED:
            return Verdict.KILLS
        own = [one for one in self.failures if not one.was_lost]
        if len(own) < tries:
            return Verdict.OPEN
        confirmed = sum(one.was_alone and one.has_recovered for one in own)
        chance = math.prod(one.share for one in own)
        is_own = confirmed >= min(tries, MOST_CONFIRMED) or chance <= CALM**tries
        return Verdict.FAILED if is_own else Verdict.OPEN
