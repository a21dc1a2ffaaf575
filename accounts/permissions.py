"""What a key may do: the scope each operation needs."""

from typing import cast

from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.views import APIView

from accounts.models import ApiKey, Project
from vllm_batch.lib.errors import Forbidden


class HasScope(BasePermission):
    """Lets a key through that holds the scope of the view's action.

    The view says `scopes = {"list": "files:read", …}`; an action it does not name is
    refused, so a forgotten entry cannot open a door.
    """

    def has_permission(self, request: Request, view: APIView) -> bool:
        """Raise Forbidden unless the key's scopes cover the action."""
        served: dict[str, str] = view.action_map  # type: ignore[attr-defined]
        if str(request.method).lower() not in served:
            return True  # a verb the route does not serve: DRF answers 405
        scopes: dict[str, str] = getattr(view, "scopes", {})
        needed = scopes.get(getattr(view, "action", ""))
        if needed is None or needed not in key_of(request).scopes:
            raise Forbidden(
                f"This API key lacks the scope {needed or 'for this operation'}. Use"
                " another key, or add the scope in the admin.",
                code="insufficient_scope",
            )
        return True


def key_of(request: Request) -> ApiKey:
    """Return the key the request was authenticated with."""
    return cast(ApiKey, request.auth)


def project_of(request: Request) -> Project:
    """Return the caller's project: the one whose objects it may see."""
    return key_of(request).project
