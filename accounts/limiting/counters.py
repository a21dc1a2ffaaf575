"""Where requests are counted: one row a counter and window, for all processes.

Django's own database and file caches add one by reading and writing, so that two
processes may count one request together. These are Django caches with what
django-ratelimit asks of one, done in one statement each.
"""

import logging
from datetime import timedelta
from typing import Any

from django.core.cache.backends.base import DEFAULT_TIMEOUT, BaseCache
from django.core.cache.backends.redis import RedisCache
from django.db import connection
from django.utils import timezone

from accounts.models import Counter

logger = logging.getLogger(__name__)

_TABLE = Counter._meta.db_table
_ADD = (
    f"INSERT INTO {_TABLE} (key, count, expires_at) VALUES (%s, %s, %s)"  # noqa: S608
    " ON CONFLICT (key) DO NOTHING"
)
_INCR = f"UPDATE {_TABLE} SET count = count + %s WHERE key = %s RETURNING count"  # noqa: S608


class DatabaseCounters(BaseCache):
    """Counts in the database: nothing to install, the same for every machine."""

    def __init__(self, location: str, params: dict[str, Any]) -> None:
        super().__init__(params)

    def add(
        self,
        key: str,
        value: Any,
        timeout: Any = DEFAULT_TIMEOUT,
        version: int | None = None,
    ) -> bool:
        """Make a counter; False if it is there already."""
        if timeout is DEFAULT_TIMEOUT:
            timeout = self.default_timeout
        expires_at = timezone.now() + timedelta(seconds=timeout)
        name = self.make_and_validate_key(key, version=version)
        field = Counter._meta.get_field("expires_at")
        moment = field.get_db_prep_value(expires_at, connection)
        with connection.cursor() as cursor:
            cursor.execute(_ADD, [name, int(value), moment])
            return bool(cursor.rowcount == 1)

    def incr(self, key: str, delta: int = 1, version: int | None = None) -> int:
        """Add to a counter and return it; raises ValueError if there is none."""
        name = self.make_and_validate_key(key, version=version)
        with connection.cursor() as cursor:
            cursor.execute(_INCR, [delta, name])
            found = cursor.fetchone()
        if found is None:
            raise ValueError(f"There is no counter {key!r}.")
        return int(found[0])

    def get(self, key: str, default: Any = None, version: int | None = None) -> Any:
        """Return a counter, or the default."""
        name = self.make_and_validate_key(key, version=version)
        found = Counter.objects.filter(pk=name).values_list("count", flat=True).first()
        return default if found is None else found


class ValkeyCounters(RedisCache):
    """Counts in Valkey or Redis. While it is away nothing is limited, and that is told.

    Limits protect the service; an outage of theirs must not be one of the service.
    """

    def add(self, *args: Any, **options: Any) -> bool:
        """Make a counter; False if it is there already."""
        from redis.exceptions import RedisError

        try:
            return super().add(*args, **options)
        except RedisError as error:
            logger.error("CACHE_URL does not answer: no limits (%s)", error)
            return True

    def incr(self, *args: Any, **options: Any) -> int:
        """Add to a counter and return it; raises ValueError if there is none."""
        from redis.exceptions import RedisError

        try:
            return super().incr(*args, **options)
        except RedisError as error:
            logger.error("CACHE_URL does not answer: no limits (%s)", error)
            return 1


def sweep_counters() -> None:
    """Delete the counters of past windows; a chore of the ops queue."""
    Counter.objects.filter(expires_at__lt=timezone.now()).delete()
