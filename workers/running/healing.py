"""Find the line that kills the engine, so that it harms nothing else (P7).

The requests that were out when the engine died are the suspects. They are replayed in
parts of about the square root of their number; a part that kills the engine again is
replayed line by line. A line that kills it alone is poison, if the new engine lives
through the least request: it gets an error record. So a poison line costs three engines
at most: the first, its part's, and its own.
"""

import math
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Protocol, TypeVar

from batches.models import Chunk
from workers.engines.base import EngineDead
from workers.running.reading import Request

# A chunk whose holder vanished is run in parts of this many lines, then line by line.
CAREFUL_LINES = 32
Part = list[Request]


class Suspect(Protocol):
    """A request as far as healing looks at it."""

    url: str


S = TypeVar("S", bound=Suspect)
# What a request came to, but for the engine's death.
R = TypeVar("R")


def in_parts(suspects: list[S], size: int = 0) -> deque[list[S]]:
    """Cut the suspects into parts of `size`, or of the square root of their number."""
    size = size or max(1, math.isqrt(len(suspects)))
    return deque(suspects[i : i + size] for i in range(0, len(suspects), size))


def in_careful_parts(requests: Part, chunk: Chunk) -> deque[Part]:
    """Cut what is open of a chunk whose holders vanished, the suspect apart and first.

    So it harms nothing, if it is one, and is known after as few holders as possible.
    """
    suspect = [r for r in requests if r.number == chunk.probed_line]
    others = [r for r in requests if r.number != chunk.probed_line]
    size = CAREFUL_LINES if chunk.crash_count <= 1 else 1
    return in_parts(suspect) + in_parts(others, size)


async def replay(
    parts: deque[list[S]],
    *,
    play: Callable[[list[S]], Awaitable[list[R | EngineDead]]],
    rebuild: Callable[[EngineDead], Awaitable[None]],
    check: Callable[[str], Awaitable[None]],
    settle: Callable[[S, R], None],
    blame: Callable[[S], None],
) -> None:
    """Run every request of the parts to its end, and find what kills the engine.

    `play` runs a part's requests together and returns what became of each: EngineDead
    if the engine died of this part. `check` raises if the engine dies of anything: then
    no line is to blame.
    """
    while parts:
        part = parts.popleft()
        results = await play(part)
        alive: list[S] = []
        death: EngineDead | None = None
        for request, result in zip(part, results, strict=True):
            if isinstance(result, EngineDead):
                alive.append(request)
                death = result
            else:
                settle(request, result)
        if death is None:
            continue
        await rebuild(death)
        if len(part) == 1:
            await check(part[0].url)
            blame(part[0])
        else:
            parts.extendleft([request] for request in reversed(alive))
