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

from batches import outcomes
from batches.models import Chunk
from batches.outcomes import Outcome
from workers.engines.base import EngineDead
from workers.reading import Request

# A chunk whose holder vanished is run in parts of this many lines, then line by line.
CAREFUL_LINES = 32
Part = list[Request]
# Runs a part's requests together. Returns what became of each: an outcome, None if its
# batch stopped, EngineDead if the engine died of this part.
Play = Callable[[Part], Awaitable[list[Outcome | EngineDead | None]]]


def in_parts(suspects: Part, size: int = 0) -> deque[Part]:
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
    parts: deque[Part],
    *,
    play: Play,
    rebuild: Callable[[EngineDead], Awaitable[None]],
    check: Callable[[str], Awaitable[None]],
    settle: Callable[[Request, Outcome | None], None],
) -> None:
    """Run every request of the parts to its end, and find what kills the engine.

    `check` raises if the engine dies of anything: then no line is to blame.
    """
    while parts:
        part = parts.popleft()
        results = await play(part)
        alive: Part = []
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
            settle(part[0], outcomes.crash())
        else:
            parts.extendleft([request] for request in reversed(alive))
