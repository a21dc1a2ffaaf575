"""The audit log as tests read it."""

from typing import Any

from django.contrib.auth.models import Permission
from django.test import Client

from curation.models import AuditEvent
from tests.curation.review.desk import make_person

ADMIN = "/admin/vllm_curation/"


def said(*actions: str) -> list[tuple[str, str, str]]:
    """Return who did what, oldest first: name, action, detail; only these actions."""
    rows = AuditEvent.objects.order_by("pk")
    rows = rows.filter(action__in=actions) if actions else rows
    return list(rows.values_list("actor_name", "action", "detail"))


def signed_in(user: Any) -> Client:
    """Return somebody at the admin's door, and let them in."""
    client = Client()
    client.force_login(user)
    return client


def permitted(project: Any = None, role: str = "lead", **fields: Any) -> Client:
    """Return a member who may do in Django's terms all that is curation's."""
    user = make_person(project, role, **fields)
    labels = ("vllm_curation", "vllm_accounts")
    mine = Permission.objects.filter(content_type__app_label__in=labels)
    user.user_permissions.set(mine)
    return signed_in(user)
