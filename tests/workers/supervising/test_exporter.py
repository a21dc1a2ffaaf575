"""The worker's own port for Prometheus."""

import socket
from pathlib import Path
from typing import Any

import httpx
import pytest
from django.core.management.base import CommandError

from tests.rig.ports import free_port
from workers.supervising.exporter import Exporter


@pytest.fixture
def port(tmp_path: Path, configure: Any) -> int:
    """A port that the settings name."""
    port = free_port()
    configure(DATA_DIR=tmp_path, WORKER_METRICS_PORT=port)
    return port


def get(port: int, path: str) -> httpx.Response:
    return httpx.get(f"http://127.0.0.1:{port}{path}", trust_env=False)


def test_it_answers_at_one_path_only(port: int):
    with Exporter("gpu0@a").serving():
        assert "vllm_cluster_restarts_total" in get(port, "/metrics").text
        assert get(port, "/").status_code == 404


def test_the_port_is_free_again_afterwards(port: int):
    for _ in range(2):
        with Exporter("gpu0@a").serving():
            assert get(port, "/metrics").status_code == 200


def test_a_port_that_is_taken_stops_the_start(port: int):
    with socket.socket() as other:
        other.bind(("127.0.0.1", port))
        other.listen()
        serving = Exporter("gpu0@a").serving()
        with pytest.raises(CommandError, match="WORKER_METRICS_PORT"):
            serving.__enter__()


def test_without_a_port_nothing_is_counted_together(port: int, configure: Any):
    configure(WORKER_METRICS_PORT=0)
    exporter = Exporter("gpu0@a")

    with exporter.serving():
        assert exporter.environment == {}
        with pytest.raises(httpx.ConnectError):
            get(port, "/metrics")


def test_a_file_that_is_none_of_ours_does_no_harm(port: int, tmp_path: Path):
    with Exporter("gpu0@a").serving():
        (tmp_path / "metrics" / "worker.gpu0@a" / "notes.txt").write_text("x")

        assert get(port, "/metrics").status_code == 200
