"""Django's `DATABASES` entry, made from the environment.

A connection whose far end is gone says nothing, and TCP waits for minutes. So both ends
ask (keepalive), and the web server waits only so long for any answer: see
`lib/connections.py`. Commands and workers have statements that may take their time.
"""

from pathlib import Path
from typing import Any

import dj_database_url

from vllm_batch.environment import Environment

CONNECT_SECONDS = 5
POOL: dict[str, Any] = {"min_size": 1, "max_size": 20, "timeout": 10}
# Questions that may stay unanswered before a silent connection counts as dead.
PROBES = 2


def database_settings(environment: Environment) -> dict[str, Any]:
    """Return the settings of PostgreSQL, or of SQLite if no URL is given."""
    if not environment.DATABASE_URL:
        return _sqlite(environment.DATA_DIR)
    return _postgresql(environment)


def _sqlite(folder: Path) -> dict[str, Any]:
    return {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": folder / "db.sqlite3",
        "OPTIONS": {
            "transaction_mode": "IMMEDIATE",
            "timeout": 20,
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;",
        },
        # A file, not memory: tests of the worker use it from several threads.
        "TEST": {"NAME": folder / "test.sqlite3"},
    }


def _postgresql(environment: Environment) -> dict[str, Any]:
    database: dict[str, Any] = {**dj_database_url.parse(environment.DATABASE_URL)}
    from_url: dict[str, Any] = {**database.get("OPTIONS", {})}
    options = {
        "connect_timeout": CONNECT_SECONDS,
        **_keepalive(environment.DATABASE_SILENCE_SECONDS),
        **from_url,
        "pool": _pool() if environment.DATABASE_POOL else False,
    }
    # What the server is to do for us; the URL may ask for more.
    orders = [from_url.get("options", ""), *_orders(environment)]
    if any(orders):
        options["options"] = " ".join(filter(None, orders))
    database |= {"OPTIONS": options, "CONN_HEALTH_CHECKS": True}
    # A pool does not survive a fork, and the worker's processes fork: there, threads
    # keep a connection each instead.
    if not environment.DATABASE_POOL:
        database["CONN_MAX_AGE"] = 60
    return database


def _pool() -> dict[str, Any]:
    from vllm_batch.lib.connections import LimitedConnection  # needs psycopg

    return {**POOL, "connection_class": LimitedConnection}


def _keepalive(silence: int) -> dict[str, int]:
    """Return how this end finds out that the other one is gone."""
    if not silence:
        return {}
    return {
        "keepalives": 1,
        "keepalives_idle": _interval(silence),
        "keepalives_interval": _interval(silence),
        "keepalives_count": PROBES,
        "tcp_user_timeout": silence * 1000,
    }


def _orders(environment: Environment) -> list[str]:
    """Return what each session asks of the server.

    It too must see that its client is gone: an open transaction holds its locks.
    """
    orders: dict[str, str] = {}
    if silence := environment.DATABASE_SILENCE_SECONDS:
        orders = {
            "tcp_keepalives_idle": f"{_interval(silence)}s",
            "tcp_keepalives_interval": f"{_interval(silence)}s",
            "tcp_keepalives_count": f"{PROBES}",
            "tcp_user_timeout": f"{silence}s",
        }
    if seconds := environment.DATABASE_STATEMENT_SECONDS:
        orders["statement_timeout"] = f"{seconds}s"
    if seconds := environment.DATABASE_IDLE_SECONDS:
        orders["idle_in_transaction_session_timeout"] = f"{seconds}s"
    return [f"-c {name}={value}" for name, value in orders.items()]


def _interval(silence: int) -> int:
    return max(1, silence // (PROBES + 1))
