"""Where Label Studio's webhooks come in: a hint that something changed, no more.

Its webhooks have no signature, no retry and a timeout of a second, so nothing is taken
from their body but the project's number, and the answer does not wait for the pull.
"""

import hmac

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api import ApiViewSet
from curation.label_studio.tasks import request_pull
from vllm_batch.lib.conf import conf
from vllm_batch.lib.errors import NotFound, Unauthorized

HEADER = "X-Label-Studio-Secret"
MOST_ID = 2**63 - 1


class LabelStudioHookViewSet(ApiViewSet):
    """Takes hints from Label Studio, which has a secret instead of an API key."""

    authentication_classes = []
    permission_classes = []

    @extend_schema(exclude=True)
    def hook(self, request: Request) -> Response:
        """Ask for a pull of the project that the event is about."""
        secret = conf().LABEL_STUDIO_HOOK_SECRET
        if not (secret and conf().has_label_studio):
            raise NotFound(f"Invalid URL ({request.method} {request.path})")
        sent = request.headers.get(HEADER, "").encode(errors="replace")
        if not hmac.compare_digest(sent, secret.encode()):
            raise Unauthorized(f"The header {HEADER} is missing or wrong.")
        remote_id = _project_of(request.data)
        if remote_id is not None:
            request_pull(remote_id=remote_id)
        return Response(status=204)


def _project_of(event: object) -> int | None:
    project = event.get("project") if isinstance(event, dict) else None
    found: object = project.get("id") if isinstance(project, dict) else None
    if isinstance(found, bool) or not isinstance(found, int):
        return None
    return found if 0 < found <= MOST_ID else None
