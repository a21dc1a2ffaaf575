"""Webhook endpoints over the API, as `client.webhooks` expects (contract 10.4)."""

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api import ApiViewSet
from batches.handlers.webhook import actions, schema
from batches.handlers.webhook.events import EVENT_TYPES
from batches.handlers.webhook.parameters import (
    read_changes,
    read_endpoint,
    read_rotation,
    read_test,
)
from batches.handlers.webhook.serializers import (
    endpoint_object,
    endpoint_objects,
    with_secret,
)
from batches.handlers.webhook.testing import send_sample
from batches.models import WebhookEndpoint
from vllm_batch.lib.errors import NotFound
from vllm_batch.lib.pagination import Cursor, PageLimits, paginate

ENDPOINT_PAGES = PageLimits(default=20, least=1, most=100)


class WebhookEndpointViewSet(ApiViewSet):
    """Webhook endpoints of the caller's project."""

    optional_bodies = {"update", "rotate_secret"}
    scopes = {
        "list": "webhooks:read",
        "retrieve": "webhooks:read",
        "event_types": "webhooks:read",
        "create": "webhooks:write",
        "update": "webhooks:write",
        "destroy": "webhooks:write",
        "rotate_secret": "webhooks:write",
        "test": "webhooks:write",
    }

    def _endpoint(self, endpoint_id: str) -> WebhookEndpoint:
        endpoints = WebhookEndpoint.objects.of(self.project).visible()
        found = None
        if "\0" not in endpoint_id:
            found = endpoints.filter(pk=endpoint_id).first()
        if found is None:
            raise NotFound(f"No webhook endpoint found with id '{endpoint_id}'.")
        return found

    @extend_schema(**schema.LIST)
    def list(self, request: Request) -> Response:
        """List webhook endpoints, newest first."""
        cursor = Cursor.parse(request.query_params, ENDPOINT_PAGES)
        everything = WebhookEndpoint.objects.of(self.project)
        listed = everything.visible()
        return Response(paginate(listed, everything, cursor, endpoint_objects))

    @extend_schema(**schema.CREATE)
    def create(self, request: Request) -> Response:
        """Create a webhook endpoint; its signing secret is shown only now."""
        fields = read_endpoint(request.data)
        return Response(with_secret(actions.create(self.project, **fields)))

    @extend_schema(**schema.RETRIEVE)
    def retrieve(self, request: Request, webhook_endpoint_id: str) -> Response:
        """Describe one webhook endpoint."""
        return Response(endpoint_object(self._endpoint(webhook_endpoint_id)))

    @extend_schema(**schema.UPDATE)
    def update(self, request: Request, webhook_endpoint_id: str) -> Response:
        """Change name, URL or event types of a webhook endpoint."""
        endpoint = self._endpoint(webhook_endpoint_id)
        actions.update(endpoint, **read_changes(request.data))
        return Response(endpoint_object(endpoint))

    @extend_schema(**schema.DESTROY)
    def destroy(self, request: Request, webhook_endpoint_id: str) -> Response:
        """Delete one webhook endpoint; what waits for it is not sent."""
        endpoint = self._endpoint(webhook_endpoint_id)
        actions.delete(endpoint)
        deleted = {"object": "webhook_endpoint.deleted", "deleted": True}
        return Response({"id": endpoint.pk, **deleted})

    @extend_schema(**schema.ROTATE)
    def rotate_secret(self, request: Request, webhook_endpoint_id: str) -> Response:
        """Give a webhook endpoint a new signing secret, shown only now."""
        endpoint = self._endpoint(webhook_endpoint_id)
        actions.rotate(endpoint, keep_old=read_rotation(request.data))
        return Response(with_secret(endpoint))

    @extend_schema(**schema.TEST)
    def test(self, request: Request, webhook_endpoint_id: str) -> Response:
        """Send a sample event and tell what the receiver answered."""
        endpoint = self._endpoint(webhook_endpoint_id)
        event_type = read_test(request.data)
        return Response(
            {
                "object": "webhook_endpoint.test",
                "event_type": event_type,
                "status_code": send_sample(endpoint, event_type),
                "success": True,
                "webhook_endpoint_id": endpoint.pk,
            }
        )

    @extend_schema(**schema.EVENT_TYPES_LIST)
    def event_types(self, request: Request) -> Response:
        """List the event types there are."""
        return Response({"object": "list", "data": EVENT_TYPES})
