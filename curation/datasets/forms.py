"""The forms with which datasets are made, frozen and exported in the admin."""

from typing import Any

from django import forms
from django.utils.text import slugify
from unfold.widgets import (
    UnfoldAdminSelectWidget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanWidget,
)

from accounts.models import Project
from curation.datasets.filter import Filter
from curation.exporters.registry import exporters_for
from curation.models import Dataset
from curation.models.dataset import Kind


class DatasetForm(forms.Form):
    """A new dataset."""

    project = forms.ModelChoiceField(
        queryset=Project.objects.none(), widget=UnfoldAdminSelectWidget
    )
    name = forms.SlugField(max_length=100, widget=UnfoldAdminTextInputWidget)
    kind = forms.ChoiceField(choices=Kind.choices, widget=UnfoldAdminSelectWidget)

    def __init__(self, projects: Any, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["project"].queryset = projects  # type: ignore[attr-defined]


class FreezeForm(forms.Form):
    """What a version is made of; lists are separated by commas."""

    queues = forms.CharField(
        required=False,
        widget=UnfoldAdminTextInputWidget,
        help_text="Names of queues, separated by commas. Empty: all.",
    )
    tags = forms.CharField(
        required=False,
        widget=UnfoldAdminTextInputWidget,
        help_text="Only what reviewers gave one of these tags.",
    )
    models = forms.CharField(
        required=False,
        widget=UnfoldAdminTextInputWidget,
        help_text="Only these models' answers are imitated.",
    )
    gold_only = forms.BooleanField(required=False, widget=UnfoldBooleanWidget)
    one_per_cluster = forms.BooleanField(
        required=False,
        widget=UnfoldBooleanWidget,
        help_text="Of near-duplicate prompts only the best reviewed one.",
    )
    test_ratio = forms.FloatField(
        min_value=0,
        max_value=0.99,
        initial=0.1,
        widget=UnfoldAdminTextInputWidget,
        help_text="Share of prompts that are kept for tests.",
    )
    seed = forms.IntegerField(initial=1, widget=UnfoldAdminTextInputWidget)
    allow_unlicensed = forms.BooleanField(
        required=False,
        widget=UnfoldBooleanWidget,
        help_text="Also answers of models that may not train others, or of which it is"
        " not known. The version notes it.",
    )

    def chosen_by(self) -> Filter:
        """Return what was filled in."""
        fields: dict[str, Any] = dict(self.cleaned_data)
        for name in ("queues", "tags", "models"):
            fields[name] = _names(fields[name])
        return Filter(**fields)


def _names(text: str) -> tuple[str, ...]:
    parts = (part.strip() for part in text.replace("\0", "").split(","))
    return tuple(part for part in parts if part)


class ExportForm(forms.Form):
    """Which consumer a version is exported for."""

    profile = forms.ChoiceField(widget=UnfoldAdminSelectWidget)
    skip_invalid = forms.BooleanField(
        required=False,
        widget=UnfoldBooleanWidget,
        help_text="Leave out rows that the consumer would not take.",
    )
    tokenizer = forms.CharField(
        required=False,
        max_length=255,
        widget=UnfoldAdminTextInputWidget,
        help_text="A served model whose tokenizer counts. Empty: the usual source.",
    )

    def __init__(self, kind: str, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        choices = [
            (name, one.title or name) for name, one in exporters_for(kind).items()
        ]
        self.fields["profile"].choices = choices  # type: ignore[attr-defined]


def filename_of(dataset: Dataset, number: int, profile: str) -> str:
    """Return what a download is called."""
    return f"{slugify(dataset.name)}-{number}-{slugify(profile)}.zip"
