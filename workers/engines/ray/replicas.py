"""Keep as many replicas as there should be: start, replace, scale and stop them."""

import asyncio
import logging
from collections.abc import Callable

from vllm_batch.lib.conf import conf
from workers import metrics
from workers.engines.base import EngineDead, EngineStartFailed
from workers.engines.ray import cluster
from workers.engines.ray.blocks import Facts, Refusal, Spec
from workers.engines.ray.cluster import Placed
from workers.engines.ray.dispatching import Dispatcher
from workers.engines.ray.link import Link, reason_of
from workers.engines.ray.options import Options
from workers.engines.ray.scaling import Scaler

logger = logging.getLogger(__name__)

LOOK_SECONDS = 0.25
STOP_SECONDS = 20.0
# A replica that does not start is tried again after growing waits.
FIRST_WAIT_SECONDS, LONGEST_WAIT_SECONDS = 1.0, 300.0
# So many starts that fail in a row, with no replica left, end the engine.
MOST_FAILURES = 3
# The worker gives up on a start after ENGINE_START_SECONDS; we know more about why.
START_SHARE = 0.95


class Replicas:
    """The replicas of one model."""

    def __init__(
        self,
        spec: Spec,
        options: Options,
        on_metrics: Callable[[Link, bytes], None],
    ) -> None:
        self.dispatcher = Dispatcher(spec.model, self._lost)
        self.facts: Facts | None = None
        self.most = options.max_replicas
        self._spec, self._options = spec, options
        self._on_metrics = on_metrics
        self._starting: set[asyncio.Task[None]] = set()
        self._ending: set[asyncio.Task[None]] = set()
        self._placed: dict[Link, Placed] = {}
        self._failure: EngineStartFailed | None = None
        self._failures, self._not_before = 0, 0.0
        self._watch: asyncio.Task[None] | None = None
        self._is_over = False

    async def start(self) -> None:
        """Return when the first replica is ready; raises EngineStartFailed."""
        options = self._options
        self.most = options.max_replicas or max(
            1, options.min_replicas, await asyncio.to_thread(cluster.room_for, options)
        )
        self._scaler = Scaler(options, self.most)
        self._begin(max(1, min(options.min_replicas, self.most)))
        while not self.dispatcher.links:
            if not self._starting:
                raise self._failure or EngineStartFailed("no replica started")
            await asyncio.wait(self._starting, return_when=asyncio.FIRST_COMPLETED)
            if self._failure is not None and self._failure.is_lasting:
                raise self._failure
        self._watch = asyncio.ensure_future(self._keep_watch())

    async def stop(self) -> None:
        """End all replicas."""
        self._is_over = True
        tasks = [*self._starting, *([self._watch] if self._watch else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self.dispatcher.close()
        await asyncio.gather(*self._ending, return_exceptions=True)
        self._count()

    def _begin(self, number: int) -> None:
        for _ in range(number):
            task = asyncio.ensure_future(self._start_one())
            self._starting.add(task)
            task.add_done_callback(self._starting.discard)

    async def _start_one(self) -> None:
        try:
            placed, facts = await self._come_up()
        except EngineStartFailed as error:
            self._note_failure(error)
            return
        self._failures, self._failure = 0, None
        self.facts = self.facts or facts
        link = Link(
            placed.actor,
            facts,
            window=self._options.window,
            block_lines=self._options.block_lines,
            on_answers=lambda _: self.dispatcher.pump(),
            on_end=self.dispatcher.lose,
            on_metrics=self._on_metrics,
        )
        self._placed[link] = placed
        logger.info("a replica of %s is ready on %s", self._spec.model, facts.node)
        self.dispatcher.open(link)
        self._mark_spares()
        self._count()

    async def _come_up(self) -> tuple[Placed, Facts]:
        from ray.exceptions import RayError

        placed = cluster.place(self._spec, self._options)
        try:
            seconds = START_SHARE * conf().ENGINE_START_SECONDS
            told = await asyncio.wait_for(placed.actor.start.remote(), seconds)
            if not isinstance(told, Refusal):
                return placed, told
            error = EngineStartFailed(told.text, is_lasting=told.is_lasting)
        except TimeoutError:
            error = EngineStartFailed(
                f"no replica of {self._spec.model} was ready after {seconds:.0f} s. It"
                f" needs {_shown(self._options.needs)}; the cluster has left:"
                f" {await asyncio.to_thread(cluster.free)}. If that is enough, raise"
                " ENGINE_START_SECONDS or see Ray's log."
            )
        except RayError as lost:
            error = EngineStartFailed(
                f"a replica of {self._spec.model} did not come up: {reason_of(lost)}."
                " Each node needs this project and its packages, with the same versions"
                " of Ray and Python as the worker; see Ray's log."
            )
        except asyncio.CancelledError:
            cluster.remove(placed)
            raise
        cluster.remove(placed)
        raise error

    def _note_failure(self, error: EngineStartFailed) -> None:
        self._failure = error
        self._failures += 1
        wait = min(FIRST_WAIT_SECONDS * 2.0**self._failures, LONGEST_WAIT_SECONDS)
        self._not_before = asyncio.get_running_loop().time() + wait
        logger.error("a replica of %s did not start: %s", self._spec.model, error)
        is_hopeless = error.is_lasting or self._failures >= MOST_FAILURES
        is_last = len(self._starting) == 1 and not self.dispatcher.links
        if is_hopeless and is_last and self._watch is not None:
            self.dispatcher.die(EngineDead(f"no replica can be started: {error}"))

    async def _keep_watch(self) -> None:
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            self._look()

    def _look(self) -> None:
        """Replace what is lost, and follow the load."""
        if self._is_over or self._watch is None or self.dispatcher.death is not None:
            return
        links = self.dispatcher.links
        for link in list(links):
            link.check_progress(conf().ENGINE_STALL_SECONDS)
            if link.is_retired and not link.load:
                link.end()
        kept = [link for link in links if not link.is_retired]
        now, count = asyncio.get_running_loop().time(), len(kept) + len(self._starting)
        window = self._options.window or 2 * (
            self.facts.concurrency if self.facts else 1
        )
        target = self._scaler.target(
            now, load=self.dispatcher.load, window=window, count=count
        )
        if target > count and now >= self._not_before:
            self._begin(target - count)
        elif target < len(kept):
            for link in sorted(kept, key=lambda link: link.load)[: len(kept) - target]:
                link.retire()
        self._mark_spares()

    def _mark_spares(self) -> None:
        """Let those leave that are more than there have to be."""
        kept = [link for link in self.dispatcher.links if not link.is_retired]
        for index, link in enumerate(kept):
            link.is_spare = index >= self._options.min_replicas

    def _lost(self, link: Link, why: str) -> None:
        metrics.DEATHS.labels(self._spec.model).inc(bool(why))
        placed = self._placed.pop(link)
        ending = asyncio.ensure_future(_end(placed, is_well=not why))
        self._ending.add(ending)
        ending.add_done_callback(self._ending.discard)
        self._count()
        asyncio.get_running_loop().call_soon(self._look)

    def _count(self) -> None:
        ready = len(self.dispatcher.links)
        metrics.REPLICAS.labels(self._spec.model).set(ready)


async def _end(placed: Placed, *, is_well: bool) -> None:
    """End a replica; one that is well frees by itself what its engine has started."""
    from ray.exceptions import RayError

    try:
        if is_well:
            await asyncio.wait_for(placed.actor.stop.remote(), STOP_SECONDS)
    except (RayError, TimeoutError):
        logger.debug("a replica did not end by itself")
    finally:
        cluster.remove(placed)


def _shown(needs: dict[str, float]) -> str:
    shown = ", ".join(f"{name} {amount:g}" for name, amount in needs.items())
    return shown or "nothing"
