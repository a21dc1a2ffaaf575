"""The Batch API: four operations (contract 2, 5, 8) and two of our own."""

from django.http import StreamingHttpResponse
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api import ApiViewSet
from batches import actions, pause_actions, retry_actions, schema
from batches.models import BatchJob
from batches.parameters import (
    read_idempotency_key,
    read_order,
    read_pause,
    read_retry,
)
from batches.results import results_of
from batches.serializers import batch_object, batch_objects, manifest_object
from files.models import File, Purpose
from vllm_batch.lib.clock import database_now
from vllm_batch.lib.errors import InvalidRequest, NotFound
from vllm_batch.lib.pagination import Cursor, PageLimits, paginate

# `limit=0` is an empty page on the live service (contract 4).
BATCH_PAGES = PageLimits(default=20, least=0, most=100)


class BatchViewSet(ApiViewSet):
    """Batches of the caller's project."""

    optional_bodies = {"pause", "retry"}
    scopes = {
        "list": "batches:read",
        "retrieve": "batches:read",
        "create": "batches:write",
        "cancel": "batches:write",
        "pause": "batches:write",
        "resume": "batches:write",
        "retry": "batches:write",
        "manifest": "batches:read",
        # What it gives is what downloads give.
        "results": "files:read",
    }
    # A retry makes a batch, too.
    rates = {"create": "batches", "retry": "batches"}

    def _batch(self, batch_id: str) -> BatchJob:
        batches = BatchJob.objects.of(self.project)
        batch = None if "\0" in batch_id else batches.filter(pk=batch_id).first()
        if batch is None:
            raise NotFound(f"No batch found with id '{batch_id}'.")
        return batch

    @extend_schema(**schema.LIST)
    def list(self, request: Request) -> Response:
        """List batches, newest first."""
        cursor = Cursor.parse(request.query_params, BATCH_PAGES)
        batches = BatchJob.objects.of(self.project)
        return Response(paginate(batches, batches, cursor, batch_objects))

    @extend_schema(**schema.CREATE)
    def create(self, request: Request) -> Response:
        """Create a batch from an uploaded file."""
        order = read_order(request.data)
        key = read_idempotency_key(request.headers.get("Idempotency-Key"))
        files = File.objects.of(self.project).visible(database_now())
        file = files.filter(pk=order.input_file_id).first()
        if file is not None and file.purpose != Purpose.BATCH:
            raise InvalidRequest(
                f"The file {file.pk} has the purpose '{file.purpose}'. Upload it again"
                " with the purpose 'batch'.",
                param="input_file_id",
                code="invalid_value",
            )
        return Response(batch_object(actions.create(self.project, order, key)))

    @extend_schema(**schema.RETRIEVE)
    def retrieve(self, request: Request, batch_id: str) -> Response:
        """Describe one batch."""
        return Response(batch_object(self._batch(batch_id)))

    @extend_schema(**schema.CANCEL)
    def cancel(self, request: Request, batch_id: str) -> Response:
        """Cancel one batch; what is finished is delivered."""
        return Response(batch_object(actions.cancel(self._batch(batch_id))))

    @extend_schema(**schema.PAUSE)
    def pause(self, request: Request, batch_id: str) -> Response:
        """Start no more lines of a batch until it is resumed."""
        batch = self._batch(batch_id)
        reason = read_pause(request.data)
        return Response(batch_object(pause_actions.pause(batch, reason)))

    @extend_schema(**schema.RESUME)
    def resume(self, request: Request, batch_id: str) -> Response:
        """Let a paused batch go on."""
        return Response(batch_object(pause_actions.resume(self._batch(batch_id))))

    @extend_schema(**schema.RETRY)
    def retry(self, request: Request, batch_id: str) -> Response:
        """Run a batch's failed lines again, as a new batch."""
        batch = self._batch(batch_id)
        order = read_retry(request.data)
        key = read_idempotency_key(request.headers.get("Idempotency-Key"))
        return Response(batch_object(retry_actions.retry(batch, order, key)))

    @extend_schema(**schema.MANIFEST)
    def manifest(self, request: Request, batch_id: str) -> Response:
        """Tell what one batch ran on."""
        return Response(manifest_object(self._batch(batch_id)))

    @extend_schema(**schema.RESULTS)
    def results(self, request: Request, batch_id: str) -> StreamingHttpResponse:
        """Stream the records there are so far, or those after a cursor."""
        after = request.query_params.get("after", "")
        found = results_of(self._batch(batch_id), after)
        headers = {
            "Content-Length": str(found.length),
            "x-next-cursor": found.next_cursor,
        }
        return StreamingHttpResponse(
            found.stream(), content_type="application/jsonl", headers=headers
        )
