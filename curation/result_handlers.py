"""What curation does with each batch that has ended."""

from batches.handlers import BatchMetadata, ResultHandler, Results, register
from batches.models import BatchJob
from curation.ingest.handing_over import hand_over
from curation.label_studio import handler as _label_studio  # noqa: F401 - registers


@register
class CurationHandler(ResultHandler):
    """Turns results into items, candidates and tasks, and judges' words into verdicts.

    For batches tagged with `curation` in their metadata, those of a comparison, and
    judge runs; every other batch is none of its business.
    """

    name = "curation"

    def handle(self, batch_id: str, results: Results, metadata: BatchMetadata) -> bool:
        """Hand the results over; a second call changes nothing."""
        hand_over(BatchJob.objects.select_related("project").get(pk=batch_id), results)
        return True
