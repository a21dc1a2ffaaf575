"""Who may open which page; CSP and CSRF."""

from typing import Any

import pytest
from django.test import Client

from curation.models import Review
from tests.curation.review.desk import ROOT, Desk, make_person, make_queue, make_task
from tests.factories import make_project

pytestmark = pytest.mark.django_db


def client_of(user: Any) -> Client:
    client = Client()
    client.force_login(user)
    return client


PEOPLE: dict[str, Any] = {
    "nobody": None,
    "no staff": {"is_staff": False, "role": "reviewer"},
    "stranger": {"role": None},
    "reviewer": {"role": "reviewer"},
    "lead": {"role": "lead"},
    "admin": {"role": "admin"},
    "superuser": {"role": None, "is_superuser": True},
}
DENIED_TO = {"nobody": 302, "no staff": 302, "stranger": 404}
MATRIX = [
    ("get", "{queue}/", {**DENIED_TO}),
    ("post", "{queue}/next", {**DENIED_TO}),
    ("post", "{queue}/heartbeat", {**DENIED_TO}),
    ("get", "{queue}/rail", {**DENIED_TO}),
    ("get", "{queue}/progress", {**DENIED_TO}),
    ("get", "{queue}/flagged/", {**DENIED_TO, "reviewer": 403}),
    ("get", "tasks/{task}/", {**DENIED_TO, "reviewer": 403}),
    ("post", "tasks/{task}/", {**DENIED_TO, "reviewer": 403}),
]


def person(name: str, queue: Any) -> Client:
    details = PEOPLE[name]
    if details is None:
        return Client()
    fields = dict(details)
    role = fields.pop("role")
    project = queue.project if role else None
    return client_of(make_person(project, role or "", **fields))


@pytest.mark.parametrize("name", PEOPLE)
@pytest.mark.parametrize(("method", "path", "refused"), MATRIX)
def test_each_door_opens_for_those_it_should(name, method, path, refused):
    queue = make_queue()
    task = make_task(queue)
    client = person(name, queue)
    url = ROOT + path.format(queue=queue.pk, task=task.pk)

    body = {"data": {}, "content_type": "application/json"} if method == "post" else {}
    response = getattr(client, method)(url, **body)

    welcome = {200, 400} if path.startswith("tasks") else {200}
    assert response.status_code in ({refused[name]} if name in refused else welcome)


@pytest.mark.parametrize("route", ["draft", "submit", "undo", "differences", ""])
def test_another_persons_review_is_not_there(route):
    queue = make_queue()
    make_task(queue)
    review = Desk(queue).next()
    colleague = Desk(queue, role="lead")
    path = f"reviews/{review.pk}/{route}"

    is_get = route in ("", "differences")
    response = colleague.get(path) if is_get else colleague.post(path)

    assert response.status_code == 404
    assert Review.objects.get().version == review.version


def test_assignees_shut_other_members_out():
    queue = make_queue()
    chosen, other = Desk(queue), Desk(queue)
    queue.assignees.add(chosen.user)

    assert chosen.get(f"{queue.pk}/").status_code == 200
    assert other.get(f"{queue.pk}/").status_code == 403
    assert other.post(f"{queue.pk}/next").status_code == 403


def test_who_is_no_member_any_more_cannot_save():
    queue = make_queue()
    make_task(queue)
    desk = Desk(queue)
    review = desk.next()
    queue.project.memberships.all().delete()

    assert desk.submit(review).status_code == 404
    assert Review.objects.get().status == "draft"


def test_the_list_shows_only_own_projects():
    queue, other = make_queue(name="ours"), make_queue(name="theirs")

    page = Desk(queue).get("").content.decode()

    assert "ours" in page and "theirs" not in page
    assert other.project_id != queue.project_id


def test_a_lead_of_another_project_decides_nothing_here():
    task = make_task(make_queue(), state="flagged")
    lead = client_of(make_person(make_project(), "lead"))

    form = {"version": task.version, "verdict": "0"}
    response = lead.post(f"{ROOT}tasks/{task.pk}/", form)

    task.refresh_from_db()
    assert (response.status_code, task.state) == (404, "flagged")


CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:;"
    " connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)


def test_every_answer_carries_the_policy():
    queue = make_queue()
    task = make_task(queue)
    desk = Desk(queue, role="lead")
    review = desk.next()
    paths = [
        "", f"{queue.pk}/", f"{queue.pk}/rail", f"{queue.pk}/flagged/",
        f"tasks/{task.pk}/", f"reviews/{review.pk}/",
        f"reviews/{review.pk}/differences", "reviews/999/differences",
    ]  # fmt: skip

    policies = {desk.get(path)["Content-Security-Policy"] for path in paths}

    assert policies == {CSP}


def test_pages_have_no_inline_script_or_style():
    queue = make_queue()
    make_task(queue)
    desk = Desk(queue)
    desk.next()

    html = desk.get(f"{queue.pk}/").content.decode() + desk.html

    assert "style=" not in html and "<style" not in html and "onclick" not in html
    scripts = [part.split(">")[0] for part in html.split("<script")[1:]]
    assert all("src=" in one or "application/json" in one for one in scripts)


@pytest.mark.parametrize("path", ["next", "heartbeat", "release"])
def test_a_foreign_page_cannot_post(path):
    queue = make_queue()
    make_task(queue)
    client = Client(enforce_csrf_checks=True)
    client.force_login(make_person(queue.project))

    response = client.post(f"{ROOT}{queue.pk}/{path}", "{}", "application/json")

    assert response.status_code == 403 and not Review.objects.exists()


def test_the_admin_links_to_the_queues():
    desk = Desk(make_queue())

    page = desk.client.get("/admin/").content.decode()

    assert f'href="{ROOT}"' in page


def test_the_work_page_shows_the_help_of_its_keys():
    pair, single = Desk(make_queue()), Desk(make_queue(mode="single"))

    assert "The left answer is better" in pair.get(f"{pair.queue.pk}/").content.decode()
    page = single.get(f"{single.queue.pk}/").content.decode()
    assert "The answer is good" in page and "left answer" not in page
