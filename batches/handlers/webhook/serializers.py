"""The webhook endpoint object on the wire (contract 10.4)."""

from collections.abc import Sequence
from typing import Any

from rest_framework import serializers

from batches.handlers.webhook.events import EVENT_TYPES
from batches.models import WebhookEndpoint
from vllm_batch.lib.clock import unix


def endpoint_object(endpoint: WebhookEndpoint) -> dict[str, Any]:
    """Return an endpoint as clients see it."""
    return {
        "id": endpoint.pk,
        "object": "webhook_endpoint",
        "created_at": unix(endpoint.created_at),
        "updated_at": unix(endpoint.updated_at),
        "event_types": endpoint.event_types,
        "name": endpoint.name,
        "url": endpoint.url,
        "signing_secret_hint": endpoint.secret_hint,
    }


def endpoint_objects(endpoints: Sequence[WebhookEndpoint]) -> list[dict[str, Any]]:
    """Return a page of endpoints as clients see them."""
    return [endpoint_object(endpoint) for endpoint in endpoints]


def with_secret(endpoint: WebhookEndpoint) -> dict[str, Any]:
    """Return an endpoint with its secret: for the one who made it, this once."""
    return {**endpoint_object(endpoint), "signing_secret": endpoint.secret}


class WebhookEndpointSchema(serializers.Serializer[Any]):
    """Describes `endpoint_object` in the OpenAPI document."""

    id = serializers.CharField()
    object = serializers.ChoiceField(["webhook_endpoint"])
    created_at = serializers.IntegerField(help_text="Unix seconds")
    updated_at = serializers.IntegerField(help_text="Unix seconds")
    event_types = serializers.ListField(child=serializers.ChoiceField(EVENT_TYPES))
    name = serializers.CharField()
    url = serializers.CharField()
    signing_secret_hint = serializers.CharField(allow_null=True)


class WebhookEndpointWithSecretSchema(WebhookEndpointSchema):
    """Describes `with_secret`."""

    signing_secret = serializers.CharField()


class WebhookEndpointListSchema(serializers.Serializer[Any]):
    """Describes a page of endpoints."""

    object = serializers.ChoiceField(["list"])
    data = WebhookEndpointSchema(many=True)  # type: ignore[assignment]
    first_id = serializers.CharField(allow_null=True)
    last_id = serializers.CharField(allow_null=True)
    has_more = serializers.BooleanField()


class WebhookEndpointDeletedSchema(serializers.Serializer[Any]):
    """Describes the answer to a deletion."""

    id = serializers.CharField()
    object = serializers.ChoiceField(["webhook_endpoint.deleted"])
    deleted = serializers.BooleanField()


class WebhookTestSchema(serializers.Serializer[Any]):
    """Describes the answer to a test."""

    object = serializers.ChoiceField(["webhook_endpoint.test"])
    event_type = serializers.ChoiceField(EVENT_TYPES)
    status_code = serializers.IntegerField()
    success = serializers.BooleanField()
    webhook_endpoint_id = serializers.CharField()


class WebhookEventTypesSchema(serializers.Serializer[Any]):
    """Describes the list of event types."""

    object = serializers.ChoiceField(["list"])
    data = serializers.ListField(  # type: ignore[assignment]
        child=serializers.ChoiceField(EVENT_TYPES)
    )
