"""Webhook endpoints in the OpenAPI document."""

from typing import Any

from batches.handlers.webhook.events import EVENT_TYPES
from batches.handlers.webhook.parameters import KEEP_OLD, LONGEST_NAME
from batches.handlers.webhook.serializers import (
    WebhookEndpointDeletedSchema,
    WebhookEndpointListSchema,
    WebhookEndpointSchema,
    WebhookEndpointWithSecretSchema,
    WebhookEventTypesSchema,
    WebhookTestSchema,
)
from batches.handlers.webhook.targets import LONGEST_URL, public_pattern
from vllm_batch.lib.schema import after_and_limit, answers, path_id, tagged

_ID = [path_id("webhook_endpoint_id", "the endpoint's id")]
_EVENT_TYPE = {"type": "string", "enum": list(EVENT_TYPES)}
_PROPERTIES: dict[str, Any] = {
    "event_types": {"type": "array", "minItems": 1, "items": _EVENT_TYPE},
    "name": {
        "type": "string",
        "minLength": 1,
        "maxLength": LONGEST_NAME,
        "pattern": "^[^\\u0000]*$",
    },
    # Addresses and the hosts of WEBHOOK_ALLOWED_HOSTS come on top.
    "url": {"type": "string", "maxLength": LONGEST_URL, "pattern": public_pattern()},
}


def _body(required: list[str]) -> dict[str, Any]:
    schema = {
        "type": "object",
        "additionalProperties": False,
        "properties": _PROPERTIES,
        "required": required,
    }
    return {"application/json": schema if required else _without(schema, "required")}


def _without(schema: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in schema.items() if key != name}


LIST = tagged(
    "Webhooks",
    "listWebhookEndpoints",
    parameters=after_and_limit(1, 100, 20),
    responses=answers(WebhookEndpointListSchema, 400, 404),
)
CREATE = tagged(
    "Webhooks",
    "createWebhookEndpoint",
    request=_body(["event_types", "name", "url"]),
    responses=answers(WebhookEndpointWithSecretSchema, 400, 409, 413, 415),
)
RETRIEVE = tagged(
    "Webhooks",
    "retrieveWebhookEndpoint",
    parameters=_ID,
    responses=answers(WebhookEndpointSchema, 404),
)
UPDATE = tagged(
    "Webhooks",
    "updateWebhookEndpoint",
    parameters=_ID,
    request=_body([]),
    responses=answers(WebhookEndpointSchema, 400, 404, 413, 415),
)
DESTROY = tagged(
    "Webhooks",
    "deleteWebhookEndpoint",
    parameters=_ID,
    request=None,
    responses=answers(WebhookEndpointDeletedSchema, 404),
)
ROTATE = tagged(
    "Webhooks",
    "rotateWebhookSecret",
    parameters=_ID,
    request={
        "application/json": {
            "type": "object",
            "additionalProperties": False,
            "properties": {KEEP_OLD: {"type": "boolean", "default": False}},
        }
    },
    responses=answers(WebhookEndpointWithSecretSchema, 400, 404, 413, 415),
)
TEST = tagged(
    "Webhooks",
    "testWebhookEndpoint",
    parameters=_ID,
    request={
        "application/json": {
            "type": "object",
            "additionalProperties": False,
            "required": ["event_type"],
            "properties": {"event_type": _EVENT_TYPE},
        }
    },
    responses=answers(WebhookTestSchema, 400, 404, 409, 413, 415),
)
EVENT_TYPES_LIST = tagged(
    "Webhooks",
    "listWebhookEventTypes",
    responses=answers(WebhookEventTypesSchema),
)
