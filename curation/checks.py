"""System checks of exporters."""

from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, register
from django.utils.module_loading import import_string

from curation.exporters.base import Exporter
from curation.models import Artifact
from curation.models.dataset import Kind

_HINT = (
    "CURATION_EXPORTERS is a list of dotted paths to subclasses of"
    ' curation.exporters.base.Exporter, such as ["curation.exporters.trl.TrlDpo"].'
)
LONGEST_NAME = Artifact._meta.get_field("profile").max_length or 0


@register()
def check_exporters(
    app_configs: Sequence[Any] | None = None, **options: Any
) -> list[CheckMessage]:
    """Report whatever would stop an exporter from being used."""
    paths: object = getattr(settings, "CURATION_EXPORTERS", [])
    if not isinstance(paths, (list, tuple)):
        text = "CURATION_EXPORTERS is not a list."
        return [Error(text, hint=_HINT, id="curation.E001")]
    found: list[CheckMessage] = []
    known: dict[str, str] = {}
    for path in paths:
        try:
            named: object = import_string(path)
        except (ImportError, AttributeError, TypeError) as error:
            text = f"CURATION_EXPORTERS names {path!r}, which cannot be imported:"
            found.append(Error(f"{text} {error}", hint=_HINT, id="curation.E002"))
        else:
            found += _check(path, named, known)
    return found


def _check(path: str, named: object, known: dict[str, str]) -> list[CheckMessage]:
    if not (isinstance(named, type) and issubclass(named, Exporter)):
        text = f"{path!r} is used as an exporter, but is no Exporter."
        return [Error(text, hint=_HINT, id="curation.E003")]
    name = getattr(named, "name", "")
    if not name or len(name) > LONGEST_NAME:
        hint = f"Give it a `name` of 1 to {LONGEST_NAME} characters."
        text = f"The exporter {path!r} has no name, or too long a one."
        return [Error(text, hint=hint, id="curation.E004")]
    if known.setdefault(name, path) != path:
        text = f"Two exporters are called {name!r}; one of them is {path!r}."
        hint = "Give one of them another `name`."
        return [Error(text, hint=hint, id="curation.E005")]
    if not named.kinds or not named.kinds <= set(Kind.values):
        text = f"The exporter {path!r} writes unknown kinds of datasets, or none."
        hint = f"Its `kinds` are some of {', '.join(Kind.values)}."
        return [Error(text, hint=hint, id="curation.E006")]
    return []
