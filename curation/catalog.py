"""Which models may be asked for answers that people compare."""

from collections.abc import Iterable

from batches.offers import find_offers
from curation.exceptions import CurationError


def served_models() -> list[str]:
    """Return the names that batches may use, sorted."""
    return sorted(find_offers())


def check_models(names: Iterable[str], endpoint: str) -> None:
    """Refuse models that are not served for an endpoint; raises CurationError."""
    offers = find_offers()
    fit = sorted(name for name, offer in offers.items() if offer.serves(endpoint))
    for name in names:
        if name not in fit:
            raise CurationError(
                f"The model '{name}' is not served for {endpoint}. These are:"
                f" {', '.join(fit) or 'none'}."
            )
