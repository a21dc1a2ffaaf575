"""Pages and the admin: every route of the URL conf, for those it is not for (T40).

Routes are found in the URL conf. One with an id that this file does not know fails.
"""

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import NoReverseMatch, URLPattern, URLResolver, get_resolver, reverse

from tests.curation.answered import ended
from tests.curation.review.desk import Desk, make_person, make_queue, make_task
from tests.factories import make_file, make_key, make_project

pytestmark = pytest.mark.django_db
# Open to all, or with a door of their own that other tests knock at.
OPEN = ("health", "metrics", "openapi.json", "v1/", "admin/login/")
SECRET = "canary-of-another-project"


def walk(patterns: Any, before: str = "") -> Iterator[str]:
    """Return every path below these patterns, but for those of the admin's site."""
    for pattern in patterns:
        path = before + str(pattern.pattern)
        if isinstance(pattern, URLResolver) and pattern.app_name != "admin":
            yield from walk(pattern.url_patterns, path)
        elif isinstance(pattern, URLPattern) and path and not path.startswith(OPEN):
            yield path


PATHS = sorted(set(walk(get_resolver().url_patterns)))
PARAMETERS = re.compile(r"<\w+:(\w+)>")
KNOWN = {"queue_id", "review_id", "task_id", "batch_id", "file_id", "number", "verb"}
WITH_IDS = [path for path in PATHS if PARAMETERS.search(path)]


def foreign() -> dict[str, str]:
    """Make one of each thing in a project, and return their ids by parameter."""
    project = make_project(SECRET)
    queue = make_queue(project, name=SECRET)
    task = make_task(queue, SECRET, "b", prompt=SECRET, state="open")
    review = Desk(queue).next()
    batch = ended({SECRET: SECRET}, project)
    file = make_file(SECRET.encode(), project)
    ids = {"queue_id": queue.pk, "task_id": task.pk, "review_id": review.pk}
    more = {"batch_id": batch.pk, "file_id": file.pk, "number": 1, "verb": "cancel"}
    return {name: str(value) for name, value in {**ids, **more}.items()}


def nothing() -> dict[str, str]:
    none = dict.fromkeys(("queue_id", "task_id", "review_id"), "987654")
    more = {"batch_id": "batch_" + "0" * 32, "file_id": "file-" + "0" * 32}
    return {**none, **more, "number": "1", "verb": "cancel"}


def filled(path: str, values: dict[str, str]) -> str:
    return "/" + PARAMETERS.sub(lambda found: values[found[1]], path)


def client_of(user: Any) -> Client:
    client = Client()
    client.force_login(user)
    return client


def test_each_part_of_a_page_has_an_owner():
    found = {name for path in PATHS for name in PARAMETERS.findall(path)}

    assert found <= KNOWN
    assert len(WITH_IDS) > 15


@pytest.mark.parametrize("method", ["get", "post"])
@pytest.mark.parametrize("path", PATHS)
def test_nobody_comes_in_without_a_login_of_the_staff(path: str, method: str):
    url = filled(path, foreign())

    for client in (Client(), client_of(make_person(is_staff=False))):
        response = getattr(client, method)(url)
        assert response.status_code in (302, 405), response.content[:300]
        assert "/admin/login/" in response.get("Location", "/admin/login/")


def lead_elsewhere() -> Client:
    """Return a lead of another project, who may do all in curation there."""
    user = make_person(make_project(), "lead")
    mine = Permission.objects.filter(content_type__app_label="vllm_curation")
    user.user_permissions.set(mine)
    return client_of(user)


@pytest.mark.parametrize("method", ["get", "post"])
@pytest.mark.parametrize("path", WITH_IDS)
def test_a_foreign_object_looks_like_none(path: str, method: str):
    there, none = foreign(), nothing()
    client = lead_elsewhere()

    response = getattr(client, method)(filled(path, there))

    expected = getattr(client, method)(filled(path, none))
    assert response.status_code == expected.status_code
    assert response.status_code in (302, 403, 404, 405)
    assert SECRET not in response.content.decode()


@pytest.mark.parametrize("path", [path for path in PATHS if path not in WITH_IDS])
def test_a_list_shows_nothing_foreign(path: str):
    there = foreign()

    response = lead_elsewhere().get("/" + path)

    text = response.content.decode()
    assert SECRET not in text and there["batch_id"] not in text


MODELS = sorted(admin.site._registry, key=lambda model: model._meta.label)
PAGES = ["changelist", "add", "change", "history", "delete"]


def address(model: Any, page: str) -> str | None:
    name = f"admin:{model._meta.app_label}_{model._meta.model_name}_{page}"
    arguments = ["1"] if page in ("change", "history", "delete") else []
    try:
        return reverse(name, args=arguments)
    except NoReverseMatch:
        return None


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize("model", MODELS, ids=lambda model: model._meta.label)
def test_a_member_without_permissions_sees_no_table(model: Any, page: str):
    url = address(model, page)
    if url is None:
        pytest.skip("there is no such page")
    make_key()

    for role in ("reviewer", "lead", "admin"):
        client = client_of(make_person(make_project(), role))
        for method in ("get", "post"):
            response = getattr(client, method)(url)
            # The admin sends people away from a row it does not find.
            assert response.status_code in (403, 302), (role, method)
            if response.status_code == 302:
                assert response["Location"] in ("/admin/", "/admin/console/")


CURATED = [m for m in MODELS if m._meta.app_label == "vllm_curation"]


def lists_of(client: Client, model: Any) -> list[Any]:
    response = client.get(str(address(model, "changelist")))
    assert response.status_code == 200
    # Filters beside the list would name foreign projects and queues.
    assert SECRET not in response.content.decode()
    return list(response.context["cl"].result_list)


@pytest.mark.parametrize("model", CURATED, ids=lambda model: model._meta.label)
def test_a_lead_elsewhere_sees_no_row_of_curation(model: Any):
    foreign()
    client = lead_elsewhere()

    assert lists_of(client, model) == []
    assert SECRET not in client.get(str(address(model, "add"))).content.decode()
    for row in model.objects.all()[:2]:
        for page in ("change", "history", "delete"):
            url = reverse(
                f"admin:{model._meta.app_label}_{model._meta.model_name}_{page}",
                args=[row.pk],
            )
            response = client.get(url)
            assert response.status_code in (302, 403), page
            assert SECRET not in response.content.decode()


@pytest.mark.parametrize("model", CURATED, ids=lambda model: model._meta.label)
def test_each_table_of_curation_is_cut_by_project(model: Any):
    own: Callable[..., Any] = type(admin.site._registry[model]).get_queryset

    # Neither Django's nor unfold's own, which show all rows to all.
    assert not own.__module__.startswith(("django.", "unfold."))


def test_the_queues_pickles_have_no_page():
    assert not [model for model in MODELS if model._meta.app_label == "django_q"]
