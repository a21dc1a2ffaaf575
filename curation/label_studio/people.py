"""Annotators as our users.

Label Studio lets anybody who may register there choose any e-mail address, so an
address alone must not speak for one of our people. Only a member of the project is
recognised by it; everybody else gets a user of their own that cannot log in.
"""

from collections.abc import Mapping
from typing import Any

from django.contrib.auth import get_user_model
from django.db import transaction

from accounts.models import Project
from curation.label_studio.client import LabelStudio
from curation.label_studio.errors import LabelStudioError
from curation.label_studio.links import USER, links_of, new_link

User = get_user_model()
# Django's user names have no colon.
PREFIX = "labelstudio+"
LONGEST_NAME = 150


class People:
    """Finds our user for a remote one; asks the server for its users at most once."""

    def __init__(self, client: LabelStudio, project: Project) -> None:
        self._client, self._project = client, project
        self._known: dict[int, int] = {}
        self._remote: dict[int, dict[str, Any]] | None = None

    def meet(self, remote_id: int) -> None:
        """Make sure that `find` knows this user. Raises Unreachable."""
        if remote_id not in self._known:
            scope = f"{self._client.url}/{self._project.pk}"
            link = links_of(USER, scope).filter(remote_id=str(remote_id)).first()
            self._known[remote_id] = (
                int(link.local_id) if link else self._make(scope, remote_id)
            )

    def find(self, remote_id: int) -> int:
        """Return our user's primary key for a remote id that was met."""
        return self._known[remote_id]

    def _make(self, scope: str, remote_id: int) -> int:
        if self._remote is None:
            self._remote = self._users()
        email = str(self._remote.get(remote_id, {}).get("email") or "")
        taken = set(links_of(USER, scope).values_list("local_id", flat=True))
        with transaction.atomic():
            user = self._member(email)
            if user is None or str(user.pk) in taken:
                user = _stranger(email or f"user-{remote_id}", remote_id)
            links = links_of(USER, scope)
            link, _ = links.get_or_create(
                remote_id=str(remote_id),
                defaults=_fields(scope, user.pk, remote_id),
            )
        return int(link.local_id)

    def _users(self) -> dict[int, dict[str, Any]]:
        try:
            return self._client.users()
        except LabelStudioError:
            # An account that may not list them can still pull, by number.
            return {}

    def _member(self, email: str) -> Any:
        """Return the one member of the project with this address."""
        if not email:
            return None
        members = self._project.memberships.values("user")
        found = User._default_manager.filter(pk__in=members, email__iexact=email)[:2]
        return found[0] if len(found) == 1 else None


def _fields(scope: str, local_id: object, remote_id: object) -> Mapping[str, Any]:
    link = new_link(USER, scope, local_id, remote_id)
    names = ("system", "object_type", "remote_scope", "local_id")
    return {name: getattr(link, name) for name in names}


def _stranger(email: str, remote_id: int) -> Any:
    """Return the user who stands for an annotator that we do not know."""
    name = f"{PREFIX}{email}"
    if len(name) > LONGEST_NAME:
        name = f"{PREFIX}user-{remote_id}"
    user, is_new = User._default_manager.get_or_create(
        **{User.USERNAME_FIELD: name}, defaults={"is_active": False}
    )
    if is_new:
        user.set_unusable_password()
        user.save()
    return user
