"""External links of Label Studio: which remote row is which of ours."""

from django.db.models import QuerySet

from curation.models import ExternalLink

SYSTEM = "label_studio"
TASK, ANNOTATION, USER = "task", "annotation", "user"


def links_of(kind: str, scope: str) -> QuerySet[ExternalLink]:
    """Return the links of one kind in one remote place."""
    return ExternalLink.objects.filter(
        system=SYSTEM, object_type=kind, remote_scope=scope
    )


def new_link(
    kind: str, scope: str, local_id: object, remote_id: object
) -> ExternalLink:
    """Return a link that is not stored yet."""
    return ExternalLink(
        system=SYSTEM,
        object_type=kind,
        remote_scope=scope,
        local_id=str(local_id),
        remote_id=str(remote_id),
    )
