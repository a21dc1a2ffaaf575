"""Order exports in the admin, and run what was ordered."""

from typing import Any

from django.test import Client
from django_q.models import OrmQ

from curation.datasets.tasks import make_artifact
from curation.models import (
    DatasetVersion,
)

ADMIN = "/admin/vllm_curation/"


def order(client: Client, version: DatasetVersion, profile: str, **form: Any) -> Any:
    url = f"{ADMIN}datasetversion/{version.pk}/export/"
    return client.post(url, {"profile": profile, **form}, follow=True)


def run_queue() -> None:
    """Run what is in the ops queue, as its worker does."""
    for row in list(OrmQ.objects.all()):
        if row.func() == "curation.datasets.tasks.make_artifact":
            make_artifact(*row.task["args"])
        row.delete()
