"""The Batch API in the OpenAPI document."""

from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter

from batches.endpoints import ENDPOINTS
from batches.order_extension import HIGHEST_PRIORITY
from batches.parameters import (
    LONGEST_FILE_ID,
    LONGEST_IDEMPOTENCY_KEY,
    LONGEST_KEY,
    LONGEST_VALUE,
    MOST_PAIRS,
)
from batches.pause_actions import LONGEST_REASON
from batches.results import CURSOR_PATTERN
from batches.retrying import CAUSES
from batches.serializers import BatchListSchema, BatchObjectSchema, ManifestSchema
from vllm_batch.lib.conf import conf
from vllm_batch.lib.parameters import LONGEST_LIFE, SHORTEST_LIFE
from vllm_batch.lib.schema import after_and_limit, answers, path_id, tagged

_ID = [path_id("batch_id", "the batch's id")]
# No NUL: it cannot be stored. (Nor can lone surrogates, which are no Unicode text.)
_TEXT = {"type": "string", "pattern": "^[^\\u0000]*$"}

_METADATA: dict[str, Any] = {
    "type": ["object", "null"],
    "maxProperties": MOST_PAIRS,
    "propertyNames": {**_TEXT, "maxLength": LONGEST_KEY},
    "additionalProperties": {**_TEXT, "maxLength": LONGEST_VALUE},
}

_SHARE = {"type": "number", "minimum": 0, "maximum": 1}
_EXTENSION: dict[str, Any] = {
    "type": ["object", "null"],
    "additionalProperties": False,
    "properties": {
        "dry_run": {"type": "boolean"},
        "priority": {
            "type": "integer",
            "minimum": -HIGHEST_PRIORITY,
            "maximum": HIGHEST_PRIORITY,
        },
        "canary": {
            "type": ["object", "null"],
            "additionalProperties": False,
            "properties": {
                "lines": {"type": "integer", "minimum": 1, "maximum": 10_000},
                "max_failed_share": _SHARE,
                "max_cut_off_share": _SHARE,
            },
        },
        # An id of a batch of the same project.
        "manifest_of": {**_TEXT, "type": ["string", "null"]},
    },
}

_ORDER: dict[str, Any] = {
    "type": "object",
    "required": ["input_file_id", "endpoint", "completion_window"],
    "additionalProperties": False,
    "properties": {
        "input_file_id": {
            "type": "string",
            "pattern": "^file[-A-Za-z0-9_]*$",
            "maxLength": LONGEST_FILE_ID,
        },
        "endpoint": {"type": "string", "enum": list(ENDPOINTS)},
        "completion_window": {
            "type": "string",
            "enum": list(conf().BATCH_COMPLETION_WINDOWS),
        },
        "metadata": _METADATA,
        "vllm_batch": _EXTENSION,
        "output_expires_after": {
            "type": ["object", "null"],
            "required": ["anchor", "seconds"],
            "additionalProperties": False,
            "properties": {
                "anchor": {"type": "string", "enum": ["created_at"]},
                "seconds": {
                    "type": "integer",
                    "minimum": SHORTEST_LIFE,
                    "maximum": LONGEST_LIFE,
                },
            },
        },
    },
}

_IDEMPOTENCY_KEY = OpenApiParameter(
    "Idempotency-Key",
    {"type": "string", "maxLength": LONGEST_IDEMPOTENCY_KEY},
    OpenApiParameter.HEADER,
    description="the same key and body return the same batch",
    required=False,
)

_PAUSE: dict[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "reason": {**_TEXT, "type": ["string", "null"], "maxLength": LONGEST_REASON}
    },
}

_RETRY: dict[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "causes": {
            "type": ["array", "null"],
            "minItems": 1,
            "items": {"type": "string", "enum": list(CAUSES)},
        },
        "custom_ids": {"type": ["array", "null"], "minItems": 1, "items": _TEXT},
        "merge": {"type": "boolean"},
        "metadata": _METADATA,
    },
}

LIST = tagged(
    "Batches",
    "listBatches",
    parameters=after_and_limit(0, 100, 20),
    responses=answers(BatchListSchema, 400, 404),
)
CREATE = tagged(
    "Batches",
    "createBatch",
    request={"application/json": _ORDER},
    parameters=[_IDEMPOTENCY_KEY],
    responses=answers(BatchObjectSchema, 400, 404, 409, 413, 415, 429),
)
RETRIEVE = tagged(
    "Batches",
    "retrieveBatch",
    parameters=_ID,
    responses=answers(BatchObjectSchema, 404),
)
CANCEL = tagged(
    "Batches",
    "cancelBatch",
    parameters=_ID,
    request=None,
    responses=answers(BatchObjectSchema, 404, 409),
)
PAUSE = tagged(
    "Batches",
    "pauseBatch",
    parameters=_ID,
    request={"application/json": _PAUSE},
    responses=answers(BatchObjectSchema, 400, 404, 409, 413, 415),
)
RESUME = tagged(
    "Batches",
    "resumeBatch",
    parameters=_ID,
    request=None,
    responses=answers(BatchObjectSchema, 404, 409),
)
RETRY = tagged(
    "Batches",
    "retryBatch",
    parameters=[*_ID, _IDEMPOTENCY_KEY],
    request={"application/json": _RETRY},
    responses=answers(BatchObjectSchema, 400, 404, 409, 413, 415, 429, 507),
)
MANIFEST = tagged(
    "Batches",
    "retrieveBatchManifest",
    parameters=_ID,
    responses=answers(ManifestSchema, 404),
)
RESULTS = tagged(
    "Batches",
    "streamBatchResults",
    parameters=[
        *_ID,
        OpenApiParameter(
            "after",
            {"type": "string", "pattern": f"^{CURSOR_PATTERN}$"},
            description="x-next-cursor of the answer before",
            required=False,
        ),
        OpenApiParameter(
            "x-next-cursor",
            str,
            OpenApiParameter.HEADER,
            description="the cursor behind this answer",
            response=[200],
        ),
    ],
    responses={
        **answers(None, 400, 404),
        (200, "application/jsonl"): OpenApiTypes.BINARY,
    },
)
RESULTS["responses"].pop(200)
