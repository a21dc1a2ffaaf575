"""What is stored of reviews and datasets, one noun a file."""

from curation.models.audit_event import AuditEvent
from curation.models.candidate import Candidate
from curation.models.comparison import Comparison
from curation.models.dataset import Artifact, Dataset, DatasetMember, DatasetVersion
from curation.models.decision import Decision
from curation.models.eval_run import EvalResult, EvalRun
from curation.models.external_link import ExternalLink
from curation.models.item import Item
from curation.models.judge import JudgeRun, JudgeVerdict, VerdictOutcome
from curation.models.label_studio_project import LabelStudioProject
from curation.models.queue import Queue
from curation.models.rerun import Rerun
from curation.models.review import Review
from curation.models.revision import Revision
from curation.models.source import Source
from curation.models.task import Task

__all__ = [
    "Artifact",
    "AuditEvent",
    "Candidate",
    "Comparison",
    "Dataset",
    "DatasetMember",
    "DatasetVersion",
    "Decision",
    "EvalResult",
    "EvalRun",
    "ExternalLink",
    "Item",
    "JudgeRun",
    "JudgeVerdict",
    "LabelStudioProject",
    "Queue",
    "Rerun",
    "Review",
    "Revision",
    "Source",
    "Task",
    "VerdictOutcome",
]
