"""The policy at work in one slot: what it is asked with, and what it answered last."""

import time
from collections.abc import Collection
from math import inf

from django.utils import timezone

from vllm_batch.lib.conf import conf
from workers.scheduling.demand import Asker, View, look
from workers.scheduling.policy import Terms, Turn, choose, urgent_until
from workers.scheduling.run_hours import zone

# Kept free before each deadline, beside the time for lines in flight to end.
MARGIN_SECONDS = 60.0
# How much a new measurement of the pace counts.
NEWEST_SHARE = 0.2


class Chooser:
    """Asks the policy for one worker and remembers what only that worker knows.

    `urgent_until` is the deadline, as a Unix time, up to which the loaded model's
    batches run by deadline. `closed` says why the worker pauses: its hours are over.
    """

    def __init__(self, slot: str, owner: str) -> None:
        self.urgent_until = -inf
        self.closed = ""
        self.workers = 1
        self._slot, self._owner = slot, owner
        self._pace: dict[str, float] = {}
        self._last_served: dict[str, float] = {}
        self._loaded, self._loaded_at = "", -inf
        self._counted = ("", 0, 0.0)

    def choose(
        self,
        loaded: str,
        *,
        is_serving: bool = False,
        is_announced: bool = False,
        cooling: Collection[str] = (),
        asleep: Collection[str] = (),
    ) -> Turn:
        """Return whose turn it is, with the seconds it has at most as `until`.

        While the worker serves, the chunks in its hands count as work of its model.
        """
        self._note_loaded(loaded)
        asker = Asker(
            owner=self._owner,
            slot=self._slot,
            loaded=loaded or None,
            loaded_at=self._loaded_at,
            has_in_hand=is_serving,
            is_announced=is_announced,
            cooling=cooling,
            asleep=asleep,
            pace=self._pace,
            last_served=self._last_served,
        )
        view = look(asker)
        self.workers = view.place.workers
        self._note_hours(view)
        self._note_urgency(view)
        turn = choose(view.demands, view.place, terms())
        return turn._replace(until=turn.until - view.place.now)

    def note_done(self, model: str, done: int) -> None:
        """Learn the pace of a model from this worker's count of finished lines."""
        now = time.monotonic()
        counted, before, at = self._counted
        if counted != model or done < before:
            self._counted = (model, done, now)
        elif done > before and now > at:
            pace = (done - before) / (now - at)
            known = self._pace.get(model, pace)
            self._pace[model] = known + NEWEST_SHARE * (pace - known)
            self._counted = (model, done, now)

    def forget_count(self) -> None:
        """Note that the run is over: the time until the next one tells no pace."""
        self._counted = ("", 0, 0.0)

    def _note_loaded(self, loaded: str) -> None:
        now = timezone.now().timestamp()
        if self._loaded:
            self._last_served[self._loaded] = now
        if loaded != self._loaded:
            self._loaded, self._loaded_at = loaded, now

    def _note_hours(self, view: View) -> None:
        self.closed = ""
        if view.opens_at is not None:
            at = view.opens_at.astimezone(zone())
            hours = conf().WORKER_HOURS
            self.closed = f"outside its hours {hours}; they begin {at:%Y-%m-%d %H:%M}"

    def _note_urgency(self, view: View) -> None:
        now, margin = view.place.now, terms().margin_seconds
        mine = [demand for demand in view.demands if demand.model == self._loaded]
        self.urgent_until = max(
            (urgent_until(demand.dues, now, margin) for demand in mine), default=-inf
        )


def terms() -> Terms:
    """Return what the operator set."""
    drain = float(conf().WORKER_DRAIN_SECONDS)
    return Terms(
        quantum_seconds=conf().WORKER_QUANTUM_SECONDS,
        patience_seconds=conf().WORKER_PATIENCE_SECONDS,
        margin_seconds=drain + MARGIN_SECONDS,
        drain_seconds=drain,
    )
