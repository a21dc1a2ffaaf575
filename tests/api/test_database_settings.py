"""DATABASES as the environment makes it, and what PostgreSQL then says of a session."""

import os
import subprocess
import sys
from typing import Any

import pytest
from django.conf import settings
from django.db import connection

from tests.rig.process import ROOT
from vllm_batch.database import database_settings
from vllm_batch.environment import Environment

URL = "postgresql://app:secret@db.example:5433/batch"
on_postgresql = pytest.mark.skipif(
    "postgresql" not in settings.DATABASES["default"]["ENGINE"],
    reason="asks PostgreSQL",
)


def options(url: str = URL, **values: Any) -> dict[str, Any]:
    made = database_settings(Environment(DATABASE_URL=url, **values))
    found: dict[str, Any] = made["OPTIONS"]
    return found


def test_without_a_url_it_is_sqlite(tmp_path):
    made = database_settings(Environment(DATABASE_URL="", DATA_DIR=tmp_path))

    assert made["NAME"] == tmp_path / "db.sqlite3"


def test_both_ends_give_up_a_silent_connection():
    found = options(DATABASE_SILENCE_SECONDS=15)

    assert found["tcp_user_timeout"] == 15_000
    assert (found["keepalives_idle"], found["keepalives_interval"]) == (5, 5)
    assert "-c tcp_user_timeout=15s" in found["options"]


def test_no_connection_waits_long_to_be_made():
    assert options()["connect_timeout"] == 5


def test_what_is_switched_off_is_left_to_the_system():
    found = options(DATABASE_SILENCE_SECONDS=0, DATABASE_STATEMENT_SECONDS=0)

    assert set(found) == {"connect_timeout", "pool"}


def test_what_the_url_says_goes_before():
    url = URL + "?keepalives_idle=60&connect_timeout=9&options=-c%20work_mem%3D8MB"

    found = options(url)

    assert (str(found["keepalives_idle"]), str(found["connect_timeout"])) == ("60", "9")
    assert found["options"].startswith("-c work_mem=8MB -c tcp_")


def test_a_pause_in_a_transaction_is_limited_on_request():
    found = options(DATABASE_IDLE_SECONDS=60)

    assert "-c idle_in_transaction_session_timeout=60s" in found["options"]


@pytest.mark.parametrize("has_pool", [True, False])
def test_without_a_pool_a_thread_keeps_its_connection(has_pool):
    environment = Environment(DATABASE_URL=URL, DATABASE_POOL=has_pool)

    made = database_settings(environment)

    assert bool(made["OPTIONS"]["pool"]) == has_pool
    assert made["CONN_HEALTH_CHECKS"] and made["CONN_MAX_AGE"] == 60 * (not has_pool)


SHOW = "from django.db import connection as c; k = c.cursor(); "
SHOW += "k.execute('SHOW statement_timeout'); print(*k.fetchone())"


@on_postgresql
@pytest.mark.django_db
def test_a_web_process_has_a_limit_for_statements():
    with connection.cursor() as cursor:
        cursor.execute("SHOW statement_timeout")

        assert cursor.fetchone() == ("30s",)


@on_postgresql
def test_a_command_has_none_whatever_the_environment_says():
    shown = subprocess.run(
        [sys.executable, "manage.py", "shell", "--no-imports", "-c", SHOW],
        cwd=ROOT,
        env={**os.environ, "DATABASE_STATEMENT_SECONDS": "7"},
        capture_output=True,
        text=True,
        check=True,
    )

    assert shown.stdout.split() == ["0"]
