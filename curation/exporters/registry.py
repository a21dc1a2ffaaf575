"""Which exporters there are: those that CURATION_EXPORTERS names."""

from typing import cast

from django.conf import settings
from django.utils.module_loading import import_string

from curation.exporters.base import Exporter


def exporters() -> dict[str, type[Exporter]]:
    """Return the exporters by name."""
    found = [
        cast(type[Exporter], import_string(path))
        for path in settings.CURATION_EXPORTERS
    ]
    return {exporter.name: exporter for exporter in found}


def exporters_for(kind: str) -> dict[str, type[Exporter]]:
    """Return those that write a kind of datasets."""
    return {name: one for name, one in exporters().items() if kind in one.kinds}
