"""The Batch object on the wire: every key, always (contract 8.1)."""

from collections.abc import Sequence
from typing import Any

from rest_framework import serializers

from batches.canary import State, canary_object
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
        "dry_run": batch.is_dry_run,
        "enqueued_tokens": batch.enqueued_tokens,
        "preflight": batch.preflight,
        "paused_at": unix(batch.paused_at),
        "canary": canary_object(batch),
    }


def manifest_object(batch: BatchJob) -> dict[str, Any]:
    """Return what a batch ran on; no entries if none of its lines has run."""
    return {
        "object": "batch.manifest",
        "batch_id": batch.pk,
        "input_file_id": batch.input_file_id,
        "created_at": unix(batch.created_at),
        "first_result_at": unix(batch.first_result_at),
        "ended_at": unix(getattr(batch, f"{batch.status}_at"))
        if batch.is_terminal
        else None,
        "is_pinned": batch.pinned_manifest is not None,
        "entries": (batch.manifest or {}).get("entries", []),
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


class _CanarySchema(serializers.Serializer[Any]):
    lines = serializers.IntegerField()
    state = serializers.ChoiceField(list(State))
    failed = serializers.IntegerField()
    cut_off = serializers.IntegerField()
    max_failed_share = serializers.FloatField()
    max_cut_off_share = serializers.FloatField()


class _LineListSchema(serializers.Serializer[Any]):
    count = serializers.IntegerField()
    lines = serializers.ListField(child=serializers.IntegerField())


class _PreflightSchema(serializers.Serializer[Any]):
    lines = serializers.IntegerField()
    tokenizer = serializers.ChoiceField(["model", "estimate"])
    tokenizer_reason = serializers.CharField(allow_null=True)
    counted_lines = serializers.IntegerField()
    max_model_len = serializers.IntegerField(allow_null=True)
    input_tokens = serializers.IntegerField()
    max_output_tokens = serializers.IntegerField()
    lines_without_output_limit = serializers.IntegerField()
    too_long = _LineListSchema()
    refused = _LineListSchema()
    duplicates = serializers.IntegerField()
    shared_prefix_share = serializers.FloatField()
    expected_seconds = serializers.FloatField(allow_null=True)
    exact = serializers.ListField(child=serializers.CharField())
    estimated = serializers.ListField(child=serializers.CharField())


class _ExtensionSchema(serializers.Serializer[Any]):
    eta_seconds = serializers.IntegerField(allow_null=True)
    waiting = _WaitingSchema(allow_null=True)
    cut_off = serializers.IntegerField()
    invalid_output = serializers.IntegerField()
    folded = serializers.IntegerField()
    parent_id = serializers.CharField(allow_null=True)
    dry_run = serializers.BooleanField()
    enqueued_tokens = serializers.IntegerField()
    preflight = _PreflightSchema(allow_null=True)
    paused_at = _moment(allow_null=True)
    canary = _CanarySchema(allow_null=True)


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


class _EntrySchema(serializers.Serializer[Any]):
    model = serializers.CharField()
    engine = serializers.CharField()
    engine_version = serializers.CharField(allow_null=True)
    server_version = serializers.CharField()
    source = serializers.CharField(allow_blank=True)  # type: ignore[assignment]
    revision = serializers.CharField(allow_blank=True)
    weights = serializers.CharField(allow_null=True)
    quantization = serializers.CharField(allow_blank=True)
    lora_adapters = serializers.ListField(child=serializers.DictField())
    lora_weights = serializers.ListField(child=serializers.CharField(allow_null=True))
    chat_template_sha256 = serializers.CharField(allow_blank=True, required=False)
    engine_args = serializers.DictField()
    gpu = serializers.CharField()
    platform = serializers.CharField()
    seeds = serializers.CharField()
    claimed_at = _moment()


class ManifestSchema(serializers.Serializer[Any]):
    """Describes `manifest_object`."""

    object = serializers.ChoiceField(["batch.manifest"])
    batch_id = serializers.CharField()
    input_file_id = serializers.CharField()
    created_at = _moment()
    first_result_at = _moment(allow_null=True)
    ended_at = _moment(allow_null=True)
    is_pinned = serializers.BooleanField()
    entries = _EntrySchema(many=True)


class BatchListSchema(serializers.Serializer[Any]):
    """Describes a page of batches."""

    object = serializers.ChoiceField(["list"])
    data = BatchObjectSchema(many=True)  # type: ignore[assignment]
    first_id = serializers.CharField(allow_null=True)
    last_id = serializers.CharField(allow_null=True)
    has_more = serializers.BooleanField()
