"""Batches that ran, with every line's outcome chosen by the test."""

import json
from typing import Any

from batches import claims, records, segments
from batches.models import BatchJob, Chunk, Segment
from batches.outcomes import Outcome, Usage, crash, failure
from batches.tasks import attend
from files.models import File, batch_storage
from tests.factories import lines, make_client, make_running_batch

GOOD = Outcome(200, b'{"ok":1}', Usage(7, 2, 3, 1))
LIMITED, REFUSED, BROKEN, CRASHED = failure(429), failure(400), failure(500), crash()


def commit(batch: BatchJob, outcomes: dict[int, Outcome], sequence: int = 1) -> Segment:
    """Commit one segment of the batch's only chunk, with the lines of these indexes."""
    chunk = batch.chunks.get()
    held = claims.claim_next("alice", 60, Chunk.objects.filter(pk=chunk.pk))
    assert held is not None
    claim = segments.Claim(
        chunk_id=held.pk,
        batch_id=batch.pk,
        index=held.index,
        fence=held.fence,
        owner="alice",
    )
    results, done = segments.Results(), bytearray(held.done)
    requests = content(batch.input_file_id).splitlines()
    for index, outcome in outcomes.items():
        custom_id = json.dumps(json.loads(requests[index])["custom_id"]).encode()
        number = index + 1
        record = records.answered(batch.pk, number, custom_id, "req_1", outcome)
        results.add(record, outcome, number, custom_id)
        done[index // 8] |= 1 << index % 8
    segment = segments.write(claim, sequence, results)
    segments.commit(claim, segment, results, bytes(done))
    Chunk.objects.filter(pk=held.pk).update(lease_owner="", lease_expires_at=None)
    return segment


def run(batch: BatchJob, *outcomes: Outcome | None) -> BatchJob:
    """Let the lines end so, None for one that does not run, and end the batch."""
    ran = {i: outcome for i, outcome in enumerate(outcomes) if outcome is not None}
    if ran:
        commit(batch, ran)
    if None in outcomes:
        BatchJob.objects.filter(pk=batch.pk).update(status="cancelling")
    return end(batch)


def end(batch: BatchJob) -> BatchJob:
    """Let the ops task do its part."""
    attend(batch.pk)
    batch.refresh_from_db()
    return batch


def make_ended(*outcomes: Outcome | None, **fields: Any) -> BatchJob:
    """Make a batch of lines l0, l1 … that ended so."""
    return run(make_running_batch(*lines(len(outcomes)), **fields), *outcomes)


def content(file_id: str | None) -> bytes:
    """Return a file's bytes, none for no file."""
    if file_id is None:
        return b""
    with batch_storage().open(File.objects.get(pk=file_id).path) as file:
        found: bytes = file.read()
    return found


def ids(data: bytes) -> list[str]:
    """Return the custom ids of records or requests, sorted."""
    return sorted(json.loads(text)["custom_id"] for text in data.splitlines())


def post_retry(batch: BatchJob, body: Any = None, **headers: str) -> Any:
    """Ask over HTTP for a retry."""
    client = make_client(batch.project)
    path = f"/v1/batches/{batch.pk}/retry"
    content_type = "application/json"
    return client.post(path, body or b"", content_type=content_type, headers=headers)


def retried(batch: BatchJob, body: Any = None) -> BatchJob:
    """Retry a batch over HTTP."""
    response = post_retry(batch, body)
    assert response.status_code == 200, response.content
    return BatchJob.objects.get(pk=response.json()["id"])
