"""The forms with which comparisons and judge runs begin."""

from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from unfold.widgets import (
    UnfoldAdminCheckboxSelectMultipleWidget,
    UnfoldAdminFileFieldWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
)

from accounts.models import Project
from curation.catalog import served_models
from curation.judging.actions import LONGEST_INSTRUCTIONS
from curation.models.queue import Mode
from curation.queues import LONGEST_NAME
from files.models import File, Purpose
from vllm_batch.lib.clock import database_now
from vllm_batch.lib.conf import conf

MOST_FILES = 200


def _model_choices() -> list[tuple[str, str]]:
    return [(name, name) for name in served_models()]


class QueueForm(forms.Form):
    """Which queue answers go to."""

    queue = forms.CharField(
        max_length=LONGEST_NAME,
        widget=UnfoldAdminTextInputWidget,
        help_text="Where the answers meet. Made if it is not there.",
    )
    mode = forms.ChoiceField(
        choices=[("", "as it is; pairs if it is new"), *Mode.choices],
        required=False,
        widget=UnfoldAdminSelectWidget,
        help_text="What a reviewer sees at a time.",
    )

    def clean_mode(self) -> str | None:
        """Return None for whatever the queue has."""
        return self.cleaned_data["mode"] or None


class CompareForm(QueueForm):
    """One file, several models, and a queue."""

    field_order = ["file", "upload", "project", "models", "queue", "mode"]

    file = forms.ChoiceField(
        required=False,
        widget=UnfoldAdminSelectWidget,
        help_text="A batch file that was uploaded; the last ones are listed.",
    )
    upload = forms.FileField(
        required=False,
        widget=UnfoldAdminFileFieldWidget,
        help_text="Or a batch file of yours. Its lines' models do not matter.",
    )
    project = forms.ModelChoiceField(
        queryset=Project.objects.none(),
        required=False,
        widget=UnfoldAdminSelectWidget,
        help_text="Whose the uploaded file is.",
    )
    models = forms.MultipleChoiceField(
        choices=_model_choices, widget=UnfoldAdminCheckboxSelectMultipleWidget
    )

    def __init__(self, projects: QuerySet[Project], *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        files = File.objects.visible(database_now()).filter(
            project__in=projects, purpose=Purpose.BATCH, purged_at=None
        )
        rows = files.values_list("pk", "filename", "project__name")[:MOST_FILES]
        choices = [(pk, f"{name} ({project}, {pk})") for pk, name, project in rows]
        self.fields["file"].choices = [("", "–"), *choices]  # type: ignore[attr-defined]
        self.fields["project"].queryset = projects  # type: ignore[attr-defined]

    def clean(self) -> dict[str, Any]:
        """Ask for one file, not two, and for an upload's project."""
        fields: dict[str, Any] = super().clean() or {}
        upload = fields.get("upload")
        if bool(fields.get("file")) == bool(upload):
            raise ValidationError("Choose a file, or upload one.")
        if upload and upload.size > conf().BATCH_MAX_BYTES:
            raise ValidationError(
                f"The file is larger than {conf().BATCH_MAX_BYTES} bytes."
            )
        if upload and not fields.get("project"):
            raise ValidationError("Choose the project of the uploaded file.")
        return fields


class JudgeForm(forms.Form):
    """A judge model and what it is told."""

    model = forms.ChoiceField(choices=_model_choices, widget=UnfoldAdminSelectWidget)
    instructions = forms.CharField(
        required=False,
        max_length=LONGEST_INSTRUCTIONS,
        widget=UnfoldAdminTextareaWidget,
        help_text="What counts here, beside being right, complete and clear.",
    )
