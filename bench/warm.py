"""Run batch files through the product's own Runner on an engine that stays loaded."""

import asyncio
import os
import time
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from io import BytesIO
from typing import Any

from django.core.files.base import File as DjangoFile
from django.test import override_settings

from accounts.models import Project
from batches.ingest import ingest
from batches.models import BatchJob, Chunk, Segment, Status
from bench import models
from bench.processes import tree_cpu
from bench.workloads import CHAT
from files.models import File, Purpose, batch_storage, new_file_id
from vllm_batch.lib.clock import database_now
from vllm_batch.lib.conf import conf
from workers.engines import make_engine
from workers.engines.base import Engine
from workers.models import ServedModel
from workers.running import runner as product
from workers.slots.pulse import Pulse

MODEL = "bench"
# The pulse of these runs does not beat.
LEASE_SECONDS = 3600


@dataclass(frozen=True)
class Ran:
    """From the claim of the first chunk to the commit of the last result."""

    seconds: float
    cpu: float
    batch: BatchJob


class Warm:
    """A started engine and its event loop."""

    def __init__(self, name: str, source: str = "", **engine_args: Any) -> None:
        self.engine: Engine = make_engine(
            name, model=MODEL, source=source, engine_args=engine_args
        )
        self._loop = asyncio.Runner()
        self._loop.run(self.engine.start())

    def run(self, lines: Iterable[bytes], **settings: Any) -> Ran:
        """Run a batch of these lines; `settings` are for this run only."""
        values = {"WORKER_LEASE_SECONDS": LEASE_SECONDS, **settings}
        with override_settings(VLLM_BATCH=conf().model_copy(update=values)):
            batch = planned(lines)
            cpu, start = tree_cpu(os.getpid()), database_now()
            self._loop.run(self._serve())
            cpu = tree_cpu(os.getpid()) - cpu
            batch.refresh_from_db()
            assert batch.status == Status.FINALIZING, batch.status
            assert not batch.failed, f"{batch.failed} lines failed"
            assert batch.finalizing_at is not None
            seconds = (batch.finalizing_at - start).total_seconds()
            remove(batch)
        return Ran(seconds, cpu, batch)

    async def _serve(self) -> None:
        started = time.monotonic()
        await product.Runner(
            self.engine,
            owner="bench",
            pulse=Pulse("bench", "bench"),
            is_over=lambda: time.monotonic() - started > LEASE_SECONDS,
        ).run()

    def stop(self) -> None:
        """Stop the engine."""
        self._loop.run(self.engine.stop())
        self._loop.close()


_kept: dict[str, Warm] = {}


def vllm(source: str, **engine_args: Any) -> Warm:
    """Return vLLM with this model and these arguments; the last one stays warm."""
    key = repr((source, sorted(engine_args.items())))
    if key not in _kept:
        close()
        _kept[key] = Warm("vllm", source, **engine_args)
    return _kept[key]


def observed() -> Warm:
    """Return a vLLM that tells what its scheduler does, on the wider model.

    Few slots and more to compute: the engine limits the speed, as on a GPU, and not the
    front end before it.
    """
    few = {**models.ENGINE_ARGS, "max_num_seqs": 32, "disable_log_stats": None}
    return vllm(models.long(), **few)


def close() -> None:
    """Stop what is kept warm."""
    while _kept:
        _kept.popitem()[1].stop()


def planned(lines: Iterable[bytes]) -> BatchJob:
    """Store a batch file, validate it and cut its chunks."""
    project, _ = Project.objects.get_or_create(name="bench")
    ServedModel.objects.get_or_create(name=MODEL, defaults={"engine": "null"})
    content, now = b"".join(lines), database_now()
    name = new_file_id()
    path = batch_storage().save(f"files/{name}", DjangoFile(BytesIO(content)))
    file = File.objects.create(
        id=name,
        project=project,
        filename="in.jsonl",
        purpose=Purpose.BATCH,
        path=path,
        bytes=len(content),
        sha256="",
        created_at=now,
    )
    batch = BatchJob.objects.create(
        project=project,
        endpoint=CHAT,
        input_file_id=file.pk,
        completion_window="24h",
        request_digest="",
        created_at=now,
        expires_at=now + timedelta(days=1),
    )
    ingest(batch, lambda: None)
    batch.refresh_from_db()
    assert batch.status == Status.IN_PROGRESS, batch.errors
    return batch


def remove(batch: BatchJob) -> None:
    """Delete what a run left."""
    for segment in Segment.objects.filter(chunk__batch=batch):
        batch_storage().delete(segment.path)
        segment.delete()
    Chunk.objects.filter(batch=batch).delete()
    file = File.objects.get(pk=batch.input_file_id)
    batch_storage().delete(file.path)
    BatchJob.objects.filter(pk=batch.pk).delete()
    file.delete()
