"""Corrections and gold runs in the admin: where they begin, and what was sent."""

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from unfold.admin import ModelAdmin
from unfold.decorators import action

from curation.listing.scope import ScopedAdmin
from curation.models import Item, Rerun
from curation.rerunning.views import MOST_ITEMS


class CorrectingAdmin(ModelAdmin):  # type: ignore[misc]
    """What a list of items offers: correct prompts, and run the gold set."""

    actions_detail = ["correct_one"]

    @action(  # type: ignore[untyped-decorator]
        description="Correct and run again", url_path="correct"
    )
    def correct_one(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Go to the page that corrects this item's prompt."""
        url = reverse("rerunning:choose")
        return HttpResponseRedirect(f"{url}?items={object_id}")

    @admin.action(description="Correct and run again")
    def correct(
        self, request: HttpRequest, items: QuerySet[Item]
    ) -> HttpResponse | None:
        """Go to the page that corrects these items' system texts."""
        ids = list(items.order_by("pk").values_list("pk", flat=True)[: MOST_ITEMS + 1])
        if len(ids) > MOST_ITEMS:
            text = f"Choose up to {MOST_ITEMS} items, or correct a whole queue."
            self.message_user(request, text, messages.WARNING)
            return None
        url = reverse("rerunning:choose")
        return HttpResponseRedirect(f"{url}?items={','.join(map(str, ids))}")

    @admin.action(description="Run their project's gold set on a model")
    def run_gold(self, request: HttpRequest, items: QuerySet[Item]) -> HttpResponse:
        """Go to the page that asks which model."""
        project = items.order_by().values_list("project", flat=True).first()
        url = reverse("admin:vllm_curation_evalrun_add")
        return HttpResponseRedirect(f"{url}?project={project}")


@admin.register(Rerun)
class RerunAdmin(ScopedAdmin):
    """Corrections that were sent out, each with its batch."""

    project_path = "queue__project"
    deferred_in_list = ("correction",)
    list_display = ["id", "model", "queue", "line_count", "batch", "created_by"]
    list_filter = ["queue"]
    list_select_related = ["queue", "batch", "created_by"]
