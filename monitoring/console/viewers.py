"""Who looks at the console, and what of it they may see and do.

Staff only: the admin's door comes first. Members see their own projects; leads and
administrators of a project also act in it. Superusers see and do everything.
"""

from functools import cached_property

from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404

from accounts.models import Membership, Project
from batches.models import BatchJob
from batches.models.batch import BatchQuerySet
from curation.review.access import LEADING, User, is_superuser, key_of


class Viewer:
    """One person; asks for their memberships once."""

    def __init__(self, user: User) -> None:
        self.user = user
        self.is_superuser = is_superuser(user)

    @cached_property
    def roles(self) -> dict[int, str]:
        """The person's role in each of their projects, by its id."""
        mine = Membership.objects.filter(user_id=key_of(self.user))
        return dict(mine.values_list("project_id", "role"))

    def batches(self) -> BatchQuerySet:
        """Return the batches of the person's projects."""
        batches = BatchJob.objects.all()
        if self.is_superuser:
            return batches
        return batches.filter(project_id__in=list(self.roles))

    def projects(self) -> "QuerySet[Project]":
        """Return the projects the person may see."""
        if self.is_superuser:
            return Project.objects.all()
        return Project.objects.filter(pk__in=list(self.roles))

    def own_projects(self) -> "QuerySet[Project]":
        """Return the projects in which the person may make and change batches."""
        if self.is_superuser:
            return Project.objects.all()
        led = [pk for pk, role in self.roles.items() if role in LEADING]
        return Project.objects.filter(pk__in=led)

    @property
    def acts_somewhere(self) -> bool:
        """Tell whether there is a project the person may make batches in."""
        if self.is_superuser:
            return True
        return any(role in LEADING for role in self.roles.values())

    def acts_in(self, project_id: int) -> bool:
        """Tell whether the person may make and change batches of a project."""
        return self.is_superuser or self.roles.get(project_id) in LEADING

    def batch(self, batch_id: str) -> BatchJob:
        """Return a batch the person may see; raises Http404."""
        found = None
        if "\0" not in batch_id:
            rows = self.batches().select_related("project", "parent")
            found = rows.filter(pk=batch_id).first()
        if found is None:
            raise Http404("No such batch.")
        return found

    def own_batch(self, batch_id: str) -> BatchJob:
        """Return a batch the person may change; Http404, PermissionDenied."""
        found = self.batch(batch_id)
        if not self.acts_in(found.project_id):
            raise PermissionDenied(
                "Only leads and administrators of a project change its batches."
            )
        return found

    def own_project(self, project_id: str) -> Project:
        """Return a project the person may make batches in; PermissionDenied."""
        is_number = project_id.isascii() and project_id.isdigit()
        if is_number and len(project_id) < 18:
            found = self.own_projects().filter(pk=int(project_id)).first()
            if found is not None:
                return found
        raise PermissionDenied(
            "Only leads and administrators of a project make batches in it."
        )
