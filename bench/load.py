"""What each thing a worker does asks of the database: statements, rows, time.

The product's own functions, on a database with as many open chunks as are wanted. The
server's time is the processor time of the backend that served them.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from time import perf_counter
from typing import Any

from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from django_q.models import OrmQ

from accounts.models import Project
from batches import segments
from batches.models import BatchJob, Chunk, Segment, Status
from batches.segments import Claim, Results
from batches.sweeping import sweep
from bench.workloads import CHAT
from vllm_batch.lib.clock import database_now
from workers.models import Heartbeat, ServedModel
from workers.running import leases
from workers.running.reading import in_hand
from workers.scheduling.demand import Asker, look
from workers.slots.pulse import Pulse
from workers.supervising.symptoms import symptoms_of

MODEL, OWNER, SLOT = "bench", "gpu0@bench:1:x", "gpu0"
CHUNK_LINES, BATCH_LINES = 1024, 50_000
_TICK = os.sysconf("SC_CLK_TCK")
_WRITES = ("UPDATE", "INSERT", "DELETE")


@dataclass(frozen=True)
class Load:
    """One call: statements, those that write, and seconds.

    `cpu` is the server's processor time, `wall` the caller's wait, `held` how long the
    batch's row stays locked for all others.
    """

    statements: int
    writes: int
    cpu: float
    wall: float
    held: float = 0.0


Loads = dict[str, Load]


@contextmanager
def backlog(lines: int, projects: int = 4) -> Iterator[list[BatchJob]]:
    """Have so many lines planned and waiting in batches; then remove them."""
    ServedModel.objects.get_or_create(name=MODEL, defaults={"engine": "null"})
    owners = [
        Project.objects.get_or_create(name=f"bench-{number}")[0]
        for number in range(projects)
    ]
    now = database_now()
    made = [
        BatchJob(
            project=owners[number % projects],
            endpoint=CHAT,
            input_file_id="file-bench",
            completion_window="24h",
            request_digest="",
            status=Status.IN_PROGRESS,
            model=MODEL,
            total=BATCH_LINES,
            created_at=now,
            in_progress_at=now,
            expires_at=now + timedelta(days=7, seconds=number),
        )
        for number in range(max(1, lines // BATCH_LINES))
    ]
    BatchJob.objects.bulk_create(made)
    for batch in made:
        Chunk.objects.bulk_create(_chunks(batch))
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    try:
        yield made
    finally:
        _remove(made)


def _chunks(batch: BatchJob) -> list[Chunk]:
    return [
        Chunk(
            batch=batch,
            index=index,
            model=MODEL,
            first_line=first,
            span=CHUNK_LINES,
            line_count=CHUNK_LINES,
            first_byte=first * 1000,
            byte_count=CHUNK_LINES * 1000,
            done=bytes(CHUNK_LINES // 8),
        )
        for index, first in enumerate(range(0, BATCH_LINES, CHUNK_LINES))
    ]


def _remove(made: list[BatchJob]) -> None:
    ids = [batch.pk for batch in made]
    with connection.cursor() as cursor:
        for table in ("segment", "chunk"):
            cursor.execute(f"TRUNCATE vllm_batches_{table} CASCADE")
    BatchJob.objects.filter(pk__in=ids).delete()
    Heartbeat.objects.filter(host="bench").delete()
    OrmQ.objects.all().delete()


def measure(made: list[BatchJob], calls: int) -> Loads:
    """Return the load of each thing, in the mean of so many calls."""
    held: list[Chunk] = []

    def claim() -> None:
        chunk = leases.claim_chunk(OWNER, [MODEL])
        assert chunk is not None
        held.append(chunk)

    found = {"claim": _mean(claim, calls)}
    besides = {batch.pk for batch in made}
    found["look for another batch"] = _mean(
        lambda: leases.claim_chunk(OWNER, [MODEL], besides), calls
    )
    projects = {batch.project_id for batch in made}
    found["look for another project"] = _mean(
        lambda: leases.next_project([MODEL], projects), calls
    )
    found["segment"] = _mean(_committing(held), calls)
    pulse = Pulse(SLOT, OWNER)
    pulse.in_flight = 1
    with pulse.keeping([in_hand(chunk, OWNER) for chunk in held[:8]]):
        found["heartbeat"] = _mean(pulse._beat, calls)
    asker = Asker(owner=OWNER, slot=SLOT, loaded=MODEL, has_in_hand=True)
    found["choice of the model"] = _mean(lambda: look(asker), calls)
    watched = {chunk.batch_id for chunk in held[:8]}
    found["watch"] = _mean(lambda: leases.stopped_batches(watched), calls)
    # A doorbell that lies there: as it is, nearly always, in a fleet at work.
    OrmQ.objects.create(key="gpu", payload="", lock=timezone.now())
    found["sweep"] = _mean(sweep, calls)
    found["symptoms"] = _mean(lambda: symptoms_of(SLOT, lambda _: True), calls)
    found["poll"] = _mean(_poll, calls)
    return found


def _poll() -> None:
    """Ask as django-q2's pusher does of a queue that has nothing."""
    list(OrmQ.objects.filter(key="other", lock__lt=timezone.now())[:1])


def _committing(held: list[Chunk]) -> Callable[[], None]:
    """Return what commits one segment of a few lines after the other."""
    sequence = iter(range(1, 10**9))

    def commit() -> None:
        number = next(sequence)
        chunk = held[number % len(held)]
        claim = Claim(
            chunk_id=chunk.pk,
            batch_id=chunk.batch_id,
            index=chunk.index,
            fence=chunk.fence,
            owner=OWNER,
            line_count=CHUNK_LINES,
        )
        results = Results(output=[b"{}\n"])
        row = Segment(
            chunk_id=chunk.pk,
            fence=chunk.fence,
            sequence=number,
            path=f"segments/{chunk.batch_id}/{chunk.index}-{chunk.fence}-{number}.jsonl",
            sha256="0" * 64,
            bytes=3,
            output_bytes=3,
            line_count=1,
        )
        done = bytes(CHUNK_LINES // 8)
        segments.commit(claim, row, results, done, is_first_try=True)

    return commit


def _mean(work: Callable[[], Any], calls: int) -> Load:
    work()
    with CaptureQueriesContext(connection) as seen:
        work()
    asked = [query["sql"] for query in seen.captured_queries]
    cpu, start = _backend_cpu(), perf_counter()
    for _ in range(calls):
        work()
    wall = (perf_counter() - start) / calls
    return Load(
        statements=len(asked),
        writes=sum(sql.startswith(_WRITES) for sql in asked),
        cpu=(_backend_cpu() - cpu) / calls,
        wall=wall,
        held=_held(seen.captured_queries),
    )


def _held(queries: list[dict[str, str]]) -> float:
    """Return the time from the lock of the batch's row to the end of the commit."""
    is_locked, seconds = False, 0.0
    for query in queries:
        is_batch = query["sql"].startswith('UPDATE "vllm_batches_batchjob"')
        is_locked = is_locked or is_batch
        if is_locked:
            seconds += float(query["time"])
    return seconds


def _backend_cpu() -> float:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        pid = cursor.fetchone()[0]
    words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, words[11:13])) / _TICK
