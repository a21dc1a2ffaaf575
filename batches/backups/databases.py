"""The database of one moment: read its rows, write its dump, load a dump."""

import os
import shutil
import sqlite3
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from django.db import connection, transaction

from batches.backups.exceptions import BackupRefused

POSTGRESQL, SQLITE = "postgresql", "sqlite"
Rows = Iterator[Sequence[Any]]


class Moment:
    """What the database held at one instant, while others go on writing."""

    def __init__(self, rows: Callable[[str], Rows], write: Callable[[], None]) -> None:
        self.rows = rows
        self.write = write


@contextmanager
def moment(dump: Path) -> Iterator[Moment]:
    """Hold one moment of the database; its `write()` makes `dump`."""
    if connection.vendor == SQLITE:
        with _sqlite_moment(dump) as held:
            yield held
    elif connection.vendor == POSTGRESQL:
        with _postgresql_moment(dump) as held:
            yield held
    else:
        raise BackupRefused(f"Use {connection.vendor}'s own tools for its backup.")


@contextmanager
def _sqlite_moment(dump: Path) -> Iterator[Moment]:
    """Copy it at once: readers do not stop SQLite's writers (WAL)."""
    source = f"file:{connection.settings_dict['NAME']}?mode=ro"
    with (
        closing(sqlite3.connect(source, uri=True)) as live,
        closing(sqlite3.connect(dump)) as copy,
    ):
        live.backup(copy)
        yield Moment(lambda query: iter(copy.execute(query)), lambda: None)


@contextmanager
def _postgresql_moment(dump: Path) -> Iterator[Moment]:
    """Export a snapshot: pg_dump and our own questions see the very same rows."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        cursor.execute("SELECT pg_export_snapshot()")
        snapshot = cursor.fetchone()[0]

        def rows(query: str) -> Rows:
            cursor.execute(query)
            return iter(cursor)

        def write() -> None:
            options = ["--format=custom", f"--snapshot={snapshot}", f"--file={dump}"]
            _run("pg_dump", options)

        yield Moment(rows, write)


def is_empty() -> bool:
    """Tell whether the database has no tables yet."""
    with connection.cursor() as cursor:
        return not connection.introspection.table_names(cursor)


def load(dump: Path) -> None:
    """Fill the empty database; raises BackupRefused and leaves it empty."""
    if connection.vendor == POSTGRESQL:
        options = ["--single-transaction", "--exit-on-error", "--no-owner", "--no-acl"]
        _run("pg_restore", [*options, str(dump)])
        return
    connection.close()
    name = Path(connection.settings_dict["NAME"])
    for suffix in ("-wal", "-shm"):
        name.with_name(name.name + suffix).unlink(missing_ok=True)
    part = name.with_name(name.name + ".part")
    shutil.copyfile(dump, part)
    os.replace(part, name)


def _run(program: str, options: list[str]) -> None:
    """Run one of PostgreSQL's programs; the password goes by the environment."""
    arguments, extra = connection.client.settings_to_cmd_args_env(
        connection.settings_dict, []
    )
    *place, name = arguments[1:]
    command = [_find(program), *place, f"--dbname={name}", *options]
    environment = {**os.environ, **(extra or {})}
    done = subprocess.run(  # noqa: S603 - our own settings
        command, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise BackupRefused(f"{program} failed: {done.stderr.strip()}")


def _find(program: str) -> str:
    path = shutil.which(program)
    if path is None:
        raise BackupRefused(
            f"{program} is not installed here. It is in PostgreSQL's client package,"
            " which must not be older than the server."
        )
    return path
