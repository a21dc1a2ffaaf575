"""What every built-in handler keeps."""

import pytest

from batches.handlers.log import LogHandler
from batches.handlers.results import StoredResults, metadata_of
from batches.handlers.webhook.handler import WebhookHandler
from batches.models import BatchJob, WebhookDelivery
from batches.tasks import attend
from tests.batches.ending import BROKEN, GOOD, make_ended
from tests.batches.handlers.cast import make_endpoint
from tests.factories import make_batch, make_project

pytestmark = pytest.mark.django_db


def end_completed(project):
    return make_ended(GOOD, BROKEN, project=project)


def end_cancelled(project):
    return make_ended(GOOD, None, project=project)


def end_failed(project):
    attend(make_batch("oops", project=project).pk)
    return BatchJob.objects.get()


@pytest.mark.parametrize("end", [end_completed, end_cancelled, end_failed])
@pytest.mark.parametrize("handler", [LogHandler, WebhookHandler])
def test_it_may_be_called_again_for_any_end(handler, end):
    project = make_project()
    make_endpoint(project)
    batch = end(project)
    given = (batch.pk, StoredResults(batch), metadata_of(batch))

    assert handler().handle(*given) is True
    once = list(WebhookDelivery.objects.values())

    assert handler().handle(*given) is True
    assert list(WebhookDelivery.objects.values()) == once


@pytest.mark.parametrize("handler", [LogHandler, WebhookHandler])
def test_it_says_whether_it_is_enabled(handler):
    assert isinstance(handler().enabled(), bool)
    assert handler.key() in ("log", "webhook")


def test_the_log_says_how_a_batch_ended(caplog):
    batch = make_ended(GOOD, BROKEN)
    with caplog.at_level("INFO", logger="batches.handlers.log"):
        LogHandler().handle(batch.pk, StoredResults(batch), metadata_of(batch))

    assert f"{batch.pk} is completed: 2 lines, 1 completed, 1 failed" in caplog.text
