"""The pages that begin something: each has one button, and it says what it does."""

from html.parser import HTMLParser
from typing import Any

import pytest

from curation.models import Queue
from tests.curation.audit.log import ADMIN
from tests.curation.datasets.reviewed import freeze, reviewed
from tests.factories import make_model

pytestmark = pytest.mark.django_db


class Buttons(HTMLParser):
    """The accessible names of a page's submit buttons: what is written on them."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.names: list[str] = []
        self._is_inside = False
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        if tag == "button" and dict(attrs).get("type") == "submit":
            self._is_inside = True
            self.names.append(dict(attrs).get("aria-label") or "")

    def handle_endtag(self, tag: str) -> None:
        self._is_inside = self._is_inside and tag != "button"

    def handle_data(self, data: str) -> None:
        if self._is_inside:
            self.names[-1] = " ".join(f"{self.names[-1]} {data}".split())


def test_each_page_that_begins_something_names_its_button(admin_client):
    make_model("stub")
    version = freeze(reviewed(1))
    queue = Queue.objects.get()
    pages = {
        "dataset/add/": "Make",
        f"dataset/{version.dataset_id}/freeze/": "Freeze",
        f"datasetversion/{version.pk}/export/": "Export",
        "comparison/add/": "Run",
        "evalrun/add/": "Run",
        f"queue/{queue.pk}/judge/": "Judge",
    }

    for path, verb in pages.items():
        page = admin_client.get(f"{ADMIN}{path}").content.decode()
        form = page[page.index('<form method="post" enctype') :]
        assert Buttons(form.split("</form>")[0]).names == [verb], path
