"""What the numbers of a queue consist of."""

from dataclasses import dataclass, field

from curation.numbers.counting import BOTH_BAD, TIE
from curation.statistics.agreement import Agreement
from curation.statistics.intervals import Estimate, wilson


@dataclass
class Record:
    """Votes for, against and neither."""

    wins: int = 0
    losses: int = 0
    ties: int = 0
    both_bad: int = 0

    @property
    def votes(self) -> int:
        """Count them."""
        return self.wins + self.losses + self.ties + self.both_bad

    @property
    def rate(self) -> Estimate | None:
        """Return the share of wins; a tie is half of one, as two bad answers are."""
        return wilson(self.wins + (self.ties + self.both_bad) / 2, self.votes)

    def add(self, verdict: str, own: str, count: int) -> None:
        """Count a verdict, as the one at the place `own` sees it."""
        if verdict == TIE:
            self.ties += count
        elif verdict == BOTH_BAD:
            self.both_bad += count
        elif verdict == own:
            self.wins += count
        else:
            self.losses += count


@dataclass(frozen=True)
class Standing:
    """A model in the table: its strength in points, and its votes."""

    name: str
    rating: Estimate | None
    record: Record


@dataclass(frozen=True)
class Change:
    """How a model's answers to corrected prompts do against those before."""

    name: str
    record: Record


@dataclass(frozen=True)
class Reviewer:
    """A reviewer's votes, and how often the left answer had them."""

    name: str
    votes: int
    wins: int
    left: Estimate | None

    @property
    def leans(self) -> bool:
        """Tell whether the side seems to matter: the interval leaves the half out."""
        return self.left is not None and self.left.excludes(0.5)


@dataclass(frozen=True)
class Pair:
    """Two reviewers on the same tasks."""

    names: tuple[str, str]
    tasks: int
    percent: Estimate | None
    kappa: Estimate | None


@dataclass(frozen=True)
class Judge:
    """A judge against the people's majority: rows are the judge's, columns theirs."""

    name: str
    prompt_hash: str
    tasks: int
    contested: Estimate | None
    table: list[list[int]]
    percent: Estimate | None
    kappa: Estimate | None

    @property
    def found(self) -> list[Estimate | None]:
        """Return for each verdict of people how often the judge says the same."""
        columns = list(zip(*self.table, strict=True))
        return [wilson(column[i], sum(column)) for i, column in enumerate(columns)]


@dataclass(frozen=True)
class Numbers:
    """What a queue's votes come to."""

    queue: str
    mode: str
    votes: int
    standings: list[Standing] = field(default_factory=list)
    is_connected: bool = True
    # Whether the best is ahead of the next one beyond doubt; None with less than two.
    is_decided: bool | None = None
    changes: list[Change] = field(default_factory=list)
    reviewers: list[Reviewer] = field(default_factory=list)
    agreement: Agreement | None = None
    pairs: list[Pair] = field(default_factory=list)
    judges: list[Judge] = field(default_factory=list)
