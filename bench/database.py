"""The database the benchmarks run on: a PostgreSQL of their own that does fsync."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg

from tests.rig.postgres import Postgres

# The tests' server keeps nothing; a figure would flatter us.
DURABLE = ("fsync", "full_page_writes", "synchronous_commit")


@contextmanager
def database(*, sqlite: bool) -> Iterator[None]:
    """Set DATABASE_URL, unless it is set or SQLite is wanted."""
    if sqlite or os.environ.get("DATABASE_URL"):
        yield
        return
    server = Postgres()
    try:
        server.start()
        with psycopg.connect(server.url, autocommit=True) as connection:
            for setting in DURABLE:
                connection.execute(f"ALTER SYSTEM SET {setting} = on")
            connection.execute("SELECT pg_reload_conf()")
        os.environ["DATABASE_URL"] = server.url
        yield
    finally:
        server.stop()
