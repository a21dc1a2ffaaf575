"""Write the audit log. The only writer of its rows."""

from collections.abc import Iterable
from typing import Any, NamedTuple

from django.contrib.auth import get_user_model
from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.models import AnonymousUser
from django.db import connection
from django.db.models import Model

from curation.canonical import clean_text
from curation.models.audit_event import Action, AuditEvent

LONGEST_NAME, LONGEST_DETAIL = 160, 300


class Actor(NamedTuple):
    """Who acts: somebody with an account, or a name for nobody in particular."""

    id: Any = None
    name: str = ""


# A command on the server's own shell, and what happens by itself.
SHELL, SERVER = Actor(name="shell"), Actor(name="server")


def person(user: AbstractBaseUser | AnonymousUser) -> Actor:
    """Return somebody who is signed in as an actor."""
    return Actor(user.pk, user.get_username())


def record(
    action: Action,
    by: Actor,
    on: Model,
    *,
    project_id: Any,
    item_id: int | None = None,
    detail: str = "",
) -> None:
    """Write down one act on `on`; call it in the act's transaction."""
    record_all(action, by, [(on, item_id)], project_id=project_id, detail=detail)


def record_all(
    action: Action,
    by: Actor,
    objects: Iterable[tuple[Model, int | None]],
    *,
    project_id: Any,
    detail: str = "",
) -> None:
    """Write down one act on many objects, each with its item if it has one."""
    assert connection.in_atomic_block, "an act and its row stand or fall together"  # noqa: S101
    name = _name_of(by)
    rows = [
        AuditEvent(
            actor_id=by.id,
            actor_name=name,
            action=action,
            project_id=project_id,
            item_id=item_id,
            object_type=str(on._meta.verbose_name),
            object_id=str(on.pk),
            object_name=clean_text(str(on))[:LONGEST_NAME],
            detail=clean_text(detail)[:LONGEST_DETAIL],
        )
        for on, item_id in objects
    ]
    AuditEvent.objects.bulk_create(rows, batch_size=500)


def _name_of(by: Actor) -> str:
    if by.name or by.id is None:
        return (by.name or SERVER.name)[:150]
    user = get_user_model()._default_manager.filter(pk=by.id).first()
    return user.get_username()[:150] if user else str(by.id)
