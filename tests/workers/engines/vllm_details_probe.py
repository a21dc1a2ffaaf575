"""Print what real vLLM makes of a served model's adapters, template and limits.

`python -m tests.workers.engines.vllm_details_probe FOLDER`: FOLDER holds a tiny
Llama; a random adapter is written beside it. One JSON object for each request, then the
manifest.
"""

import asyncio
import json
import os
import sys
from pathlib import Path

TEMPLATE = (
    "{% for m in messages %}{{ m['content'] }}{% endfor %}{# ours: longer on purpose #}"
    "{{ ' and some words more, which every prompt ends with' }}"
)
RANK = 8


def write_adapter(model: Path, folder: Path) -> None:
    """Write a LoRA adapter in PEFT's format, with weights large enough to matter."""
    import numpy
    from safetensors.numpy import save_file

    config = json.loads((model / "config.json").read_text())
    width, random = config["hidden_size"], numpy.random.default_rng(1)
    heads = config["head_dim"] * config["num_attention_heads"]
    tensors = {}
    for layer in range(config["num_hidden_layers"]):
        name = f"base_model.model.model.layers.{layer}.self_attn.q_proj"
        for part, shape in (("A", (RANK, width)), ("B", (heads, RANK))):
            values = random.normal(size=shape).astype(numpy.float32)
            tensors[f"{name}.lora_{part}.weight"] = values
    folder.mkdir()
    save_file(tensors, folder / "adapter_model.safetensors")
    details = {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "r": RANK,
        "lora_alpha": 16,
        "target_modules": ["q_proj"],
        "base_model_name_or_path": str(model),
        "bias": "none",
    }
    (folder / "adapter_config.json").write_text(json.dumps(details))


def body(model: str, **changes: object) -> bytes:
    """Return a chat request that has one answer."""
    messages = [{"role": "user", "content": "Say hello"}]
    fixed = {"max_tokens": 16, "temperature": 0, "ignore_eos": True, "logprobs": True}
    return json.dumps(
        {"model": model, "messages": messages, **fixed, **changes}
    ).encode()


async def _probe(folder: Path) -> None:
    from workers.engines import make_engine
    from workers.models import ServedModel
    from workers.served.arguments import arguments_of, keep_template
    from workers.served.facts import facts

    adapter = folder.parent / "adapter"
    write_adapter(folder, adapter)
    model = ServedModel(
        name="tiny",
        source=str(folder),
        engine_args={"max_model_len": 512, "enforce_eager": True, "max_num_seqs": 8},
        lora_adapters=[{"name": "support", "source": str(adapter)}],
        chat_template=TEMPLATE,
    )
    keep_template(model)
    arguments = arguments_of(model)
    engine = make_engine(
        "vllm", model="tiny", source=str(folder), engine_args=arguments
    )
    await engine.start()
    requests = {
        "base": body("tiny"),
        "adapter": body("support"),
        "nobody": body("other"),
        "template": body("tiny", chat_template="{{ messages }}"),
    }
    for name, request in requests.items():
        answer = await engine.post("/v1/chat/completions", request)
        report = {"name": name, "status": answer.status, "body": answer.body.decode()}
        print("PROBE", json.dumps(report), flush=True)
    told = engine.manifest()
    found = facts("vllm", engine.source, told["engine_args"])
    print("PROBE", json.dumps({"name": "manifest", **told, "facts": found}), flush=True)
    await engine.stop()


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "vllm_batch.settings")
    import django

    django.setup()
    asyncio.run(_probe(Path(sys.argv[1])))
