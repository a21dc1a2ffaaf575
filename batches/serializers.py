"""The Batch object on the wire: every key, always (contract 8.1)."""

from collections.abc import Sequence
from typing import Any

from rest_framework import serializers

from batches.endpoints import ENDPOINTS
from batches.models import BatchJob, Status
from batches.outlook import Outlook, outlooks
from vllm_batch.lib.clock import unix

MOMENTS = (
    "created_at",
    "in_progress_at",
    "expires_at",
    "finalizing_at",
    "completed_at",
    "failed_at",
    "expired_at",
    "cancelling_at",
    "cancelled_at",
)


def batch_object(batch: BatchJob) -> dict[str, Any]:
    """Return a batch as clients see it."""
    return batch_objects([batch])[0]


def batch_objects(batches: Sequence[BatchJob]) -> list[dict[str, Any]]:
    """Return a page of batches as clients see them."""
    found = outlooks(batches)
    return [_batch_object(batch, found[batch.pk]) for batch in batches]


def _batch_object(batch: BatchJob, outlook: Outlook) -> dict[str, Any]:
    return {
        "id": batch.pk,
        "object": "batch",
        "endpoint": batch.endpoint,
        "model": batch.model,
        "errors": batch.errors,
        "input_file_id": batch.input_file_id,
        "completion_window": batch.completion_window,
        "status": batch.status,
        "output_file_id": batch.output_file_id,
        "error_file_id": batch.error_file_id,
        **{name: unix(getattr(batch, name)) for name in MOMENTS},
        "request_counts": {
            "total": batch.total,
            "completed": batch.completed,
            "failed": batch.failed,
        },
        "usage": {
            "input_tokens": batch.input_tokens,
            "input_tokens_details": {"cached_tokens": batch.cached_tokens},
            "output_tokens": batch.output_tokens,
            "output_tokens_details": {"reasoning_tokens": batch.reasoning_tokens},
            "total_tokens": batch.input_tokens + batch.output_tokens,
        },
        "metadata": batch.metadata,
        "vllm_batch": _extension(batch, outlook),
    }


def _extension(batch: BatchJob, outlook: Outlook) -> dict[str, Any]:
    """Return what OpenAI's object has no word for."""
    waiting = outlook.waiting
    return {
        "eta_seconds": outlook.eta_seconds,
        "waiting": None if waiting is None else waiting._asdict(),
        "cut_off": batch.cut_off,
        "invalid_output": batch.invalid_output,
        "folded": batch.folded,
        "parent_id": batch.parent_id,
    }


class _BatchErrorSchema(serializers.Serializer[Any]):
    code = serializers.CharField()
    line = serializers.IntegerField(allow_null=True, help_text="counted from 1")
    message = serializers.CharField()
    param = serializers.CharField(allow_null=True)


class _ErrorsSchema(serializers.Serializer[Any]):
    object = serializers.ChoiceField(["list"])
    data = _BatchErrorSchema(many=True)  # type: ignore[assignment]


class _CountsSchema(serializers.Serializer[Any]):
    total = serializers.IntegerField()
    completed = serializers.IntegerField()
    failed = serializers.IntegerField()


class _InputDetailsSchema(serializers.Serializer[Any]):
    cached_tokens = serializers.IntegerField()


class _OutputDetailsSchema(serializers.Serializer[Any]):
    reasoning_tokens = serializers.IntegerField()


class _UsageSchema(serializers.Serializer[Any]):
    input_tokens = serializers.IntegerField()
    input_tokens_details = _InputDetailsSchema()
    output_tokens = serializers.IntegerField()
    output_tokens_details = _OutputDetailsSchema()
    total_tokens = serializers.IntegerField()


def _moment(**kwargs: Any) -> serializers.IntegerField:
    return serializers.IntegerField(help_text="Unix seconds", **kwargs)


class _WaitingSchema(serializers.Serializer[Any]):
    code = serializers.CharField()
    message = serializers.CharField()


class _ExtensionSchema(serializers.Serializer[Any]):
    eta_seconds = serializers.IntegerField(allow_null=True)
    waiting = _WaitingSchema(allow_null=True)
    cut_off = serializers.IntegerField()
    invalid_output = serializers.IntegerField()
    folded = serializers.IntegerField()
    parent_id = serializers.CharField(allow_null=True)


class BatchObjectSchema(serializers.Serializer[Any]):
    """Describes `batch_object` in the OpenAPI document."""

    id = serializers.CharField()
    object = serializers.ChoiceField(["batch"])
    endpoint = serializers.ChoiceField(list(ENDPOINTS))
    model = serializers.CharField(allow_null=True)
    errors = _ErrorsSchema(allow_null=True)  # type: ignore[assignment]
    input_file_id = serializers.CharField()
    completion_window = serializers.CharField()
    status = serializers.ChoiceField(Status.values)
    output_file_id = serializers.CharField(allow_null=True)
    error_file_id = serializers.CharField(allow_null=True)
    created_at = _moment()
    in_progress_at = _moment(allow_null=True)
    expires_at = _moment()
    finalizing_at = _moment(allow_null=True)
    completed_at = _moment(allow_null=True)
    failed_at = _moment(allow_null=True)
    expired_at = _moment(allow_null=True)
    cancelling_at = _moment(allow_null=True)
    cancelled_at = _moment(allow_null=True)
    request_counts = _CountsSchema()
    usage = _UsageSchema()
    metadata = serializers.DictField(
        child=serializers.CharField(allow_blank=True), allow_null=True
    )
    vllm_batch = _ExtensionSchema()


class BatchListSchema(serializers.Serializer[Any]):
    """Describes a page of batches."""

    object = serializers.ChoiceField(["list"])
    data = BatchObjectSchema(many=True)  # type: ignore[assignment]
    first_id = serializers.CharField(allow_null=True)
    last_id = serializers.CharField(allow_null=True)
    has_more = serializers.BooleanField()
