"""The admin under its Content-Security-Policy: all of it works, nothing is refused."""

from typing import Any

import pytest
from django.urls import reverse

from tests.curation.answered import ended
from tests.curation.review.desk import make_person, make_queue
from tests.factories import make_key, make_project

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
WATCH = """
window.refused = [];
document.addEventListener("securitypolicyviolation",
  event => window.refused.push(event.violatedDirective + " " + event.blockedURI));
"""


def look(page: Any, path: str) -> None:
    page.goto(path)
    page.wait_for_load_state("load")
    assert page.evaluate("window.refused") == [], path
    assert page.errors == [], path


@pytest.fixture
def page(sit_down: Any) -> Any:
    opened = sit_down(make_person(is_superuser=True))
    opened.add_init_script(WATCH)
    return opened


def test_the_admins_pages_break_no_rule(page: Any):
    project = make_project("a project")
    batch = ended({"One?": "Yes."}, project)
    make_key(project)
    make_queue(project)
    paths = [
        "/admin/",
        "/admin/tables/",
        "/admin/vllm_batches/batchjob/",
        f"/admin/vllm_batches/batchjob/{batch.pk}/change/",
        "/admin/vllm_accounts/apikey/add/",
        f"/admin/vllm_accounts/project/{project.pk}/change/",
        "/admin/vllm_workers/servedmodel/add/",
        "/admin/vllm_curation/queue/",
        "/admin/console/new",
        f"/admin/console/batches/{batch.pk}/",
    ]

    for path in paths:
        look(page, path)


def test_the_menus_that_need_eval_open(page: Any):
    make_key(make_project("a project"))
    look(page, "/admin/vllm_accounts/apikey/")

    assert page.evaluate("typeof window.Alpine") == "object"
    assert page.locator("[x-cloak]").count() == 0
    page.locator("input.action-select").first.check()
    page.locator("select[name=action]").select_option("revoke")
    page.get_by_role("button", name="Run").click()
    page.wait_for_load_state("load")

    assert "1 keys were revoked" in page.content()


def test_a_script_written_into_a_page_does_not_run(page: Any):
    page.goto(reverse("admin:index"))

    page.evaluate(
        """() => {
          const script = document.createElement("script");
          script.textContent = "window.ran = true";
          document.body.append(script);
          const image = '<img src=x onerror="ran = 1">';
          document.body.insertAdjacentHTML("beforeend", image);
        }"""
    )
    page.wait_for_function("window.refused.length >= 1")

    assert page.evaluate("window.ran") is None


def test_no_page_frames_another(page: Any):
    page.goto("/admin/login/")

    page.evaluate(
        """() => {
          const frame = document.createElement("iframe");
          frame.src = "/admin/"; document.body.append(frame);
        }"""
    )
    page.wait_for_function("window.refused.length >= 1")

    assert "frame-src" in page.evaluate("window.refused")[0]


def test_signing_in_works(sit_down: Any):
    make_person(username="eve", is_superuser=True)
    page = sit_down(make_person())
    page.context.clear_cookies()
    page.add_init_script(WATCH)
    look(page, "/admin/login/")

    page.fill("input[name=username]", "eve")
    page.fill("input[name=password]", "secret")
    page.locator("button[type=submit]").click()
    page.wait_for_url("**/admin/")

    assert page.evaluate("window.refused") == []
