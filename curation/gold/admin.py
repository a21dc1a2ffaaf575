"""Gold runs in the admin."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Avg, Count, Q, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from unfold.widgets import (
    UnfoldAdminDecimalFieldWidget,
    UnfoldAdminSelectWidget,
)

from accounts.models import Project
from curation.audit.recording import person
from curation.catalog import served_models
from curation.exceptions import CurationError
from curation.gold.actions import THRESHOLD, run_gold
from curation.listing.asking import show_form
from curation.listing.scope import ScopedAdmin, led_projects
from curation.models import EvalResult, EvalRun


def _models() -> list[tuple[str, str]]:
    return [(name, name) for name in served_models()]


class GoldForm(forms.Form):
    """Whose gold set, and which model."""

    project = forms.ModelChoiceField(
        queryset=Project.objects.none(), widget=UnfoldAdminSelectWidget
    )
    model = forms.ChoiceField(choices=_models, widget=UnfoldAdminSelectWidget)
    threshold = forms.FloatField(
        min_value=0,
        max_value=1,
        initial=THRESHOLD,
        widget=UnfoldAdminDecimalFieldWidget,
        help_text="Answers less alike than this are regressions: 1 is the same.",
    )

    def __init__(self, projects: QuerySet[Project], *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["project"].queryset = projects  # type: ignore[attr-defined]


@admin.register(EvalRun)
class EvalRunAdmin(ScopedAdmin):
    """Models on the gold set; adding one runs a model."""

    list_display = [
        "id", "model", "project", "item_count", "batch", "answers", "exact",
        "alike", "regressions", "queue",
    ]  # fmt: skip
    list_filter = ["project"]
    list_select_related = ["project", "batch", "queue"]
    readonly_fields = ["answers", "exact", "alike", "regressions"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[EvalRun]:
        """Sum up the results of each."""
        found: QuerySet[EvalRun] = super().get_queryset(request)
        return found.annotate(
            answer_count=Count("results", filter=Q(results__candidate__isnull=False)),
            exact_count=Count("results", filter=Q(results__is_exact=True)),
            mean_similarity=Avg("results__similarity"),
            regression_count=Count("results", filter=Q(results__is_regression=True)),
        )

    @admin.display(description="answers")
    def answers(self, run: Any) -> int:
        """Count the answers."""
        return int(run.answer_count)

    @admin.display(description="say the same")
    def exact(self, run: Any) -> int:
        """Count those that say what the gold answer says."""
        return int(run.exact_count)

    @admin.display(description="alike, on average")
    def alike(self, run: Any) -> str:
        """Show the mean similarity; a failed line counts as 0."""
        mean = run.mean_similarity
        return "–" if mean is None else f"{mean:.2f}"

    @admin.display(description="regressions")
    def regressions(self, run: Any) -> int:
        """Count what fell behind, failed lines among it."""
        return int(run.regression_count)

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Whoever may add gold runs in Django's terms, and leads a project."""
        may = request.user.has_perm("vllm_curation.add_evalrun")
        return may and led_projects(request).exists()

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """Show the page that runs a model on the gold set."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        first = {"project": request.GET.get("project"), "threshold": THRESHOLD}
        form = GoldForm(led_projects(request), request.POST or None, initial=first)
        if form.is_valid() and self._run(request, form):
            url = reverse("admin:vllm_curation_evalrun_changelist")
            return HttpResponseRedirect(url)
        return show_form(
            self,
            request,
            form,
            title="Run a model on the gold set",
            intro="Everything that has a gold answer is asked again. What the model"
            " answers worse becomes a queue of pairs, without names.",
            verb="Run",
        )

    def _run(self, request: HttpRequest, form: GoldForm) -> bool:
        fields = form.cleaned_data
        try:
            runs = run_gold(
                fields["project"],
                fields["model"],
                threshold=fields["threshold"],
                by=person(request.user),
            )
        except CurationError as error:
            form.add_error(None, str(error))
            return False
        count = sum(run.item_count for run in runs)
        text = f"{fields['model']} answers {count} gold prompts."
        self.message_user(request, text, messages.SUCCESS)
        return True


@admin.register(EvalResult)
class EvalResultAdmin(ScopedAdmin):
    """How each answer of a gold run compares."""

    project_path = "run__project"
    list_display = [
        "id", "run", "item_id", "is_exact", "is_valid", "similarity",
        "is_regression", "error",
    ]  # fmt: skip
    list_filter = ["is_regression", "is_exact", "is_valid", "run"]
    list_select_related = ["run"]
    search_fields = ["=item__id"]
