"""docs/reference/metrics.md has every metric of ours, and no other."""

import re

import pytest

from tests.docs.test_docs import REFERENCE, table_rows, text
from tests.monitoring.documented import find_names

pytestmark = pytest.mark.django_db
PAGE = REFERENCE / "metrics.md"


def test_the_metrics_and_no_others_are_documented():
    assert set(table_rows(PAGE)) == set(find_names())


def test_state_is_told_from_what_is_counted():
    counted, state = re.split(r"^## State$", text(PAGE), flags=re.M)

    for name, kind in find_names().items():
        assert f"`{name}`" in (state if kind == "state" else counted), name


def test_there_are_more_than_twenty_of_them():
    assert len(find_names()) > 20
