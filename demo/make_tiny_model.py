"""Write a tiny Llama with random weights: `python demo/make_tiny_model.py OUT_DIR`.

1.5 MB, a BPE tokenizer trained on the standard library's source, a chat template. Its
text is noise; its shapes, token counts and speed of loading are real.
"""

import sys
import sysconfig
from pathlib import Path

SPECIAL_TOKENS = ["<s>", "</s>", "<pad>"]
VOCABULARY = 4096
CHAT_TEMPLATE = (
    "{% for m in messages %}{{ '<s>' + m['role'] + ': ' + m['content'] + '\\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ 'assistant: ' }}{% endif %}"
)


def save_tokenizer(out: Path) -> None:
    """Train a byte-level BPE tokenizer and save it with the chat template."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    folder = Path(sysconfig.get_paths()["stdlib"])
    texts = (path.read_text(errors="ignore") for path in sorted(folder.glob("*.py")))
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=SPECIAL_TOKENS,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    wrapped = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token="<s>",
        eos_token="</s>",
        pad_token="<pad>",
    )
    wrapped.chat_template = CHAT_TEMPLATE
    wrapped.save_pretrained(out)


def save_weights(out: Path) -> None:
    """Save two small layers of seeded random weights."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=VOCABULARY,
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=2,
        head_dim=32,
        max_position_embeddings=2048,
        bos_token_id=0,
        eos_token_id=1,
    )
    LlamaForCausalLM(config).to(torch.bfloat16).save_pretrained(out)


def main(out: Path) -> None:
    """Write the model unless it is there."""
    if (out / "model.safetensors").exists():
        return
    save_tokenizer(out)
    save_weights(out)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
