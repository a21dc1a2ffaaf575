"""Handlers run again for batches that ended."""

import pytest

from batches.handlers import attempts
from batches.handlers.replaying import replay_runs
from batches.handlers.running import due_runs, run_next
from batches.models import BatchJob
from tests.batches.ending import GOOD, make_ended
from tests.batches.handlers.cast import Fake, run_of

pytestmark = pytest.mark.django_db


def test_dead_letters_are_replayed_from_the_first_try(configure):
    configure(HANDLER_RETRY_SECONDS=[])
    Fake.does = lambda results: 1 / 0
    batch = make_ended(GOOD)
    run_next("fake")
    Fake.does = lambda results: True

    assert replay_runs(None) == 1

    assert run_next("fake") and run_of(batch).attempts == 1


def test_a_run_that_runs_is_not_replayed():
    batch = make_ended(GOOD)
    attempts.claim(due_runs().filter(handler="fake"), 60, [])

    replay_runs(BatchJob.objects.filter(pk=batch.pk), "fake")

    assert run_of(batch).status == "running"


def test_a_replay_adds_handlers_that_came_later():
    Fake.is_on = False
    batch = make_ended(GOOD)
    Fake.is_on = True

    assert replay_runs(BatchJob.objects.filter(pk=batch.pk), "fake") == 1

    assert run_next("fake")
