"""Write the tiny model's bigger brother: `python -m bench.long_model OUT_DIR`.

Prompts of thousands of tokens fit, and reading them costs more than tokenizing them, as
with any real model.
"""

import sys
from pathlib import Path

from demo.make_tiny_model import VOCABULARY, save_tokenizer


def save_weights(out: Path) -> None:
    """Save four layers of seeded random weights."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=VOCABULARY,
        hidden_size=256,
        intermediate_size=1024,
        num_hidden_layers=4,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=64,
        max_position_embeddings=16384,
        bos_token_id=0,
        eos_token_id=1,
    )
    LlamaForCausalLM(config).to(torch.bfloat16).save_pretrained(out)


if __name__ == "__main__":
    save_tokenizer(Path(sys.argv[1]))
    save_weights(Path(sys.argv[1]))
