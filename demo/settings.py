"""Which model the demo serves, where it comes from, and how vLLM is to run it."""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
GPU_MODEL = "Qwen/Qwen3-4B-Instruct-2507"
CPU_ARGS = {
    "max_model_len": 1024,
    "max_num_seqs": 16,
    "max_num_batched_tokens": 1024,
    "enforce_eager": True,
}


@dataclass(frozen=True)
class DemoModel:
    """A model of the demo: `script` makes its folder, if it is not from a hub."""

    name: str
    source: str
    script: str = ""
    engine_args: dict[str, Any] = field(default_factory=dict)

    def toml(self) -> str:
        """Return the file that `manage.py load_models` reads."""
        arguments = "\n".join(f"{k} = {_toml(v)}" for k, v in self.engine_args.items())
        return (
            f'[[model]]\nname = "{self.name}"\nengine = "vllm"\n'
            f'source = "{self.source}"\n\n[model.engine_args]\n{arguments}\n'
        )


def _toml(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def has_nvidia_gpu() -> bool:
    """Tell whether this machine has an NVIDIA GPU that works."""
    if shutil.which("nvidia-smi") is None:
        return False
    return (
        subprocess.run("nvidia-smi", capture_output=True, check=False).returncode == 0
    )


def choose_model(wanted: str, folder: Path, *, has_gpu: bool) -> DemoModel:
    """Return the model for DEMO_MODEL: `gemma`, `tiny`, a hub id, or "" to choose."""
    wanted = wanted or (GPU_MODEL if has_gpu else "gemma")
    if wanted == "tiny":
        return DemoModel(
            "tiny", str(folder / "tiny"), "make_tiny_model.py", dict(CPU_ARGS)
        )
    if wanted == "gemma":
        return DemoModel(
            "gemma-3-270m", str(folder / "gemma"), "gemma_from_pypi.py", dict(CPU_ARGS)
        )
    arguments: dict[str, Any] = {"max_model_len": 4096} if has_gpu else dict(CPU_ARGS)
    return DemoModel(wanted.rsplit("/", 1)[-1], wanted, "", arguments)


def prepare(model: DemoModel) -> None:
    """Make the model's folder unless it is there."""
    target = Path(model.source)
    if not model.script or (target / "model.safetensors").exists():
        return
    draft = target.with_name(target.name + ".part")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(parents=True)
    command = [sys.executable, str(ROOT / "demo" / model.script), str(draft)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"The model could not be made:\n{done.stderr[-3000:]}")
    os.replace(draft, target)
