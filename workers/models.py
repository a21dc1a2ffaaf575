"""What is served, and who is alive to serve it."""

from typing import Any

from django.core.exceptions import ValidationError
from django.db import models
from django.utils import timezone

from batches.endpoints import ENDPOINTS
from workers.engines import engine_names
from workers.served.model_faults import faults_of


class Permission(models.TextChoices):
    """What is known of a licence's clause."""

    YES = "yes"
    NO = "no"
    UNKNOWN = "unknown"


class ServedModel(models.Model):
    """A model clients may name, and the engine that answers for it."""

    name = models.CharField(
        max_length=255, unique=True, help_text="The `model` clients send."
    )
    # Not `choices`: engines are plug points, and a new one needs no migration.
    engine = models.CharField(max_length=64, default="vllm")
    source = models.CharField(
        max_length=500,
        blank=True,
        help_text="Hub id or folder of the weights, or the base URLs of endpoints.",
    )
    revision = models.CharField(
        max_length=255, blank=True, help_text="Branch, tag or commit of a hub model."
    )
    quantization = models.CharField(
        max_length=64, blank=True, help_text="vLLM's word for it. Empty: as stored."
    )
    engine_args: Any = models.JSONField(
        default=dict, blank=True, help_text="The engine's own arguments, as JSON."
    )
    endpoints: Any = models.JSONField(
        default=list,
        blank=True,
        help_text="Endpoints it answers, such as /v1/embeddings. Empty: all.",
    )
    lora_adapters: Any = models.JSONField(
        default=list,
        blank=True,
        help_text='Adapters on this base: [{"name": …, "source": …}].',
    )
    chat_template = models.TextField(
        blank=True, help_text="Jinja text. Empty: the model's own."
    )
    request_limits: Any = models.JSONField(
        default=dict,
        blank=True,
        help_text="What bodies may ask for; see docs/reference/served-models.md.",
    )
    licence = models.CharField(max_length=100, blank=True)
    may_train_others = models.CharField(
        max_length=8,
        choices=Permission.choices,
        default=Permission.UNKNOWN,
        help_text="Whether the licence lets its outputs train other models.",
    )
    run_hours = models.CharField(
        max_length=64,
        blank=True,
        help_text="Times of day it may run, such as 22:00-08:00. Empty: always.",
    )
    is_enabled = models.BooleanField(default=True)
    disabled_reason = models.CharField(
        max_length=500, blank=True, editable=False, help_text="Why it was switched off."
    )
    # Learnt: what loading and waking cost, and how fast it answers.
    load_seconds = models.FloatField(null=True, editable=False)
    wake_seconds = models.FloatField(null=True, editable=False)
    input_tokens_per_second = models.FloatField(null=True, editable=False)
    output_tokens_per_second = models.FloatField(null=True, editable=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        """Refuse what could not be served, with what to write instead."""
        if self.engine not in engine_names():
            names = ", ".join(engine_names())
            raise ValidationError({"engine": f"Engines are: {names}."})
        if not isinstance(self.engine_args, dict):
            raise ValidationError({"engine_args": "Write a JSON object."})
        known = isinstance(self.endpoints, list) and all(
            endpoint in ENDPOINTS for endpoint in self.endpoints
        )
        if not known:
            text = f"Write a JSON list of these endpoints: {', '.join(ENDPOINTS)}."
            raise ValidationError({"endpoints": text})
        others = type(self).objects.exclude(pk=self.pk)
        if found := faults_of(self, {name for row in others for name in row.names}):
            raise ValidationError(found)
        if self.is_enabled:
            self.disabled_reason = ""

    @property
    def names(self) -> list[str]:
        """Return the names it answers for: its own, then its adapters'."""
        return [self.name, *(adapter["name"] for adapter in self.lora_adapters)]

    def serves(self, endpoint: str) -> bool:
        """Tell whether a batch for `endpoint` may name this model."""
        return not self.endpoints or endpoint in self.endpoints


class GpuLease(models.Model):
    """Who owns a GPU: a host and a slot, until a time by the database's clock."""

    host = models.CharField(max_length=255)
    slot = models.CharField(max_length=128)
    holder = models.CharField(max_length=64, help_text="The id of the slot's lock.")
    expires_at = models.DateTimeField()

    class Meta:
        verbose_name = "GPU lease"
        ordering = ["host", "slot"]
        constraints = [
            models.UniqueConstraint(
                fields=["host", "slot"], name="vllm_workers_one_owner"
            )
        ]

    def __str__(self) -> str:
        return f"{self.slot}@{self.host}"


class Heartbeat(models.Model):
    """The last sign of life of a GPU slot's worker; times by the database's clock."""

    class State(models.TextChoices):
        """What the worker is doing."""

        IDLE = "idle"
        LOADING = "loading"
        RUNNING = "running"
        PAUSED = "paused"
        DRAINING = "draining"

    host = models.CharField(max_length=255)
    slot = models.CharField(max_length=128)
    pid = models.PositiveIntegerField()
    owner = models.CharField(max_length=128)
    state = models.CharField(max_length=16, choices=State.choices, default=State.IDLE)
    reason = models.CharField(max_length=255, blank=True, default="")
    model = models.CharField(max_length=255, blank=True, default="")
    # What NVML says of the card; empty without one.
    gpu: Any = models.JSONField(default=dict)
    # What the engine says of its servers, if it has several; null: nothing is known.
    servers: Any = models.JSONField(default=list, null=True)
    requests_in_flight = models.PositiveIntegerField(default=0)
    requests_done = models.BigIntegerField(default=0)
    beat_at = models.DateTimeField()
    progress_at = models.DateTimeField()

    class Meta:
        ordering = ["host", "slot"]
        constraints = [
            models.UniqueConstraint(fields=["host", "slot"], name="vllm_workers_heart")
        ]

    def __str__(self) -> str:
        return f"{self.slot}@{self.host}"
