"""Which models there are, for those who may not import them (validation, the API)."""

from batches.limits import read_limits
from batches.offers import Licence, Offer
from workers.models import ServedModel
from workers.served.facts import facts_of


def find_models() -> dict[str, Offer]:
    """Return each name clients may use, adapters' too, with its terms."""
    return {
        name: offer
        for model in ServedModel.objects.filter(is_enabled=True)
        for offer in (_offer(model),)
        for name in model.names
    }


def _offer(model: ServedModel) -> Offer:
    return Offer(
        endpoints=frozenset(model.endpoints) or None,
        limits=read_limits(model.request_limits),
        facts=facts_of(model),
    )


def find_licences() -> dict[str, Licence]:
    """Return the licence behind each name ever served, adapters' and disabled too."""
    return {
        name: Licence(model.licence, model.may_train_others)
        for model in ServedModel.objects.all()
        for name in model.names
    }
