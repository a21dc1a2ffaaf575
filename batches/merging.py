"""Put the parent's results into the files of a merged retry.

The two files then hold every line of the parent once: its successes and the failures
that did not run again, beside the retry's own results.
"""

from collections.abc import Callable
from typing import IO, cast

from batches.copying import copy_records, requests
from batches.exceptions import ParentLost
from batches.lines import open_input
from batches.models import BatchJob
from files.models import File, batch_storage
from files.stores import NewFile


def copy_parent(
    batch: BatchJob,
    output: NewFile,
    error: NewFile,
    keep_alive: Callable[[], None],
) -> None:
    """Append what a merged batch takes over; nothing for any other batch."""
    if not batch.is_merged:
        return
    if batch.parent is None:
        raise ParentLost(f"the parent of {batch.pk} is gone")
    keep_alive()
    if batch.parent.output_file_id:
        taken = File.objects.get(pk=batch.parent.output_file_id)
        output.copy(taken.path, 0, taken.bytes)
    with open_input(batch) as stream:
        retried = {custom_id for custom_id, _ in requests(stream)}
    if batch.parent.error_file_id:
        with _open(batch.parent.error_file_id) as source:
            copy_records(source, error, without=retried, keep_alive=keep_alive)


def _open(file_id: str) -> IO[bytes]:
    """Open a file of the parent, even if it was deleted since: its bytes are kept."""
    path = File.objects.values_list("path", flat=True).get(pk=file_id)
    return cast(IO[bytes], batch_storage().open(path))
