"""An annotator before Label Studio's page, in a process of its own.

    python -m tests.label_studio.annotator URL PATH KEYS CORRECTION SCREENSHOT

Signs in, opens a task, looks, presses keys, writes a correction unless it is empty,
and submits. Prints as JSON what was to be seen. In the tests' own process Playwright's
event loop would get Django's database connections mixed up.
"""

import json
import sys
from typing import Any

from tests.label_studio.server import EMAIL, PASSWORD
from tests.rig.chromium import ARGUMENTS, find_chromium

MILLISECONDS = 60_000


def main(url: str, path: str, keys: str, correction: str, screenshot: str) -> None:
    """Annotate one task."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=find_chromium(), headless=True, args=ARGUMENTS
        )
        size: Any = {"width": 1500, "height": 1100}
        page = browser.new_page(base_url=url, viewport=size)
        page.set_default_timeout(MILLISECONDS)
        sign_in(page)
        page.goto(path)
        seen = look(page)
        for key in keys:
            page.keyboard.press(key)
        if correction:
            correct(page, correction)
        page.screenshot(path=screenshot)
        with page.expect_response(is_saving) as saved:
            page.get_by_role("button", name="Submit").click()
        assert saved.value.ok, saved.value.text()
        print(json.dumps(seen))
        browser.close()


def correct(page: Any, text: str) -> None:
    """Change the answer that stands there: a pencil shows itself beside it."""
    page.get_by_test_id("textarea-region").hover()
    page.get_by_test_id("htx-textbox-edit-button").click()
    page.locator("textarea").last.fill(text)
    page.locator("textarea").last.blur()


def is_saving(response: Any) -> bool:
    """Tell whether this is the answer to a new annotation."""
    return response.request.method == "POST" and "/annotations" in response.url


def sign_in(page: Any) -> None:
    """Fill in the form."""
    page.goto("/user/login/")
    page.fill("input[name=email]", EMAIL)
    page.fill("input[name=password]", PASSWORD)
    page.click("button[type=submit]")
    page.wait_for_url("**/")
    page.wait_for_load_state()


def look(page: Any) -> dict[str, Any]:
    """Wait until the task is there; return its answers' HTML and the page's text."""
    page.get_by_text("Both bad").or_(page.get_by_text("Bad")).first.wait_for()
    frames = page.locator("iframe")
    frames.last.wait_for()
    bodies = [
        frames.nth(n).content_frame.locator("body") for n in range(frames.count())
    ]
    return {
        "answers": [body.inner_html() for body in bodies],
        "text": page.inner_text("body"),
        "html": page.inner_html("body"),
    }


if __name__ == "__main__":
    main(*sys.argv[1:])
