"""What the ops queue runs for datasets; may run any number of times."""

from curation.datasets.artifacts import make


def make_artifact(artifact_id: int) -> None:
    """Make an export that was asked for."""
    make(artifact_id)
