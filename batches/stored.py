"""Which of a batch's stored files are lost for good."""

from collections.abc import Iterator

from batches.models import BatchJob, Segment
from files.models import File, batch_storage

# Every batch has its input in here: without this folder the storage is away (a disk
# that is not mounted leaves an empty folder behind).
LANDMARK = "files"


def find_lost(batch: BatchJob) -> str | None:
    """Return what a batch cannot go on without and that is not there any more.

    None if all is there, or if the storage itself is away. Raises OSError if it is.
    """
    storage = batch_storage()
    try:
        storage.listdir(LANDMARK)
    except FileNotFoundError:
        return None
    for what, path in _needed(batch):
        if not storage.exists(path):
            return what
    return None


def _needed(batch: BatchJob) -> Iterator[tuple[str, str]]:
    """Yield each file the batch may read, in words, with its path."""
    parent = batch.parent if batch.is_merged else None
    files = [
        ("the input file", batch.input_file_id),
        ("the parent's output file", parent and parent.output_file_id),
        ("the parent's error file", parent and parent.error_file_id),
    ]
    for what, file_id in files:
        path = File.objects.filter(pk=file_id).values_list("path", flat=True).first()
        if path is not None:
            yield what, path
    segments = Segment.objects.filter(chunk__batch=batch).values_list("path", flat=True)
    for path in segments.iterator(chunk_size=1000):
        yield "results that were stored", path
