"""What a person may do to a batch from its page, and when it makes sense."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from batches import actions, pause_actions, repeating
from batches.handlers.replaying import replay_runs
from batches.models import BatchJob, Status
from batches.orders import RetryOrder
from batches.retry_actions import retry

PAUSABLE = pause_actions.PAUSABLE
CANCELLABLE = (Status.VALIDATING, *actions.CANCELLABLE)


class Done(NamedTuple):
    """What was done, in a sentence, and the batch to look at now."""

    message: str
    batch: BatchJob


@dataclass(frozen=True)
class Verb:
    """A button: its name, what it does, what to know before, and whether it fits.

    A verb with a `warning` asks once more.
    """

    name: str
    label: str
    act: Callable[[BatchJob, str], Done]
    fits: Callable[[BatchJob], bool]
    warning: str = ""


def _cancel(batch: BatchJob, who: str) -> Done:
    return Done("The batch is cancelled.", actions.cancel(batch))


def _pause(batch: BatchJob, who: str) -> Done:
    done = pause_actions.pause(batch, f"by {who}")
    return Done("The batch is paused: lines in flight may end.", done)


def _resume(batch: BatchJob, who: str) -> Done:
    return Done("The batch goes on.", pause_actions.resume(batch))


def _retry(batch: BatchJob, who: str) -> Done:
    child = retry(batch, RetryOrder())
    return Done("The failed lines run again, as this batch.", child)


def _merge(batch: BatchJob, who: str) -> Done:
    child = retry(batch, RetryOrder(is_merged=True))
    text = "The failed lines run again; this batch's files will hold the others too."
    return Done(text, child)


def _repeat(batch: BatchJob, who: str) -> Done:
    again = repeating.run_again(batch)
    return Done("All lines run again on the same manifest, as this batch.", again)


def _replay(batch: BatchJob, who: str) -> Done:
    count = replay_runs(BatchJob.objects.filter(pk=batch.pk))
    word = "handler" if count == 1 else "handlers"
    return Done(f"{count} {word} will run again.", batch)


def _has_failed(batch: BatchJob) -> bool:
    return batch.is_terminal and batch.error_file_id is not None


VERBS = (
    Verb(
        "resume",
        "Resume",
        _resume,
        lambda batch: batch.status in PAUSABLE and bool(batch.paused_reason),
    ),
    Verb(
        "pause",
        "Pause",
        _pause,
        lambda batch: (
            batch.status in PAUSABLE
            and not batch.paused_reason
            and not batch.is_dry_run
        ),
    ),
    Verb("retry", "Run failed lines again", _retry, _has_failed),
    Verb("retry_and_merge", "Run failed lines again, merged", _merge, _has_failed),
    Verb(
        "run_again",
        "Run all again",
        _repeat,
        lambda batch: batch.is_terminal and bool(batch.manifest),
        "All lines run once more, as a new batch on what this one ran on.",
    ),
    Verb(
        "replay_handlers",
        "Replay handlers",
        _replay,
        lambda batch: batch.is_terminal and not batch.is_dry_run,
        "Webhooks are sent again, and every other result handler runs once more.",
    ),
    Verb(
        "cancel",
        "Cancel",
        _cancel,
        lambda batch: batch.status in CANCELLABLE,
        "No further line starts. Finished lines are delivered. This cannot be undone.",
    ),
)
BY_NAME = {verb.name: verb for verb in VERBS}


def verbs_for(batch: BatchJob) -> list[Verb]:
    """Return what makes sense for a batch as it is now."""
    return [verb for verb in VERBS if verb.fits(batch)]
