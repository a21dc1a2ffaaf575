"""Which models there are, for those who may not import them (validation, the API)."""

from workers.models import ServedModel


def find_models() -> dict[str, frozenset[str] | None]:
    """Return each enabled model with the endpoints it serves; None means all."""
    return {
        model.name: frozenset(model.endpoints) or None
        for model in ServedModel.objects.filter(is_enabled=True)
    }
