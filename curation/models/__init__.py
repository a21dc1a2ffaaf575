"""What is stored of reviews and datasets, one noun a file."""

from curation.models.candidate import Candidate
from curation.models.comparison import Comparison
from curation.models.dataset import Artifact, Dataset, DatasetMember, DatasetVersion
from curation.models.decision import Decision
from curation.models.external_link import ExternalLink
from curation.models.item import Item
from curation.models.queue import Queue
from curation.models.review import Review
from curation.models.revision import Revision
from curation.models.task import Task

__all__ = [
    "Artifact",
    "Candidate",
    "Comparison",
    "Dataset",
    "DatasetMember",
    "DatasetVersion",
    "Decision",
    "ExternalLink",
    "Item",
    "Queue",
    "Review",
    "Revision",
    "Task",
]
