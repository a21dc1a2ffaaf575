"""A PostgreSQL connection on which nobody waits for ever.

`statement_timeout` is kept by the server, keepalive by the kernel. Neither helps when
something between the two takes what is sent and answers nothing, as a proxy may.
"""

from typing import Any

from psycopg import Connection, Cursor, OperationalError
from psycopg.abc import RV, PQGen
from psycopg.pq import TransactionStatus

from vllm_batch.lib.conf import conf

# An idle connection is asked whether it still is one; that takes no time.
CHECK_SECONDS = 2.0
# So that a server that is there can say itself that the statement took too long.
MARGIN_SECONDS = 2.0


class LimitedConnection(Connection[Any]):
    """Gives up, and is closed, when the server does not answer in time."""

    _is_check = False

    def execute(self, *args: Any, **details: Any) -> Cursor[Any]:
        """Run a statement without a cursor: only the pool does, to check it."""
        self._is_check = True
        try:
            return super().execute(*args, **details)
        finally:
            self._is_check = False

    def wait(
        self, gen: PQGen[RV], interval: float = 0.1, timeout: float | None = None
    ) -> RV:
        """Wait for an answer, of whatever is done with the connection."""
        limit = self._limit() if timeout is None else timeout
        try:
            return super().wait(gen, interval=interval, timeout=limit)
        except OperationalError as error:
            if self.info.transaction_status != TransactionStatus.ACTIVE:
                raise
            # Still in the middle of it: what comes next could be anything's answer.
            self.pgconn.finish()
            raise OperationalError(f"no answer within {limit} s") from error

    def _limit(self) -> float | None:
        if self._is_check:
            return CHECK_SECONDS
        seconds = conf().DATABASE_STATEMENT_SECONDS
        return seconds + MARGIN_SECONDS if seconds else None
