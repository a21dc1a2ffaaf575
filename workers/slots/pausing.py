"""Hold new lines back while the slot is not fit for them; what is out goes on."""

import asyncio
import time
from collections.abc import Awaitable, Callable

from files import reserve
from vllm_batch.lib.conf import conf
from workers.engines.base import EngineDead
from workers.gpu.policy import State
from workers.gpu.watch import CardWatch
from workers.hosts import host_name
from workers.models import Heartbeat
from workers.running.flight import Flights
from workers.slots.pulse import Pulse

LOOK_SECONDS, FIT_SECONDS = 1.0, 0.2


def watch_card(slot: str, is_loaded: Callable[[], bool]) -> CardWatch:
    """Watch this slot's card, with what an earlier process of its worker knew of it."""
    beats = Heartbeat.objects.filter(host=host_name(), slot=slot)
    remembered = beats.values_list("gpu", flat=True).first()
    device = conf().WORKER_DEVICE
    card = CardWatch(device, remembered=remembered, is_loaded=is_loaded)
    card.start()
    return card


class Pausing:
    """One run's gate: closed by a storage that takes no results, or an unwell card."""

    def __init__(self, model: str, pulse: Pulse, card: CardWatch | None) -> None:
        self._model = model
        self._pulse = pulse
        # One that never looked has nothing against any line.
        self._card = card or CardWatch()
        self._gate = asyncio.Event()
        self._gate.set()
        self._share = 1.0
        self._unfit_since: float | None = None
        self._is_drained = False
        self.look()

    @property
    def is_open(self) -> bool:
        """Tell whether new lines may start."""
        return self._gate.is_set()

    @property
    def is_over(self) -> bool:
        """Tell whether another GPU should have the chunks: this card stays unwell."""
        # Asked for each line: no more than this while the card is well.
        if self._unfit_since is None:
            return False
        if self._is_drained:
            return True
        return time.monotonic() - self._unfit_since > conf().GPU_HANDBACK_SECONDS

    def look(self) -> bool:
        """Open or close the gate, tell the heartbeat, and return whether it is open."""
        verdict = self._card.verdict()
        self._is_drained = verdict.state == State.DRAINED
        reason = "" if verdict.may_run else verdict.reason
        if not reason:
            self._unfit_since = None
        elif self._unfit_since is None:
            self._unfit_since = time.monotonic()
        reason = reason or reserve.why_no_results()  # they must fit (P10)
        self._share = verdict.share
        if reason:
            self._gate.clear()
            state = Heartbeat.State.PAUSED
            self._pulse.tell(state, model=self._model, reason=reason)
        else:
            self._gate.set()
            if self._pulse.state == Heartbeat.State.PAUSED:
                self._pulse.tell(Heartbeat.State.RUNNING, model=self._model)
        return self.is_open

    async def turn(self, place: float) -> None:
        """Return when the coroutine at this place of the window may take a line.

        Places are from 0 to 1; a card that was paused often carries a part of them.
        """
        while not self.is_open or place >= self._share:
            await self._gate.wait()
            if place >= self._share:
                await asyncio.sleep(LOOK_SECONDS)

    async def watch(self, flights: Flights, is_over: Callable[[], bool]) -> None:
        """Look again and again; give up an engine whose memory cannot be trusted.

        Returns when the run is over while the gate is closed: the feeder, which would
        end the run, may wait in front of it.
        """
        while True:
            self.look()
            # While it heals, its suspects are not to blame for what the card does.
            if flights.door.is_set() and (reason := self._distrust()):
                flights.declare_dead(EngineDead(reason))
            if not self.is_open and is_over():
                return
            await asyncio.sleep(LOOK_SECONDS)

    def _distrust(self) -> str:
        verdict = self._card.verdict()
        is_drained = verdict.state == State.DRAINED
        return verdict.reason if is_drained else self._card.take_restart()


async def until_fit(
    card: CardWatch,
    pulse: Pulse,
    *,
    loaded: str,
    wanted: str,
    is_over: Callable[[], bool],
    unload: Callable[[], Awaitable[None]] | None,
) -> bool:
    """Wait until the card may run `wanted`, `loaded` being on it; False if over first.

    `unload` empties a card that is drained.
    """
    while True:
        verdict = card.verdict()
        if verdict.may_run if loaded == wanted else verdict.may_load:
            return True
        if is_over():
            return False
        if verdict.state == State.DRAINED and loaded and unload:
            await unload()
            loaded = ""
        state = Heartbeat.State.PAUSED
        pulse.tell(state, model=loaded, reason=verdict.reason)
        await asyncio.sleep(FIT_SECONDS)
