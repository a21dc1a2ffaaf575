"""A migrated PostgreSQL database that stacks get copies of: migrating takes 8 s."""

import subprocess
import sys
from collections.abc import Mapping
from urllib.parse import urlsplit, urlunsplit

import psycopg

from tests.rig.process import ROOT

TEMPLATE = "stack_template"
# Any number: several pytest processes share the server, and one of them migrates.
_LOCK = 4080


def on(server: str, database: str) -> str:
    """Return the address of a database on a server."""
    return urlunsplit(urlsplit(server)._replace(path=f"/{database}"))


def copy(server: str, name: str, environment: Mapping[str, str]) -> None:
    """Create a database with every table; the first call on a server migrates."""
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute("SELECT pg_advisory_lock(%s)", [_LOCK])
        sql = "SELECT 1 FROM pg_database WHERE datname = %s"
        if not connection.execute(sql, [TEMPLATE]).fetchone():
            _make(connection, server, environment)
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {TEMPLATE}".encode())


def _make(
    connection: psycopg.Connection, server: str, environment: Mapping[str, str]
) -> None:
    """Migrate under another name: what broke off is nobody's template."""
    draft = f"{TEMPLATE}_draft"
    connection.execute(f"DROP DATABASE IF EXISTS {draft}".encode())
    connection.execute(f"CREATE DATABASE {draft}".encode())
    subprocess.run(
        [sys.executable, "manage.py", "migrate", "--noinput"],
        env={**environment, "DATABASE_URL": on(server, draft)},
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        check=True,
    )
    connection.execute(f"ALTER DATABASE {draft} RENAME TO {TEMPLATE}".encode())
