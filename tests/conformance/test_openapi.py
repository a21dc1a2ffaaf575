"""The OpenAPI document describes exactly what the server does."""

import os
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from tests.conformance.client import Api
from tests.rig.process import ROOT

pytestmark = [pytest.mark.conformance, pytest.mark.timeout(600)]

SCHEMATHESIS = Path(sys.executable).with_name("schemathesis")

# One seed: a finding should come of a change, not of luck. `make fuzz` tries others.
CHANCE: tuple[str, ...] = ("--max-examples", "40", "--seed", "1")
if os.environ.get("SCHEMATHESIS") == "long":
    CHANCE = ("--max-examples", "200")


@pytest.mark.parametrize("has_key", [True, False])
def test_schemathesis_finds_nothing(api: Api, tmp_path: Path, has_key: bool):
    document = api.base_url.removesuffix("/v1") + "/openapi.json"
    key = ["--header", f"Authorization: Bearer {api.key}"] if has_key else []
    command = [
        str(SCHEMATHESIS), "run", document, *CHANCE, *key,
        "--continue-on-failure", "--no-color",
    ]  # fmt: skip
    env = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "SCHEMATHESIS_HOOKS": "tests.conformance.schemathesis_hooks",
    }

    done = subprocess.run(
        command, cwd=tmp_path, env=env, capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]
    assert "Tested: 24" in done.stdout, done.stdout[-3000:]


def test_every_route_is_described(api: Api):
    url = api.base_url.removesuffix("/v1") + "/openapi.json"

    paths = httpx.get(url, trust_env=False).json()["paths"]

    described = {(path, verb) for path, verbs in paths.items() for verb in verbs}
    assert described == {
        ("/v1/files", "get"),
        ("/v1/files", "post"),
        ("/v1/files/{file_id}", "get"),
        ("/v1/files/{file_id}", "delete"),
        ("/v1/files/{file_id}/content", "get"),
        ("/v1/batches/{batch_id}/manifest", "get"),
        ("/v1/batches/{batch_id}/pause", "post"),
        ("/v1/batches/{batch_id}/resume", "post"),
        ("/v1/batches", "get"),
        ("/v1/batches", "post"),
        ("/v1/batches/{batch_id}", "get"),
        ("/v1/batches/{batch_id}/cancel", "post"),
        ("/v1/batches/{batch_id}/retry", "post"),
        ("/v1/batches/{batch_id}/results", "get"),
        ("/v1/webhook_endpoints", "get"),
        ("/v1/webhook_endpoints", "post"),
        ("/v1/webhook_endpoints/{webhook_endpoint_id}", "get"),
        ("/v1/webhook_endpoints/{webhook_endpoint_id}", "post"),
        ("/v1/webhook_endpoints/{webhook_endpoint_id}", "delete"),
        ("/v1/webhook_endpoints/{webhook_endpoint_id}/rotate_secret", "post"),
        ("/v1/webhook_endpoints/{webhook_endpoint_id}/test", "post"),
        ("/v1/webhook_event_types", "get"),
        ("/v1/models", "get"),
        ("/v1/models/{model}", "get"),
    }
