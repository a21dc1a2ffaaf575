"""Where nothing can be counted it is an estimate, and says why."""

import json
import sys

import pytest

from tests.marks import TRANSFORMERS
from tests.workers.served.tokenizing.chats import report, tiny
from workers.served import tokenizing

pytestmark = [pytest.mark.django_db, *TRANSFORMERS]


def test_when_its_time_is_over_the_rest_is_estimated(configure):
    configure(BATCH_PREFLIGHT_SECONDS=1e-9)

    found = report(tiny("a"), tiny("b"))

    assert found["counted_lines"] == 0
    assert "BATCH_PREFLIGHT_SECONDS" in found["tokenizer_reason"]


def test_a_tokenizer_that_is_not_there_is_an_estimate(model, tmp_path):
    model.source = str(tmp_path)
    model.save()

    found = report(tiny())

    assert found["tokenizer"] == "estimate"
    assert "could not be loaded" in found["tokenizer_reason"]
    assert str(tmp_path) not in found["tokenizer_reason"]


def test_code_that_comes_with_a_model_is_not_run(model, folder, tmp_path):
    place = tmp_path / "code"
    place.mkdir()
    (place / "code.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    config = {"auto_map": {"AutoTokenizer": ["code.Tokenizer", None]}}
    (place / "tokenizer_config.json").write_text(json.dumps(config))
    model.source, model.engine_args = str(place), {"trust_remote_code": True}
    model.save()

    report(tiny())

    assert not (tmp_path / "ran").exists()


def test_without_transformers_it_is_an_estimate(monkeypatch):
    tokenizing._kept.clear()
    monkeypatch.setitem(sys.modules, "transformers", None)

    found = report(tiny())

    assert found["tokenizer"] == "estimate"
    assert "transformers is not installed" in found["tokenizer_reason"]


def test_tokenizers_are_kept_but_not_without_end(folder):
    for number in range(tokenizing.MOST_KEPT + 2):
        tokenizing.find_tokenizer(tokenizing.Place(str(folder), f"r{number}"))

    assert len(tokenizing._kept) == tokenizing.MOST_KEPT


def test_the_model_without_a_length_takes_its_configs(model, folder):
    model.engine_args = {}
    model.save()
    config = {
        "model_type": "llama",
        "hidden_size": 64,
        "intermediate_size": 128,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "vocab_size": 4096,
        "max_position_embeddings": 2048,
    }
    (folder / "config.json").write_text(json.dumps(config))

    assert report(tiny())["max_model_len"] == 2048
