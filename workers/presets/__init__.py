"""Ready-made served models, and the facts of their config.json that plans need."""

from pathlib import Path

FOLDER = Path(__file__).parent
# `manage.py load_models` takes it as it is.
MODELS_16_GIB = FOLDER / "models-16gib.toml"
FACTS = FOLDER / "facts"
