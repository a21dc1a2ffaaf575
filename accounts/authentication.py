"""Who is calling: `Authorization: Bearer <key>` (contract 1.2, 1.5)."""

import hmac
from datetime import timedelta

from django.contrib.auth.models import AnonymousUser
from django.db.models import Q
from django.utils import timezone
from rest_framework.authentication import BaseAuthentication, get_authorization_header
from rest_framework.request import Request

from accounts.models import PREFIX_LENGTH, ApiKey, digest
from vllm_batch.lib.errors import Unauthorized
from vllm_batch.lib.logs import note

# Compared with when no key has the prefix, so that both answers take as long.
_NO_DIGEST = digest("")
_USED_AT_STEP = timedelta(minutes=1)


class BearerKey(BaseAuthentication):
    """Finds the live key that was sent; the request's `auth` is that `ApiKey`."""

    def authenticate(self, request: Request) -> tuple[AnonymousUser, ApiKey]:
        """Return nobody and the key; raises Unauthorized."""
        secret = _secret(request)
        now = timezone.now()
        keys = ApiKey.objects.live(now).select_related("project")
        key = keys.filter(prefix=secret[:PREFIX_LENGTH]).first()
        known = key.digest if key else _NO_DIGEST
        if not hmac.compare_digest(known, digest(secret)) or key is None:
            raise Unauthorized(
                f"Incorrect API key provided: {_shown(secret)}. Make one in the admin,"
                " or with `manage.py create_api_key`.",
                code="invalid_api_key",
            )
        unnoted = Q(last_used_at=None) | Q(last_used_at__lt=now - _USED_AT_STEP)
        ApiKey.objects.filter(unnoted, pk=key.pk).update(last_used_at=now)
        note(project=str(key.project_id))
        return AnonymousUser(), key

    def authenticate_header(self, request: Request) -> str:
        """Name the scheme; without this DRF would answer 403 instead of 401."""
        return "Bearer"


def _secret(request: Request) -> str:
    try:
        scheme, secret = get_authorization_header(request).decode("ascii").split()
    except ValueError:  # absent, not two words, or not ASCII
        scheme, secret = "", ""
    if scheme.lower() != "bearer" or not secret.isprintable():
        raise Unauthorized(
            "You didn't provide an API key. Send it in the header"
            " `Authorization: Bearer YOUR_KEY`.",
            code="invalid_api_key",
        )
    return secret


def _shown(secret: str) -> str:
    """Return enough of a key to recognise it, and no more."""
    return f"{secret[:6]}***" if len(secret) > 20 else "***"
