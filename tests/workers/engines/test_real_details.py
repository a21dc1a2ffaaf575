"""Adapters, chat template and limits of a served model, on the real engine."""

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.marks import REAL_VLLM
from tests.workers.engines.probing import probe
from tests.workers.engines.vllm_details_probe import TEMPLATE

pytestmark = [
    *REAL_VLLM,
    pytest.mark.timeout(600),
]


@pytest.fixture(scope="module")
def reports(
    tiny_model: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Any]:
    """The probe's answers, from one engine in a process of its own."""
    folder: Path = tmp_path_factory.mktemp("model")
    shutil.copytree(tiny_model, folder / "tiny")  # an adapter is written beside it
    own = {"DATA_DIR": str(folder / "data"), "DATABASE_URL": ""}
    return probe("vllm_details_probe", folder / "tiny", **own)


def test_base_and_adapter_answer_each_in_its_own_way(reports: dict[str, Any]):
    base, adapter = (json.loads(reports[n]["body"]) for n in ("base", "adapter"))

    assert (base["model"], adapter["model"]) == ("tiny", "support")
    assert base["choices"][0]["logprobs"] != adapter["choices"][0]["logprobs"]
    assert reports["nobody"]["status"] == 404


def test_the_prompt_is_made_by_our_template(reports: dict[str, Any]):
    tokens = json.loads(reports["base"]["body"])["usage"]["prompt_tokens"]
    assert tokens > 10  # the model's own template makes less of "Say hello"


def test_vllm_refuses_a_requests_own_template_too(reports: dict[str, Any]):
    assert reports["template"]["status"] == 400
    assert "trust-request-chat-template" in reports["template"]["body"]


def test_the_engine_tells_its_version_and_arguments(reports: dict[str, Any]):
    told = reports["manifest"]

    assert told["engine_version"] and told["engine_args"]["max_num_seqs"] == 8
    assert told["engine_args"]["max_num_batched_tokens"] == 8192
    assert [a["name"] for a in told["facts"]["lora_adapters"]] == ["support"]
    digest = hashlib.sha256(TEMPLATE.encode()).hexdigest()
    assert told["facts"]["chat_template_sha256"] == digest
