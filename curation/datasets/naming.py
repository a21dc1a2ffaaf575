"""Find datasets by what people call them: NAME, or NAME@NUMBER for a version."""

import re

from django.db import transaction

from accounts.models import Project
from curation.audit.recording import SHELL, Actor, record
from curation.datasets.errors import UnknownDataset
from curation.models import Dataset, DatasetVersion
from curation.models.audit_event import Action
from curation.models.dataset import Kind

_NAME = re.compile(r"[A-Za-z0-9_-]{1,100}")
_VERSION = re.compile(r"(.+?)(?:@([1-9]\d{0,8}))?")


def find_project(name: str) -> Project:
    """Return a project; raises UnknownDataset."""
    project = Project.objects.filter(name=name.replace("\0", "")).first()
    if project is None:
        raise UnknownDataset(f"There is no project '{name}'.")
    return project


def find_or_make(project: Project, name: str, kind: str, by: Actor = SHELL) -> Dataset:
    """Return a project's dataset; raises UnknownDataset if it is of another kind."""
    if not _NAME.fullmatch(name):
        raise UnknownDataset(
            "A dataset's name has 1 to 100 letters, digits, hyphens or underscores."
        )
    if kind not in Kind.values:
        raise UnknownDataset(f"Kinds are: {', '.join(Kind.values)}.")
    with transaction.atomic():
        dataset, is_new = Dataset.objects.get_or_create(
            project=project, name=name, defaults={"kind": kind}
        )
        if is_new:
            project_id = project.pk
            record(Action.DATASET_MADE, by, dataset, project_id=project_id, detail=kind)
    if dataset.kind != kind:
        raise UnknownDataset(
            f"'{name}' is there already, of kind {dataset.kind}. Choose another name."
        )
    return dataset


def find_version(words: str, project_name: str | None = None) -> DatasetVersion:
    """Return the version NAME@N, or NAME's newest; raises UnknownDataset."""
    match = _VERSION.fullmatch(words.replace("\0", ""))
    name, number = match.groups() if match else (words, None)
    found = Dataset.objects.filter(name=name)
    if project_name is not None:
        found = found.filter(project=find_project(project_name))
    datasets = list(found[:2])
    if len(datasets) != 1:
        what = "several datasets; name the --project" if datasets else "no dataset"
        raise UnknownDataset(f"There is {what} called '{name}'.")
    versions = datasets[0].versions.select_related("dataset__project")
    if number is not None:
        versions = versions.filter(number=int(number))
    version = versions.order_by("number").last()
    if version is None:
        raise UnknownDataset(f"There is no version '{words}'. Freeze one.")
    return version


def name_of(version: DatasetVersion) -> str:
    """Return a version's name as commands take it."""
    return f"{version.dataset.name}@{version.number}"
