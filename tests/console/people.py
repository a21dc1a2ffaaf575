"""People before the console, and batches for them to look at."""

from typing import Any

from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from accounts.models import Project
from batches.models import BatchJob
from tests.curation.review.desk import make_person
from tests.factories import CHAT, make_project

ROOT = "/admin/console/"


def sign_in(
    project: Project | None = None, role: str = "lead", **fields: Any
) -> Client:
    """Return the client of somebody of the staff, a member of the project."""
    client = Client(**fields)
    client.force_login(make_person(project, role))
    return client


def page_of(batch: BatchJob, rest: str = "") -> str:
    """Return the address of a batch's page, or of something below it."""
    return f"{ROOT}batches/{batch.pk}/{rest}"


def read(client: Client, path: str, status: int = 200, **details: Any) -> str:
    """Open a page and return its HTML."""
    response = client.get(path, **details)
    assert response.status_code == status, response.content
    return response.content.decode()


def upload(client: Client, project: Project, content: bytes, **fields: Any) -> Any:
    """Send the form for a new batch."""
    file = SimpleUploadedFile(fields.pop("filename", "in.jsonl"), content)
    form = {
        "project": project.pk,
        "endpoint": CHAT,
        "completion_window": "24h",
        "priority": "0",
        "file": file,
    }
    return client.post(f"{ROOT}new", {**form, **fields})


def drafted(response: Any) -> BatchJob:
    """Return the dry run that an upload led to."""
    assert response.status_code == 302, response.content
    return BatchJob.objects.get(pk=response["Location"].split("/")[-2])


def cast() -> tuple[Project, Client, Client]:
    """Return a project, its lead, and somebody of another project."""
    project = make_project()
    return project, sign_in(project), sign_in(make_project(), "admin")
