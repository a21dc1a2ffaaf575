"""A reviewer at work: by keyboard only, with a network that comes and goes."""

import pytest
from playwright.sync_api import expect

from curation.models import Decision, Review, Revision, Task
from tests.curation.review.desk import make_person, make_queue, make_task

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
CARD = "#stage article[data-review]"


class Person:
    """Somebody at a page, with nothing but keys."""

    def __init__(self, page, queue):
        self.page = page
        page.goto(f"/admin/review/{queue.pk}/")
        self.see()

    def see(self) -> str:
        """Wait for a card and return its review."""
        card = self.page.wait_for_selector(CARD)
        return str(card.get_attribute("data-review"))

    def press(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)

    def decide(self, key: str) -> None:
        """Press a verdict's key and wait until the card has gone."""
        review = self.see()
        self.press(key)
        self.wait_gone(review)

    def wait_gone(self, review: str) -> None:
        self.page.wait_for_function(
            "id => document.querySelector('#stage article')?.dataset.review !== id",
            arg=review,
        )

    def correct(self, text: str) -> None:
        """Write before the left answer, save and go on."""
        review = self.see()
        self.press("e")
        self.page.keyboard.type(text)
        self.press("Control+Enter")
        self.wait_gone(review)

    def settled(self) -> None:
        """Wait until the server has everything."""
        expect(self.page.locator("#status")).to_have_attribute("data-state", "saved")

    def is_waiting(self) -> None:
        expect(self.page.locator("#status")).to_have_attribute("data-state", "waiting")


@pytest.fixture
def queue():
    return make_queue(lease_seconds=600)


def make_tasks(queue, count):
    for number in range(count):
        make_task(queue, f"left or right {number}", f"the other one {number}")


@pytest.mark.timeout(600)
def test_thirty_decisions_by_keyboard_with_a_lost_network(sit_down, queue):
    make_tasks(queue, 30)
    page = sit_down(make_person(queue.project))
    person = Person(page, queue)

    for key in ("1", "2", "ArrowLeft", "ArrowRight", "3", "4", "t", "b"):
        person.decide(key)
    person.correct("First correction. ")
    person.decide("1")
    person.settled()
    person.press("u")
    expect(page.locator("#toast")).to_contain_text("Taken back")
    person.press("g")
    person.decide("2")
    page.context.set_offline(True)
    person.decide("1")
    person.correct("Written without a network. ")
    person.is_waiting()
    expect(page.locator("#status")).to_contain_text("nothing is lost")
    expect(page.locator("#pending")).to_contain_text("2 decisions")
    page.context.set_offline(False)
    person.settled()
    person.correct("Third correction. ")
    for number in range(17):
        person.decide("12"[number % 2])

    page.wait_for_selector("article[data-empty]")
    person.settled()
    assert Task.objects.filter(state="done").count() == 30
    assert Review.objects.filter(status="submitted").count() == 30
    assert Review.objects.filter(status="retracted").count() == 1
    assert Decision.objects.filter(is_current=True).count() == 30
    assert Decision.objects.filter(is_current=True, is_gold=True).count() == 1
    starts = sorted(
        text.split(". ")[0] for text in Revision.objects.values_list("text", flat=True)
    )
    assert starts == [
        "First correction",
        "Third correction",
        "Written without a network",
    ]
    assert page.errors == []


def test_what_is_typed_is_saved_by_itself_and_survives_a_reload(sit_down, queue):
    make_tasks(queue, 1)
    page = sit_down(make_person(queue.project))
    person = Person(page, queue)
    person.press("e")
    page.keyboard.type("Kept. ")
    page.wait_for_timeout(1200)
    person.settled()
    assert "Kept. " in str(Review.objects.get().edits)

    page.reload()

    person.see()
    expect(page.locator("[data-edit]").first).to_have_value(
        "Kept. " + page.locator(".body > .raw").first.text_content()
    )


def test_a_tab_closed_without_network_loses_nothing(sit_down, queue):
    make_tasks(queue, 3)
    page = sit_down(make_person(queue.project))
    person = Person(page, queue)
    page.wait_for_timeout(500)
    context = page.context
    context.set_offline(True)
    person.correct("Before the crash. ")
    person.is_waiting()
    page.close()
    context.set_offline(False)
    # As if the old tab's last sign of life were long ago.
    again = context.new_page()
    again.goto("/admin/review/")
    again.evaluate(
        "Object.keys(localStorage).filter((key) => key.startsWith('review-alive:'))"
        ".forEach((key) => localStorage.setItem(key, '0'))"
    )

    later = Person(again, queue)

    later.settled()
    assert Revision.objects.get().text.startswith("Before the crash. ")


def test_letters_in_a_text_field_are_no_keys(sit_down, queue):
    make_tasks(queue, 2)
    page = sit_down(make_person(queue.project))
    person = Person(page, queue)
    review = person.see()

    person.press("n")
    page.keyboard.type("1 2 3 4 s f u g d r ?")

    assert person.see() == review
    expect(page.locator("[data-note]")).to_have_value("1 2 3 4 s f u g d r ?")
    person.press("Escape", "s")
    person.wait_gone(review)


def test_keys_rest_while_the_help_is_open_or_a_modifier_is_held(sit_down, queue):
    make_tasks(queue, 2)
    page = sit_down(make_person(queue.project))
    person = Person(page, queue)
    review = person.see()

    person.press("Control+1", "Alt+ArrowRight", "Meta+2", "?")
    expect(page.locator("#help")).to_be_visible()
    person.press("1")

    assert person.see() == review
    person.press("Escape")
    expect(page.locator("#help")).to_be_hidden()


def test_keys_may_be_faster_than_the_server(sit_down, queue):
    make_tasks(queue, 12)
    page = sit_down(make_person(queue.project))

    def slowly(route):
        page.wait_for_timeout(150)
        route.continue_()

    page.route("**/submit", slowly)
    person = Person(page, queue)

    for _ in range(12):
        person.decide("1")
    page.wait_for_selector("article[data-empty]")
    person.settled()

    assert Review.objects.filter(status="submitted").count() == 12
    assert page.errors == []


def test_two_reviewers_at_once_never_meet(sit_down, queue):
    make_tasks(queue, 14)
    people = [
        Person(sit_down(make_person(queue.project)), queue) for _ in range(2)
    ]  # fmt: skip

    seen: list[set[int]] = [set(), set()]
    for _ in range(5):
        for number, person in enumerate(people):
            seen[number].add(Review.objects.get(pk=person.see()).task_id)
            person.decide("1")
    for person in people:
        person.settled()

    assert seen[0].isdisjoint(seen[1])
    submitted = Review.objects.filter(status="submitted")
    assert submitted.count() == 10 == submitted.values("task").distinct().count()


def test_two_tabs_of_one_person_are_merged_by_hand(sit_down, queue):
    make_tasks(queue, 1)
    desk = sit_down(make_person(queue.project))
    at_desk = Person(desk, queue)
    phone = desk.context.new_page()
    on_phone = Person(phone, queue)
    assert at_desk.see() == on_phone.see()
    on_phone.press("e")
    phone.keyboard.type("Phone. ")
    on_phone.press("Escape")
    on_phone.settled()

    at_desk.press("e")
    desk.keyboard.type("Desk. ")
    at_desk.press("Escape")

    expect(desk.locator("#merge")).to_be_visible()
    assert "Phone. " in desk.locator("#merge pre").text_content()
    desk.locator("[data-merge]").fill("Both.")
    desk.get_by_role("button", name="Go on with the left side").press("Enter")
    expect(desk.locator("[data-edit]").first).to_have_value("Both.")
    at_desk.settled()
    assert list(Review.objects.get().edits.values()) == ["Both."]
    assert desk.errors == []


def test_a_phone_judges_single_answers_by_touch(sit_down):
    queue = make_queue(mode="single")
    make_task(queue, "an answer")
    page = sit_down(
        make_person(queue.project), f"/admin/review/{queue.pk}/",
        viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True,
    )  # fmt: skip
    page.wait_for_selector(CARD)

    width = page.evaluate("document.documentElement.scrollWidth")
    page.get_by_role("button", name="Good").tap()
    page.wait_for_selector("article[data-empty]")

    assert width <= 390
    expect(page.locator("#status")).to_have_attribute("data-state", "saved")
    assert Decision.objects.get().answer_candidate is not None


def test_ranking_by_digits(sit_down):
    queue = make_queue(mode="rank")
    make_task(queue, "a", "b", "c")
    page = sit_down(make_person(queue.project))
    person = Person(page, queue)

    person.press("3", "1", "2", "Enter")
    page.wait_for_selector("article[data-empty]")
    person.settled()

    review = Review.objects.get()
    order = review.shown_order
    assert review.ranking == [order[2], order[0], order[1]]
