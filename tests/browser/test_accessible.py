"""axe-core finds nothing serious on any page, light or dark, desk or phone."""

from pathlib import Path

import axe_playwright_python
import pytest

from tests.curation.review.desk import Desk, make_person, make_queue, make_task

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
AXE = Path(axe_playwright_python.__file__).with_name("axe.min.js").read_text()
ANSWER = "# A title\n\n**x** [link](https://a.example)\n\n|a|b|\n|-|-|\n|1|2|\n\n```py\nx\n```"
PHONE = {"viewport": {"width": 390, "height": 844}}


def serious(page) -> list[str]:
    # Evaluated, not added as a script: the page's CSP would refuse that.
    page.evaluate(AXE)
    found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    return [
        f"{one['id']}: {node['html'][:120]}"
        for one in found["violations"]
        if one["impact"] in ("serious", "critical")
        for node in one["nodes"]
    ]


@pytest.fixture
def lead():
    queue = make_queue(tags=["style"], instructions="Be fair.", name="a queue")
    messages = [
        {"role": "system", "content": "be brief"},
        {"role": "user", "content": "why?"},
    ]
    for _ in range(4):
        make_task(queue, ANSWER, "another " * 30, prompt={"messages": messages})
    make_task(queue, ANSWER, "other", state="flagged")
    desk = Desk(queue, make_person(queue.project, "lead"))
    desk.judge(note="a note")
    return desk


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("options", [{}, PHONE], ids=["desk", "phone"])
def test_the_pages(sit_down, lead, scheme, options):
    page = sit_down(lead.user, color_scheme=scheme, reduced_motion="reduce", **options)
    flagged = lead.queue.tasks.get(state="flagged")

    for path in ("", f"{lead.queue.pk}/flagged/", f"tasks/{flagged.pk}/"):
        page.goto(f"/admin/review/{path}")
        assert serious(page) == []
    page.goto(f"/admin/review/{lead.queue.pk}/")
    page.wait_for_selector("article[data-review]")
    page.wait_for_selector("#rail li")
    assert serious(page) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_in_the_middle_of_work(sit_down, lead, scheme):
    page = sit_down(
        lead.user, f"/admin/review/{lead.queue.pk}/",
        color_scheme=scheme, reduced_motion="reduce",
    )  # fmt: skip
    page.wait_for_selector("article[data-review]")

    page.keyboard.press("d")
    page.wait_for_selector(".diff, .difference p")
    page.keyboard.press("g")
    page.keyboard.press("n")
    page.keyboard.press("Escape")
    page.keyboard.press("e")
    page.keyboard.type("x ")
    page.keyboard.press("Escape")
    assert serious(page) == []
    page.keyboard.press("?")
    page.wait_for_selector("#help[open]")
    assert serious(page) == []
