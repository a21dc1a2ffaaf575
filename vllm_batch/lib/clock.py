"""The database's clock, the only one that leases and deadlines trust."""

from datetime import datetime

from django.db import connection
from django.utils import timezone


def database_now() -> datetime:
    """Return the database server's time; SQLite has no server, so this machine's."""
    if connection.vendor == "sqlite":
        return timezone.now()
    with connection.cursor() as cursor:
        cursor.execute("SELECT statement_timestamp()")
        now: datetime = cursor.fetchone()[0]
    return now


def unix(moment: datetime | None) -> int | None:
    """Return whole Unix seconds, as every time on the wire is (contract 1.6)."""
    return None if moment is None else int(moment.timestamp())
