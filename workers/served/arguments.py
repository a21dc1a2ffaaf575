"""What a served model's engine is started with: its engine_args and its own fields.

Pure but for `keep_template`. An empty field adds nothing, so that an engine that knows
no such argument never sees it.
"""

import hashlib
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

from vllm_batch.lib.conf import conf
from workers.models import ServedModel

# Adapters that may be in one step together, unless engine_args say otherwise.
MOST_LORAS = 4


def arguments_of(model: ServedModel) -> dict[str, Any]:
    """Return the arguments, in the words of `vllm serve`."""
    fields: dict[str, Any] = {
        "revision": model.revision,
        "quantization": model.quantization,
        "chat_template": str(template_path(model.chat_template))
        if model.chat_template
        else "",
    }
    found = {key: value for key, value in fields.items() if value}
    if model.lora_adapters:
        found |= {
            "enable_lora": True,
            "max_loras": min(len(model.lora_adapters), MOST_LORAS),
            "lora_modules": [
                {"name": adapter["name"], "path": adapter.get("source", "")}
                for adapter in model.lora_adapters
            ],
        }
    if model.request_limits.get("allow_chat_template"):
        # vLLM refuses them by itself otherwise.
        found["trust_request_chat_template"] = True
    return {**found, **model.engine_args}


def template_folder() -> Path:
    """Return where chat templates lie for engines, which take a path."""
    return conf().DATA_DIR / "chat_templates"


def template_path(text: str) -> Path:
    """Return the file of a chat template, named by its hash."""
    digest = hashlib.sha256(text.encode()).hexdigest()
    return template_folder() / f"{digest}.jinja"


def keep_template(model: ServedModel) -> None:
    """Write the model's chat template where `arguments_of` says it lies."""
    if not model.chat_template:
        return
    path = template_path(model.chat_template)
    if path.is_file():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with NamedTemporaryFile(dir=path.parent, delete=False) as stream:
        stream.write(model.chat_template.encode())
    # Whoever is at it too writes the same bytes.
    Path(stream.name).replace(path)
