"""Frozen, numbered training sets."""

from typing import Any

from django.conf import settings
from django.db import models
from django.utils import timezone

from accounts.models import Project


class Kind(models.TextChoices):
    """What a dataset's examples are for."""

    SFT = "sft", "answers to imitate"
    DPO = "dpo", "preferences"
    KTO = "kto", "good and bad answers"
    ICL = "icl", "examples in the prompt"


class Dataset(models.Model):
    """A name for versions."""

    project = models.ForeignKey(
        Project, on_delete=models.CASCADE, related_name="datasets"
    )
    name = models.SlugField(max_length=100)
    kind = models.CharField(max_length=8, choices=Kind.choices)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ["name"]
        constraints = [
            models.UniqueConstraint(
                fields=["project", "name"], name="vllm_curation_one_dataset"
            )
        ]

    def __str__(self) -> str:
        return self.name


class DatasetVersion(models.Model):
    """Examples that never change again; `manifest_sha256` is over all of them."""

    dataset = models.ForeignKey(
        Dataset, on_delete=models.CASCADE, related_name="versions"
    )
    number = models.PositiveIntegerField()
    filter: Any = models.JSONField(default=dict)
    manifest_sha256 = models.CharField(max_length=64)
    rules_version = models.PositiveIntegerField(
        help_text="Version of the rules that turn reviews into examples."
    )
    reports: Any = models.JSONField(default=dict)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+"
    )
    frozen_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ["dataset", "-number"]
        constraints = [
            models.UniqueConstraint(
                fields=["dataset", "number"], name="vllm_curation_version"
            )
        ]

    def __str__(self) -> str:
        return f"{self.dataset} v{self.number}"


class DatasetMember(models.Model):
    """One example: `payload` is neutral, exporters give it a consumer's form."""

    version = models.ForeignKey(
        DatasetVersion, on_delete=models.CASCADE, related_name="members"
    )
    ordinal = models.PositiveIntegerField()
    split = models.CharField(max_length=8)
    payload: Any = models.JSONField()
    payload_hash = models.CharField(max_length=64)
    provenance: Any = models.JSONField()

    class Meta:
        ordering = ["version", "ordinal"]
        constraints = [
            models.UniqueConstraint(
                fields=["version", "ordinal"], name="vllm_curation_ordinal"
            ),
            models.UniqueConstraint(
                fields=["version", "payload_hash"], name="vllm_curation_member"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.version_id} #{self.ordinal}"


class ArtifactState(models.TextChoices):
    """Where an export stands."""

    WAITING = "waiting"
    RUNNING = "running"
    READY = "ready"
    FAILED = "failed"


class Artifact(models.Model):
    """A version in one consumer's format, made in the background."""

    version = models.ForeignKey(
        DatasetVersion, on_delete=models.CASCADE, related_name="artifacts"
    )
    # Not `choices`: exporters are plug points.
    profile = models.CharField(max_length=64)
    state = models.CharField(
        max_length=8, choices=ArtifactState.choices, default=ArtifactState.WAITING
    )
    path = models.CharField(max_length=255, blank=True, default="")
    sha256 = models.CharField(max_length=64, blank=True, default="")
    bytes = models.BigIntegerField(default=0)
    rows = models.PositiveIntegerField(default=0)
    validation: Any = models.JSONField(default=dict)
    # What was asked for: whether invalid rows are left out, and whose tokenizer counts.
    options: Any = models.JSONField(default=dict)
    # Who makes it: the number of the try, until the lease ends.
    attempts = models.PositiveIntegerField(default=0)
    lease_expires_at = models.DateTimeField(null=True)
    error = models.CharField(max_length=500, blank=True, default="")
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ["-pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["version", "profile"], name="vllm_curation_one_artifact"
            )
        ]

    def __str__(self) -> str:
        return f"{self.version} as {self.profile}"
