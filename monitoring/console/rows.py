"""A batch as the console shows it: state, progress, pace, and why it waits."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from batches.models import BatchJob, Status
from batches.outlook import Outlook, outlooks
from batches.waiting import LEAST_SECONDS, Fleet
from vllm_batch.lib.clock import database_now

# When the lines of a batch stopped coming, the first that is set.
ENDS = ("finalizing_at", "cancelling_at", "expired_at", "failed_at", "paused_at")


@dataclass(frozen=True)
class Row:
    """One batch at one moment."""

    batch: BatchJob
    outlook: Outlook
    now: datetime

    @property
    def state(self) -> str:
        """The status, with `running`, `waiting` and `paused` told apart."""
        batch = self.batch
        if batch.is_terminal or batch.status == Status.CANCELLING:
            return str(batch.status)
        if batch.paused_reason:
            return "paused"
        if batch.status != Status.IN_PROGRESS:
            return str(batch.status)
        return "waiting" if self.outlook.waiting else "running"

    @property
    def waiting(self) -> str:
        """Why it is not moving, in a sentence; empty if it moves."""
        found = self.outlook.waiting
        return found.message if found else ""

    @property
    def done(self) -> int:
        """How many lines have a result."""
        return self.batch.completed + self.batch.failed

    @property
    def left(self) -> int:
        """How many have none."""
        return self.batch.total - self.done

    @property
    def percent(self) -> int:
        """The part that is done; 100 only when all is."""
        return int(100 * self.done / self.batch.total) if self.batch.total else 0

    @property
    def seconds(self) -> float:
        """How long results have come, up to now or the last of them."""
        began = self.batch.first_result_at
        if began is None:
            return 0
        ends = (getattr(self.batch, name) for name in ENDS)
        end = next((moment for moment in ends if moment), self.now)
        return max(0.0, (end - began).total_seconds())

    @property
    def tokens_per_second(self) -> float | None:
        """Output tokens a second since the first result; None if too few came yet."""
        return self._pace(self.batch.output_tokens)

    @property
    def lines_per_second(self) -> float | None:
        """Lines a second since the first result; None if too few came yet."""
        return self._pace(self.done)

    def _pace(self, amount: int) -> float | None:
        if self.seconds < LEAST_SECONDS or not amount:
            return None
        return amount / self.seconds


def rows_of(
    batches: Sequence[BatchJob],
    now: datetime | None = None,
    fleet: Fleet | None = None,
) -> list[Row]:
    """Return batches as the console shows them, with the queries of one."""
    now = now or database_now()
    found = outlooks(batches, now=now, fleet=fleet)
    return [Row(batch, found[batch.pk], now) for batch in batches]
