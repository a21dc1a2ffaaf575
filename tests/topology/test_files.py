"""The files of docker/, read by the tools there are: no Docker engine runs here."""

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from compose_spec.models import ComposeSpecification, Service

from tests.rig.process import ROOT
from vllm_batch.environment import Environment

DOCKER = ROOT / "docker"
COMPOSE = DOCKER / "compose.yaml"
DOCKERFILES = [DOCKER / "Dockerfile", DOCKER / "worker.Dockerfile"]
NGINX = DOCKER / "nginx.Dockerfile"
UNITS = sorted((DOCKER / "systemd").iterdir())
# Read by nginx, gunicorn, Grafana, Alloy and the Hugging Face libraries.
OTHERS = {
    *("WEB_CONCURRENCY", "WEB_THREADS", "HF_HOME", "PATH", "PYTHONUNBUFFERED"),
    *("PYTHONDONTWRITEBYTECODE", "PIP_NO_CACHE_DIR", "PIP_DISABLE_PIP_VERSION_CHECK"),
    *("NVIDIA_VISIBLE_DEVICES", "NVIDIA_DRIVER_CAPABILITIES"),
}


def compose() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(COMPOSE.read_text())
    return found


SERVICES: dict[str, Any] = compose()["services"]


def known_keys(model: Any) -> set[str]:
    return {field.alias or name for name, field in model.model_fields.items()}


def test_compose_keeps_to_the_specification():
    spec = ComposeSpecification.model_validate(compose())

    assert spec.services
    for name, service in SERVICES.items():
        assert set(service) <= known_keys(Service), name


@pytest.mark.parametrize("name", SERVICES)
def test_what_a_service_mounts_and_builds_from_is_there(name):
    service = SERVICES[name]
    sources = [mount.split(":")[0] for mount in service.get("volumes", [])]
    files = [source for source in sources if source.startswith(".")]
    build = service.get("build")
    if build:
        files.append(f"{build['context']}/{build['dockerfile']}")

    assert all((DOCKER / file).exists() for file in files), files
    named = {source for source in sources if source[0] not in "./"}
    assert named <= set(compose()["volumes"])


def test_services_wait_only_for_services_that_are_always_there():
    for name, service in SERVICES.items():
        for wanted in service.get("depends_on", {}):
            assert "profiles" not in SERVICES[wanted], (name, wanted)


def test_the_ports_are_the_documented_ones():
    ports = {
        name: [port.rpartition(":")[0].rpartition(":")[2] for port in s["ports"]]
        for name, s in SERVICES.items()
        if "ports" in s
    }

    assert ports == {
        "nginx": ["4080"],
        "prometheus": ["4222"],
        "grafana": ["4220"],
        "loki": ["3100"],
        "label-studio": ["4280"],
    }


def test_every_port_is_bound_where_the_operator_says():
    ports = [port for s in SERVICES.values() for port in s.get("ports", [])]

    assert all(port.startswith("${BIND_ADDRESS:-127.0.0.1}:") for port in ports)


def test_every_variable_of_compose_is_in_the_example():
    used = set(re.findall(r"(?<!\$)\$\{(\w+)", COMPOSE.read_text()))
    given = set(re.findall(r"^(\w+)=", (DOCKER / ".env.example").read_text(), re.M))

    assert used | {"COMPOSE_PROFILES"} == given


@pytest.mark.parametrize("name", ["server", "worker", "worker-cpu", "migrate"])
def test_our_services_set_only_settings_that_exist(name):
    names = set(SERVICES[name]["environment"])

    assert names <= set(Environment.model_fields) | OTHERS


def test_the_images_set_only_settings_that_exist():
    text = "".join(file.read_text() for file in DOCKERFILES).replace("\\\n", " ")
    rows = re.findall(r"^ENV (.+)$", text, re.M)
    names = {pair.split("=")[0] for row in rows for pair in row.split()}

    assert names <= set(Environment.model_fields) | OTHERS


@pytest.mark.parametrize("file", [*DOCKERFILES, NGINX], ids=lambda file: file.name)
def test_hadolint_finds_nothing(file):
    hadolint = shutil.which("hadolint", path=str(Path(sys.executable).parent))
    assert hadolint, "make setup installs it"

    done = subprocess.run([hadolint, str(file)], capture_output=True, text=True)

    assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.parametrize("file", [*DOCKERFILES, NGINX], ids=lambda file: file.name)
def test_what_an_image_copies_is_there_and_not_ignored(file):
    copied = re.findall(r"^COPY ((?!--from).+) \S+$", file.read_text(), re.M)
    allowed = (ROOT / ".dockerignore").read_text().splitlines()

    for name in " ".join(copied).split():
        assert (ROOT / name).exists()
        assert f"!{name}" in allowed or name.startswith("requirements")


@pytest.mark.parametrize("file", DOCKERFILES, ids=lambda file: file.name)
def test_an_image_holds_every_app_and_does_not_run_as_root(file):
    text = file.read_text()
    apps = [path.parent.name for path in ROOT.glob("*/apps.py")]

    assert all(f"COPY {app} ./{app}" in text for app in [*apps, "vllm_batch"])
    assert re.findall(r"^USER (.+)$", text, re.M)[-1] == "10001:10001"


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="no systemd here")
def test_systemd_takes_the_units(tmp_path):
    for unit in UNITS:
        text = unit.read_text().replace("/opt/vllm-batch/.venv/bin", "/usr/bin")
        text = text.replace("/opt/vllm-batch", str(ROOT))
        text = re.sub("/usr/bin/(python|gunicorn)", "/bin/true", text)
        (tmp_path / unit.name).write_text(text)
    units = [str(tmp_path / unit.name) for unit in UNITS]

    done = subprocess.run(
        ["systemd-analyze", "verify", *units], capture_output=True, text=True
    )

    assert (done.returncode, done.stderr) == (0, "")


def test_a_worker_is_stopped_as_it_wants_to_be():
    unit = (DOCKER / "systemd" / "vllm-batch-worker@.service").read_text()
    drain = Environment.model_fields["WORKER_DRAIN_SECONDS"].default

    assert "\nKillMode=mixed\n" in unit and "\nRestart=always\n" in unit
    assert int(re.findall(r"TimeoutStopSec=(\d+)", unit)[0]) > drain + 10
    assert int(SERVICES["worker"]["stop_grace_period"].rstrip("s")) > drain + 10
