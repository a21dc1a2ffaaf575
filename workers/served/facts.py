"""The facts of a model that a manifest keeps: by its arguments, and by its files."""

import hashlib
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from workers.models import ServedModel
from workers.served.arguments import arguments_of, template_folder

# Arguments with a fact of their own, what no answer depends on, and secrets.
_APART = (
    "revision", "quantization", "chat_template", "lora_modules", "enable_lora", "ray",
)  # fmt: skip
_SECRET = ("api_key", "hf_token")
# Files up to this size count by their content, larger ones by name and size.
SMALL_BYTES = 1 << 20


def facts_of(model: ServedModel) -> dict[str, Any]:
    """Return what is known of a served model before it is loaded."""
    arguments = arguments_of(model)
    return {"model": model.name, **facts(model.engine, model.source, arguments)}


def facts(engine: str, source: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return an engine's settings as entries of manifests name them."""
    adapters = arguments.get("lora_modules") or []
    kept = {
        key: value
        for key, value in arguments.items()
        if key not in (*_APART, *_SECRET) and value is not None
    }
    return {
        "engine": engine,
        "source": _without_passwords(source),
        "revision": arguments.get("revision") or "",
        "quantization": arguments.get("quantization") or "",
        "lora_adapters": [_adapter(adapter) for adapter in adapters],
        **_template(arguments.get("chat_template") or ""),
        "engine_args": kept,
    }


def _adapter(module: object) -> dict[str, str]:
    if isinstance(module, Mapping):
        name, path = str(module.get("name", "")), str(module.get("path", ""))
    else:
        name, _, path = str(module).partition("=")
    return {"name": name, "source": path}


def _template(path: str) -> dict[str, str]:
    """Return a chat template's hash, unless only the worker can read the file."""
    if not path:
        return {"chat_template_sha256": ""}
    file = Path(path)
    if file.parent == template_folder():
        return {"chat_template_sha256": file.stem}
    try:
        return {"chat_template_sha256": hashlib.sha256(file.read_bytes()).hexdigest()}
    except (OSError, ValueError):
        return {}


def _without_passwords(source: str) -> str:
    """Take user names and passwords out of base URLs."""
    return re.sub(r"\S+://\S+", lambda match: _clean(match.group()), source)


def _clean(url: str) -> str:
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


def weights_of(source: str, revision: str) -> str | None:
    """Return what tells weights apart, None if nothing is known.

    The commit of a hub model in this machine's cache, else a hash over a folder: small
    files (config, index, tokenizer) by content, the weights by name and size.
    """
    path = Path(source)
    if path.is_dir():
        return _hash_of([file for file in path.iterdir() if file.is_file()])
    if path.is_file():
        return _hash_of([path])
    return _commit(source, revision or "main")


def _hash_of(files: list[Path]) -> str:
    digest = hashlib.sha256()
    for file in sorted(files):
        size = file.stat().st_size
        digest.update(f"{file.name}\0{size}\0".encode())
        if size <= SMALL_BYTES:
            digest.update(file.read_bytes())
    return f"sha256:{digest.hexdigest()}"


def _commit(source: str, revision: str) -> str | None:
    home = os.environ.get("HF_HOME") or "~/.cache/huggingface"
    cache = Path(os.environ.get("HF_HUB_CACHE") or f"{home}/hub").expanduser()
    if source.count("/") != 1 or ".." in f"{source}/{revision}":
        return None
    folder = cache / f"models--{source.replace('/', '--')}"
    if (folder / "snapshots" / revision).is_dir():
        return revision
    try:
        return (folder / "refs" / revision).read_text().strip()
    except OSError:
        return None
