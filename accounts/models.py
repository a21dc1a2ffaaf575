"""Projects, the tenants, and the API keys that speak for them."""

import hashlib
import secrets
from datetime import datetime
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import MinValueValidator
from django.db import models
from django.utils import timezone

SCOPES = (
    "files:read",
    "files:write",
    "batches:read",
    "batches:write",
    "models:read",
    "webhooks:read",
    "webhooks:write",
)
KEY_START = "sk-vb-"
PREFIX_LENGTH = len(KEY_START) + 8


class Project(models.Model):
    """A tenant: every file and batch belongs to one and is seen by no other."""

    name = models.CharField(max_length=100, unique=True)
    weight = models.PositiveSmallIntegerField(
        default=1,
        validators=[MinValueValidator(1)],
        help_text="Its share of a model's time, against other projects' weights.",
    )
    enqueued_token_limit = models.PositiveBigIntegerField(
        null=True,
        blank=True,
        help_text="Most tokens in batches that have not ended. Empty: the server's"
        " PROJECT_ENQUEUED_TOKENS.",
    )
    stored_bytes_limit = models.PositiveBigIntegerField(
        null=True,
        blank=True,
        help_text="Most bytes of its files. Empty: the server's PROJECT_STORED_BYTES.",
    )
    stored_files_limit = models.PositiveBigIntegerField(
        null=True,
        blank=True,
        help_text="Most files. Empty: the server's PROJECT_STORED_FILES.",
    )
    live_batches_limit = models.PositiveIntegerField(
        null=True,
        blank=True,
        help_text="Most batches that have not ended. Empty: the server's"
        " PROJECT_LIVE_BATCHES.",
    )
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class Role(models.TextChoices):
    """What a member may do in the review pages of a project."""

    REVIEWER = "reviewer", "reviews"
    LEAD = "lead", "reviews, decides and exports"
    ADMIN = "admin", "everything, members included"


class Membership(models.Model):
    """A person's role in a project. Superusers need none."""

    project = models.ForeignKey(
        Project, on_delete=models.CASCADE, related_name="memberships"
    )
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+"
    )
    role = models.CharField(max_length=8, choices=Role.choices, default=Role.REVIEWER)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ["project", "user"]
        constraints = [
            models.UniqueConstraint(
                fields=["project", "user"], name="vllm_accounts_one_membership"
            )
        ]

    def __str__(self) -> str:
        return f"{self.user} in {self.project}"


def all_scopes() -> list[str]:
    """Return what a new key may do unless told otherwise: everything."""
    return list(SCOPES)


class ApiKeyQuerySet(models.QuerySet["ApiKey"]):
    """Questions about keys."""

    def live(self, now: datetime) -> "ApiKeyQuerySet":
        """Keep the keys that are neither revoked nor expired."""
        return self.filter(revoked_at=None).filter(
            models.Q(expires_at=None) | models.Q(expires_at__gt=now)
        )


class ApiKey(models.Model):
    """A random 256-bit key; only its prefix and SHA-256 are stored.

    A fast hash is right for a key nobody could guess; a password hasher would cost
    100 ms a request. A project may have several live keys, so keys can be rotated.
    """

    project = models.ForeignKey(
        Project, on_delete=models.CASCADE, related_name="api_keys"
    )
    name = models.CharField(max_length=100, help_text="Who or what uses this key.")
    prefix = models.CharField(max_length=PREFIX_LENGTH, unique=True, editable=False)
    digest = models.CharField(max_length=64, editable=False)
    scopes = models.JSONField(default=all_scopes)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        editable=False,
        related_name="+",
    )
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    expires_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True, editable=False)

    objects = ApiKeyQuerySet.as_manager()

    class Meta:
        verbose_name = "API key"
        ordering = ["-created_at"]

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix}…)"

    def clean(self) -> None:
        """Refuse scopes that do not exist."""
        unknown = [scope for scope in self.scopes or [] if scope not in SCOPES]
        if unknown or not isinstance(self.scopes, list):
            raise ValidationError({"scopes": f"Scopes are: {', '.join(SCOPES)}."})

    @classmethod
    def issue(cls, project: Project, name: str, **fields: Any) -> tuple["ApiKey", str]:
        """Make a key; the second value is the key itself, to be shown once."""
        key = cls(project=project, name=name, **fields)
        secret = key.draw_secret()
        key.full_clean()
        key.save()
        return key, secret

    def draw_secret(self) -> str:
        """Give the key a new secret and return it; saving is the caller's part."""
        secret = KEY_START + secrets.token_urlsafe(32)
        self.prefix = secret[:PREFIX_LENGTH]
        self.digest = digest(secret)
        return secret


class Counter(models.Model):
    """How often something was asked for in one window: accounts/limiting."""

    key = models.CharField(primary_key=True, max_length=100)
    count = models.PositiveIntegerField()
    expires_at = models.DateTimeField(db_index=True)

    def __str__(self) -> str:
        return f"{self.key}: {self.count}"


def digest(secret: str) -> str:
    """Return the form in which a key is stored and compared."""
    return hashlib.sha256(secret.encode()).hexdigest()
