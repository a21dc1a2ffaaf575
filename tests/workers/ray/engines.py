"""Engines for replicas, which tell where they run and what happened there."""

import os
from pathlib import Path

from workers.engines.base import Answer, EngineDead
from workers.engines.stub import StubEngine


class TellingEngine(StubEngine):
    """A stub. Its argument `folder` gets a file per pid, with a line for each event."""

    async def post(self, url: str, body: bytes) -> Answer:
        """Answer as the prompt says, and write down what came and what became of it."""
        self._tell("got", body)
        try:
            answer = await super().post(url, body)
        except BaseException as error:
            self._tell(type(error).__name__, body)
            raise
        self._tell("answered", body)
        return answer

    def _tell(self, event: str, body: bytes) -> None:
        path = Path(self.engine_args["folder"]) / str(os.getpid())
        with path.open("ab") as stream:
            stream.write(event.encode() + b" " + body + b"\n")


class BrokenEngine(StubEngine):
    """Starts, and dies of anything."""

    async def post(self, url: str, body: bytes) -> Answer:
        """Die."""
        raise EngineDead("out of memory")
