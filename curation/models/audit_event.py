"""Who changed curation's state, and who took data out."""

from typing import Any, NoReturn

from django.conf import settings
from django.db import models
from django.utils import timezone

from accounts.models import Project
from curation.models.item import Item


class Action(models.TextChoices):
    """What was done. Reviews are not here: a review is a row that nobody overwrites."""

    DECIDED = "decided", "decided as a lead"
    CORRECTION_CHOSEN = "correction_chosen", "chose a reviewer's correction"
    SENT_BACK = "sent_back", "sent a task back"
    TAKEN_OUT = "taken_out", "took a task out"
    GOLD_SET = "gold_set", "made gold"
    GOLD_TAKEN = "gold_taken", "took the gold away"
    SPLIT_LOCKED = "split_locked", "locked to a split"
    QUEUE_MADE = "queue_made", "made a queue"
    QUEUE_CHANGED = "queue_changed", "changed a queue"
    ROLE_GIVEN = "role_given", "gave a role"
    ROLE_CHANGED = "role_changed", "changed a role"
    ROLE_TAKEN = "role_taken", "took a role away"
    IMPORTED = "imported", "brought answers in"
    COMPARED = "compared", "ran a file on models"
    JUDGED = "judged", "let a model judge"
    CORRECTED = "corrected", "corrected prompts and ran them again"
    GOLD_RUN = "gold_run", "ran a model on the gold set"
    CLUSTERED = "clustered", "looked for near-duplicates"
    DATASET_MADE = "dataset_made", "made a dataset"
    FROZEN = "frozen", "froze a version"
    EXPORTED = "exported", "exported a version"
    DOWNLOADED = "downloaded", "downloaded"
    COPIED_OUT = "copied_out", "copied tasks to Label Studio"
    DELETED = "deleted", "deleted"


class NeverChanged(Exception):  # noqa: N818 - named for what holds
    """Rows of the audit log are written once."""


class AuditEvents(models.QuerySet["AuditEvent"]):
    """Rows that can be read and added."""

    def update(self, **fields: Any) -> NoReturn:
        """Refuse."""
        raise NeverChanged

    def bulk_update(self, *args: Any, **options: Any) -> NoReturn:
        """Refuse."""
        raise NeverChanged

    def delete(self) -> NoReturn:
        """Refuse."""
        raise NeverChanged


class AuditEvent(models.Model):
    """One act. Written in the act's own transaction, and never changed.

    `actor_name` outlives the account; it is `shell` for commands and `server` for what
    happens by itself. `detail` names ids, fields and counts, never a prompt's or an
    answer's text.
    """

    created_at = models.DateTimeField(
        "when", default=timezone.now, editable=False, db_index=True
    )
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+"
    )
    actor_name = models.CharField("who", max_length=150)
    action = models.CharField(max_length=24, choices=Action.choices)
    project = models.ForeignKey(
        Project, on_delete=models.SET_NULL, null=True, related_name="+"
    )
    item = models.ForeignKey(
        Item, on_delete=models.SET_NULL, null=True, related_name="audit_events"
    )
    object_type = models.CharField(max_length=40)
    object_id = models.CharField(max_length=64)
    object_name = models.CharField(max_length=160)
    detail = models.CharField(max_length=300, blank=True, default="")

    objects = AuditEvents.as_manager()

    class Meta:
        ordering = ["-pk"]
        verbose_name = "audit event"
        indexes = [
            models.Index(fields=["project", "-id"], name="vllm_curation_audit_project"),
        ]

    def __str__(self) -> str:
        return f"{self.actor_name} {self.get_action_display()}"

    def save(self, *args: Any, **options: Any) -> None:
        """Write a new row; raises NeverChanged for an old one."""
        if not self._state.adding:
            raise NeverChanged
        super().save(*args, **options)

    def delete(self, *args: Any, **options: Any) -> NoReturn:
        """Refuse."""
        raise NeverChanged

    @property
    def object_words(self) -> str:
        """Say what it was done to: its kind, and its name if it has one of its own."""
        name = self.object_name
        is_named = name.lower().startswith(self.object_type.lower())
        return name if is_named else f"{self.object_type} {name}"
