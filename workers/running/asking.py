"""Ask the engine for one line's answer, as often as that can help."""

import asyncio
import logging
import random
from collections.abc import Callable

from batches import outcomes, structured
from batches.models import Cause
from batches.outcomes import Outcome
from workers.engines.base import (
    Answer,
    Engine,
    EngineDead,
    EngineUnreachable,
    PoisonRequest,
    is_passing,
)
from workers.metrics import RETRIES

logger = logging.getLogger(__name__)

TRIES = 3
FIRST_WAIT_SECONDS = 0.5
LONGEST_WAIT_SECONDS = 30.0
_UNREACHABLE = (
    b'{"error": {"message": "The engine gave no answer.", "code": "connection"}}'
)
_UNEXPECTED = b'{"error": {"message": "The engine failed on this request."}}'


async def ask(
    engine: Engine, url: str, body: bytes, on_wait: Callable[[str], None]
) -> Outcome:
    """Return what the engine's last answer to the request means.

    Tried again with growing, jittered waits: 429, 5xx and lost connections, nothing
    else (R50). An engine that is down is waited for without counting: its lines did not
    fail (R51). The batch's deadline ends the waiting from outside. Raises EngineDead.
    """
    attempts, round_ = 0, 0
    most = 1 if engine.retries_itself else TRIES
    while True:
        try:
            answer, cause = await _answer(engine, url, body)
        except PoisonRequest:
            return outcomes.crash()
        attempts, round_ = attempts + answer.attempts, round_ + 1
        if not is_passing(answer.status):
            break
        is_well = await engine.health()
        if is_well and round_ >= most:
            break
        if not is_well:
            round_ = 0
            on_wait("waiting for the engine to come back")
        await asyncio.sleep(_wait(attempts, answer))
    on_wait("")
    if attempts > 1:
        RETRIES.labels(engine.model).inc(attempts - 1)
    outcome = outcomes.judge(answer.status, answer.body)
    if outcome.is_success and structured.is_invalid(body, answer.body):
        outcome = outcomes.invalid_output(outcome)
    return outcomes.tried(outcome, attempts, cause)


async def _answer(engine: Engine, url: str, body: bytes) -> tuple[Answer, str]:
    """Return the engine's answer, or one that stands for none, with its cause."""
    try:
        return await engine.post(url, body), ""
    except EngineUnreachable as error:
        answer = Answer(502, _UNREACHABLE, attempts=error.attempts)
        return answer, Cause.CONNECTION
    except (EngineDead, PoisonRequest, asyncio.CancelledError):
        raise
    except Exception:  # noqa: BLE001 - a bug in an engine harms one line, not the run
        logger.exception("the engine of %s failed on a request", engine.model)
        return Answer(500, _UNEXPECTED), ""


def _wait(attempts: int, answer: Answer) -> float:
    grown: float = min(FIRST_WAIT_SECONDS * 2 ** (attempts - 1), LONGEST_WAIT_SECONDS)
    return max(answer.retry_after or 0.0, grown * random.uniform(0.5, 1.0))  # noqa: S311
