"""Pages of the admin that make, freeze and export datasets."""

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from unfold.admin import ModelAdmin

from curation.audit.recording import person
from curation.datasets.artifacts import request as request_artifact
from curation.datasets.choosing import chosen_items
from curation.datasets.errors import DatasetError
from curation.datasets.exporting import Options
from curation.datasets.filter import Filter
from curation.datasets.forms import DatasetForm, ExportForm, FreezeForm
from curation.datasets.freezing import freeze
from curation.datasets.naming import find_or_make, name_of
from curation.listing.asking import show_form
from curation.listing.scope import led_projects
from curation.models import Dataset, DatasetVersion

# More would keep a web process busy for too long.
MOST_ITEMS = 5000


def add_page(page: ModelAdmin, request: HttpRequest) -> HttpResponse:
    """Make a dataset, and go on to freeze a version."""
    form = DatasetForm(led_projects(request), request.POST or None)
    if form.is_valid():
        try:
            dataset = find_or_make(**form.cleaned_data, by=person(request.user))
        except DatasetError as error:
            form.add_error("name", str(error))
        else:
            url = reverse("admin:vllm_curation_dataset_freeze", args=[dataset.pk])
            return HttpResponseRedirect(url)
    intro = "A dataset is a name for versions. What goes into one is asked next."
    return show_form(
        page, request, form, title="Make a dataset", intro=intro, verb="Make"
    )


def freeze_page(page: ModelAdmin, request: HttpRequest, pk: int) -> HttpResponse:
    """Freeze a version of a dataset."""
    rows = Dataset.objects.filter(project__in=led_projects(request))
    dataset = rows.select_related("project").filter(pk=pk).first()
    if dataset is None:
        raise PermissionDenied("You do not lead this dataset's project.")
    form = FreezeForm(request.POST or None)
    if form.is_valid():
        try:
            version = _freeze(dataset, form.chosen_by(), request)
        except DatasetError as error:
            form.add_error(None, str(error))
        else:
            page.message_user(request, f"{name_of(version)} is frozen.")
            return HttpResponseRedirect(_url("datasetversion", "change", version.pk))
    return show_form(
        page,
        request,
        form,
        title=f"Freeze a version of {dataset}",
        intro=f"Examples of kind {dataset.kind} from all that is decided in the project"
        f" {dataset.project}. A frozen version never changes.",
        verb="Freeze",
    )


def _freeze(
    dataset: Dataset, chosen_by: Filter, request: HttpRequest
) -> DatasetVersion:
    count = len(chosen_items(dataset, chosen_by))
    if count > MOST_ITEMS:
        raise DatasetError(
            f"{count} prompts fit; from {MOST_ITEMS} on use `manage.py freeze_dataset`."
        )
    return freeze(dataset, chosen_by, person(request.user))


def export_page(page: ModelAdmin, request: HttpRequest, pk: int) -> HttpResponse:
    """Ask for an export in the background."""
    rows = DatasetVersion.objects.select_related("dataset__project")
    led = rows.filter(dataset__project__in=led_projects(request))
    version = led.filter(pk=pk).first()
    if version is None:
        raise PermissionDenied("You do not lead this dataset's project.")
    form = ExportForm(version.dataset.kind, request.POST or None)
    if form.is_valid():
        fields = dict(form.cleaned_data)
        try:
            profile, by = fields.pop("profile"), person(request.user)
            found = request_artifact(version, profile, Options(**fields), by)
        except DatasetError as error:
            form.add_error(None, str(error))
        else:
            text = "It is made in the background; this page shows how far it is."
            page.message_user(request, text, messages.SUCCESS)
            return HttpResponseRedirect(_url("artifact", "change", found.pk))
    return show_form(
        page,
        request,
        form,
        title=f"Export {name_of(version)}",
        intro="Train and test, checked for the consumer, with a provenance for each"
        " row, in one archive. If a row does not fit, nothing is written.",
        verb="Export",
    )


def _url(model: str, view: str, pk: int) -> str:
    return reverse(f"admin:vllm_curation_{model}_{view}", args=[pk])
