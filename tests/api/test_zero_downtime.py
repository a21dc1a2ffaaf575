"""Migrations keep the release before them working while they run, and after.

An upgrade migrates first and replaces processes then (docs/how-to/upgrade.md): for a
while the old code writes into the new tables. So a new column needs a default in the
database, and what the old code reads or writes is not taken away in the same release.
"""

from collections.abc import Iterator
from typing import Any

import pytest
from django.apps import apps
from django.db import migrations, models
from django.db.migrations.loader import MigrationLoader
from django.db.models import NOT_PROVIDED

OURS = {"accounts", "files", "batches", "workers", "curation", "monitoring"}
# Up to here nothing was released: nobody ran the tables in between.
UNRELEASED = {
    "vllm_accounts": 5,
    "vllm_files": 1,
    "vllm_batches": 7,
    "vllm_workers": 5,
    "vllm_curation": 7,
}


def later_migrations() -> Iterator[Any]:
    """Yield our migrations that have to upgrade running installations."""
    labels = {c.label for c in apps.get_app_configs() if c.name in OURS}
    for (label, name), migration in MigrationLoader(None).disk_migrations.items():
        number = int(name.split("_")[0])
        if label in labels and number > UNRELEASED.get(label, 0):
            yield migration


def dangers(operation: Any) -> Iterator[str]:
    """Yield why old code would fail beside a change, or could not be gone back to."""
    name = operation.describe()
    if isinstance(operation, migrations.AddField) and not has_default(operation.field):
        yield f"{name}: old code inserts rows without it; give it null or db_default"
    if isinstance(operation, migrations.RemoveField | migrations.DeleteModel):
        yield f"{name}: old code still asks for it; remove it one release later"
    if isinstance(operation, migrations.RenameField | migrations.RenameModel):
        yield f"{name}: old code knows the old name only"
    if isinstance(operation, migrations.RunPython | migrations.RunSQL) and not (
        operation.reversible
    ):
        yield f"{name}: it cannot be undone"


def has_default(field: Any) -> bool:
    """Tell whether the database itself fills the column of rows that lack it."""
    if field.many_to_many or field.null:
        return True
    return field.db_default is not NOT_PROVIDED


def test_no_later_migration_stops_the_release_before_it():
    found = [
        f"{migration}: {danger}"
        for migration in later_migrations()
        for operation in migration.operations
        for danger in dangers(operation)
    ]

    assert found == [], "if it is part of the first release, raise UNRELEASED"


UNSAFE = [
    migrations.AddField("batch", "a", models.IntegerField(default=0)),
    migrations.RemoveField("batch", "a"),
    migrations.RenameField("batch", "a", "b"),
    migrations.DeleteModel("batch"),
    migrations.RunPython(lambda *_: None),
]
SAFE = [
    migrations.AddField("batch", "a", models.IntegerField(null=True)),
    migrations.AddField("batch", "a", models.IntegerField(default=0, db_default=0)),
    migrations.RunPython(lambda *_: None, migrations.RunPython.noop),
]


@pytest.mark.parametrize("operation", UNSAFE, ids=lambda o: o.describe())
def test_the_rule_sees_what_is_unsafe(operation):
    assert len(list(dangers(operation))) == 1


@pytest.mark.parametrize("operation", SAFE, ids=lambda o: o.describe())
def test_the_rule_lets_pass_what_is_safe(operation):
    assert list(dangers(operation)) == []
