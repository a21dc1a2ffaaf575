"""The engine plug point: base class, answer and errors."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Answer:
    """What an engine answered: any HTTP status, and the body as it came."""

    status: int
    body: bytes
    retry_after: float | None = None
    attempts: int = 1


def is_passing(status: int) -> bool:
    """Tell whether an answer with this status may be another one next time (R50)."""
    return status == 429 or status >= 500


class EngineError(Exception):
    """The engine gave no answer."""

    retryable = False


class EngineUnreachable(EngineError):
    """The connection failed or broke off; another try may work."""

    retryable = True

    def __init__(self, message: str, attempts: int = 1) -> None:
        super().__init__(message)
        self.attempts = attempts


class EngineDead(EngineError):
    """The engine is gone for good: it has to be built again."""


class PoisonRequest(EngineError):
    """An engine of several died each time it ran this request alone; the others live.

    The line fails as one that killed a single engine does (workers/running/healing.py).
    """


class EngineStartFailed(EngineError):
    """The engine did not come up.

    `is_lasting`: another try would end the same way, until somebody changes something.
    """

    def __init__(self, message: str, *, is_lasting: bool = False) -> None:
        super().__init__(message)
        self.is_lasting = is_lasting


class GpuTaken(EngineStartFailed):
    """Somebody else holds the GPU's memory: the model is not to blame."""


class Engine(ABC):
    """Anything that answers an OpenAI POST.

    To add one: copy the nearest engine, write `start`, `post` and `stop`, name the
    class in `settings.ENGINES`, and run `test_engine_contract.py` of its tests on it.
    An engine belongs to one event loop and serves one model. The runner calls `post`
    from up to `concurrency × 2` coroutines at once; cancelling such a coroutine must
    abort its request.
    """

    # Whether `post` itself repeats what may pass (429, 5xx, a lost connection).
    retries_itself = False

    def __init__(self, *, model: str, source: str, engine_args: dict[str, Any]) -> None:
        self.model = model
        self.source = source
        self.engine_args = engine_args

    @property
    @abstractmethod
    def concurrency(self) -> int:
        """How many requests the engine works on at the same time, once started.

        It may change while the engine runs: the runner follows it when it grows.
        """

    @abstractmethod
    async def start(self) -> None:
        """Get ready to answer; raises EngineStartFailed with what to do about it."""

    @abstractmethod
    async def post(self, url: str, body: bytes) -> Answer:
        """Answer one request: `url` such as `/v1/embeddings`, `body` as it was sent.

        Returns whatever HTTP status the engine gave, errors included. Raises
        EngineUnreachable if there was no answer, EngineDead if there will be none,
        PoisonRequest if the engine found out itself which request it dies of.
        """

    async def health(self) -> bool:
        """Tell whether the engine could answer now. Progress is watched elsewhere."""
        return True

    def waits_for(self) -> str:
        """Say what requests wait for inside the engine; empty: for its answers.

        Told to people, and no standstill. Asked a few times a second.
        """
        return ""

    def report(self) -> list[dict[str, Any]]:
        """Return a row for each server of an engine that has several, for people."""
        return []

    def progress(self) -> int | None:
        """Return a number that grows while the engine works; None if it cannot tell.

        An engine that has requests, finishes none and whose number stands still for
        ENGINE_STALL_SECONDS hangs, and is built again; a slow one is left alone.
        """
        return None

    def gpu_share(self) -> float | None:
        """Return the share of the GPU's memory `start` will take; None: no GPU.

        Asked before `start`, which is not called where so much is not free.
        """
        return None

    def weight_bytes(self) -> int | None:
        """Return what the weights take once loaded; None if that is not known."""
        return None

    async def sleep(self, level: int) -> bool:
        """Free the GPU and stay ready to wake; False if it cannot, and is stopped then.

        Level 1 keeps the weights in the machine's memory, level 2 keeps nothing but the
        process. Called while no request is out. An engine without it is loaded anew.
        """
        return False

    async def wake(self) -> None:
        """Undo `sleep`; raises EngineDead, and the engine is loaded anew then."""
        raise EngineDead(f"the engine of {self.model} does not sleep")

    def manifest(self) -> dict[str, Any]:
        """Return what a batch's manifest should keep of this engine, once started.

        `engine_version`, `engine_args` with the defaults the engine filled in, and the
        name of its `gpu` if that is not the worker's own.
        """
        return {"engine_args": self.engine_args}

    @abstractmethod
    async def stop(self) -> None:
        """Free everything `start` took; called once, also after a failed start."""
