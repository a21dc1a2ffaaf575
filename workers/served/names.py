"""The names clients may use: served models, and the LoRA adapters on them."""

from workers.models import ServedModel


def bases() -> dict[str, str]:
    """Return each enabled name with the served model that answers for it."""
    models = ServedModel.objects.filter(is_enabled=True)
    return {name: model.name for model in models for name in model.names}


def names_on(base: str) -> list[str]:
    """Return the names that the engine of a served model answers for."""
    model = ServedModel.objects.filter(name=base).first()
    return model.names if model else [base]
