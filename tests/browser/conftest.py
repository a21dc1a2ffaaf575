"""Chromium, and people who sit before it."""

import os
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.db import connection
from django.test import Client

from tests.fixtures import configure, quick_passwords, storage
from tests.rig.chromium import ARGUMENTS, find_chromium

__all__ = ["configure", "quick_passwords", "storage"]
# Playwright runs an event loop in the tests' thread; the tests are not async.
ASYNC_UNSAFE = "DJANGO_ALLOW_ASYNC_UNSAFE"
SECONDS = 1000
QUIET_LOOKS = 6


@pytest.fixture(scope="package")
def chromium() -> Iterator[Any]:
    """The browser; without it these tests are skipped.

    It goes with the last of them: while it is there, no other test in this thread may
    use `asyncio.run`.
    """
    program = find_chromium()
    if program is None:
        pytest.skip("there is no Chromium")
    from playwright.sync_api import sync_playwright

    os.environ[ASYNC_UNSAFE] = "true"
    try:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(
                executable_path=program, headless=True, args=ARGUMENTS
            )
            yield browser
            browser.close()
    finally:
        del os.environ[ASYNC_UNSAFE]


@pytest.fixture
def sit_down(
    chromium: Any, live_server: Any, transactional_db: None
) -> Iterator[Callable[..., Any]]:
    """A function that signs somebody in and opens a page for them.

    Pages are closed before the database is flushed.
    """
    contexts = []

    def open_page(user: Any, path: str = "", **options: Any) -> Any:
        client = Client()
        client.force_login(user)
        options.setdefault("viewport", {"width": 1400, "height": 900})
        context = chromium.new_context(base_url=live_server.url, **options)
        contexts.append(context)
        session = client.cookies["sessionid"].value
        cookie = {"name": "sessionid", "value": session, "url": live_server.url}
        context.add_cookies([cookie])
        page = context.new_page()
        page.set_default_timeout(15 * SECONDS)
        page.errors = []
        page.on("pageerror", lambda error: page.errors.append(str(error)))
        if path:
            page.goto(path)
        return page

    yield open_page
    for context in contexts:
        context.close()
    wait_until_served()


def wait_until_served() -> None:
    """Wait for requests of closed pages: the flush that follows would clash.

    What a page sends as it closes may be on its way: one quiet look is not enough.
    """
    if connection.vendor != "postgresql":
        return
    ends_at, quiet = time.monotonic() + 10, 0
    while time.monotonic() < ends_at and quiet < QUIET_LOOKS:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT count(*) FROM pg_stat_activity WHERE state <> 'idle'"
                " AND datname = current_database() AND pid <> pg_backend_pid()"
            )
            quiet = quiet + 1 if cursor.fetchone() == (0,) else 0
        time.sleep(0.05)
