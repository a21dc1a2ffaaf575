"""What the ops queue runs for the order of tasks; may run any number of times."""

import logging

from curation.models import Item
from curation.ordering.families import cluster

logger = logging.getLogger(__name__)

# More prompts would take longer than an ops task may; `manage.py find_families` can.
MOST_ITEMS = 200_000


def find_families(project_id: int) -> None:
    """Cluster a project's prompts, if some have no family yet."""
    items = Item.objects.filter(project=project_id)
    if not items.filter(family="").exists():
        return
    if items.count() > MOST_ITEMS:
        logger.warning("too many prompts; run manage.py find_families instead")
        return
    logger.info("project %s: %d families", project_id, cluster(project_id))
