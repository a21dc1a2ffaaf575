"""A lead decides by one key; JSON folds; a button has a name."""

import pytest
from playwright.sync_api import expect

from curation.models import AuditEvent, Dataset, Decision, Revision
from tests.browser.test_accessible import PHONE, serious
from tests.curation.review.desk import Desk, make_person, make_queue, make_task

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
JSON = '{"name": "Ada", "born": 1815, "places": [{"city": "London", "years": [1, 2]}]}'


@pytest.fixture
def disputed():
    """A task of which two reviewers corrected the same answer in two ways."""
    queue = make_queue(reviews_required=2, name="disputed")
    task = make_task(queue, "the red old cat", JSON, prompt="Which cat?")
    for name, text in (("ann", "the blue old cat"), ("bob", "the red young cat")):
        desk = Desk(queue, username=name)
        review = desk.next()
        side = review.shown_order.index(task.candidate_ids[0])
        desk.submit(review, side=side, edits={str(side): text})
    return task


def test_one_key_lets_a_reviewers_correction_stand(sit_down, disputed):
    lead = make_person(disputed.queue.project, "lead")
    page = sit_down(lead, f"/admin/review/tasks/{disputed.pk}/")

    page.keyboard.press("g")
    expect(page.locator("[name=is_gold]")).to_be_checked()
    page.keyboard.press("4")
    page.wait_for_url("**/flagged/")

    decision = Decision.objects.get(is_current=True)
    revision = decision.answer_revision
    assert revision is not None and revision.text == "the red young cat"
    assert decision.is_gold
    assert Revision.objects.count() == 2 and page.errors == []
    actions = set(AuditEvent.objects.values_list("action", flat=True))
    assert actions == {"correction_chosen", "gold_set"}


def test_keys_of_a_lead_rest_in_a_text(sit_down, disputed):
    lead = make_person(disputed.queue.project, "lead")
    page = sit_down(lead, f"/admin/review/tasks/{disputed.pk}/")
    page.get_by_text("Correct A", exact=True).click()
    page.locator("[name=edit-0]").focus()

    page.keyboard.type("1 g 0 ")

    assert not Decision.objects.exists()
    expect(page.locator("[name=is_gold]")).not_to_be_checked()
    expect(page.locator("[name=edit-0]")).to_have_value("1 g 0 the red old cat")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("options", [{}, PHONE], ids=["desk", "phone"])
def test_axe_finds_nothing_serious_where_a_lead_chooses(
    sit_down, disputed, scheme, options
):
    lead = make_person(disputed.queue.project, "lead")
    page = sit_down(lead, color_scheme=scheme, reduced_motion="reduce", **options)
    page.goto(f"/admin/review/tasks/{disputed.pk}/")
    page.get_by_text("As a tree").click()

    width = page.evaluate("document.documentElement.scrollWidth")

    assert serious(page) == []
    assert width <= page.viewport_size["width"]


def test_r_goes_from_the_text_to_the_tree_to_the_raw_one(sit_down):
    queue = make_queue(mode="single")
    make_task(queue, JSON)
    page = sit_down(make_person(queue.project), f"/admin/review/{queue.pk}/")
    laid_out = page.locator(".body > .rendered")
    tree, raw = page.locator(".tree"), page.locator(".body > .raw")
    expect(laid_out).to_be_visible()
    expect(tree).to_be_hidden()

    page.keyboard.press("r")
    expect(laid_out).to_be_hidden()
    expect(tree.get_by_text("London")).to_be_hidden()
    tree.get_by_text("2 keys").click()
    expect(tree.get_by_text("London")).to_be_visible()
    page.keyboard.press("r")
    expect(raw).to_be_visible()
    expect(page.locator(".as-tree")).to_be_hidden()
    page.keyboard.press("r")

    expect(laid_out).to_be_visible()
    assert page.errors == []


def test_backspace_undoes_outside_of_text_only(sit_down):
    queue = make_queue()
    make_task(queue), make_task(queue)
    page = sit_down(make_person(queue.project), f"/admin/review/{queue.pk}/")
    first = page.wait_for_selector("article[data-review]").get_attribute("data-review")
    page.keyboard.press("1")
    page.wait_for_selector("#rail li")

    page.keyboard.press("n")
    page.keyboard.type("ab")
    page.keyboard.press("Backspace")
    expect(page.locator("[data-note]")).to_have_value("a")
    page.keyboard.press("Escape")
    page.keyboard.press("Backspace")

    expect(page.locator("#toast")).to_contain_text("Taken back")
    again = page.wait_for_selector("article[data-review]")
    assert again.get_attribute("data-review") != first and page.errors == []


def test_the_button_that_freezes_has_a_name(sit_down):
    queue = make_queue()
    made = Dataset.objects.create(project=queue.project, name="s", kind="dpo")
    page = sit_down(
        make_person(is_superuser=True),
        f"/admin/vllm_curation/dataset/{made.pk}/freeze/",
    )

    button = page.get_by_role("button", name="Freeze", exact=True)

    expect(button).to_be_visible()
    assert button.bounding_box()["width"] > 40
