"""What the catalog of models tells of each name that clients may use."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from django.conf import settings
from django.utils.module_loading import import_string

from batches.limits import Limits


@dataclass(frozen=True)
class Offer:
    """A model's terms: its endpoints (None: all), its limits, and its known facts.

    `facts` are an entry of a manifest as far as it is known before an engine is loaded
    (batches/manifests.py). Several names may share the facts of one model.
    """

    endpoints: frozenset[str] | None = None
    limits: Limits = field(default_factory=Limits)
    facts: Mapping[str, Any] = field(default_factory=dict)

    def serves(self, endpoint: str) -> bool:
        """Tell whether a batch for `endpoint` may name the model."""
        return self.endpoints is None or endpoint in self.endpoints


Catalog = Mapping[str, Offer]


def find_offers() -> Catalog:
    """Ask whoever knows which models there are."""
    return cast(Catalog, import_string(settings.MODEL_CATALOG)())


@dataclass(frozen=True)
class Licence:
    """What is known of a model's licence; `may_train_others`: yes, no or unknown."""

    name: str = ""
    may_train_others: str = "unknown"


def find_licences() -> Mapping[str, Licence]:
    """Ask whoever knows for the licences of all models, disabled ones too, by name."""
    return cast(Mapping[str, Licence], import_string(settings.MODEL_LICENCES)())
