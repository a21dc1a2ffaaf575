"""The files for Prometheus, Grafana, Loki and Alloy."""

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.docs.test_docs import anchor, headings
from tests.monitoring.documented import find_names
from tests.monitoring.test_logs import written
from tests.rig.process import ROOT
from tests.rig.prometheus import FILES, find_program

MONITORING = ROOT / "monitoring"
DASHBOARDS = sorted((MONITORING / "grafana" / "dashboards").glob("*.json"))
each_dashboard = pytest.mark.parametrize("path", DASHBOARDS, ids=lambda p: p.stem)
SUFFIXES = r"(_bucket|_sum|_count)?$"


def promtool(*arguments: str) -> None:
    """Run promtool on our files."""
    program = find_program("promtool")
    if not program:
        pytest.skip("promtool is not installed")
    done = subprocess.run(
        [program, *arguments], cwd=FILES, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.prometheus
def test_promtool_finds_no_fault():
    promtool("check", "config", "prometheus.yml")
    promtool("check", "rules", "alerts.yml")


@pytest.mark.prometheus
def test_the_alarms_fire_when_they_should_and_not_before():
    promtool("test", "rules", "alerts.test.yml")


def rules() -> list[Any]:
    groups = yaml.safe_load((FILES / "alerts.yml").read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: rule["alert"])
def test_each_alarm_leads_to_its_runbook(rule):
    path, _, fragment = rule["annotations"]["runbook_url"].partition("#")

    assert fragment in map(anchor, headings(ROOT / path))
    assert rule["labels"]["severity"] in ("warning", "critical")
    assert rule["annotations"]["summary"]


def panels(path: Path) -> list[Any]:
    return [p for p in json.loads(path.read_text())["panels"] if p["type"] != "row"]


@each_dashboard
def test_a_dashboard_names_its_sources_and_no_panel_twice(path: Path):
    found = panels(path)
    known = {"prometheus", "loki"}

    assert len({panel["id"] for panel in found}) == len(found)
    assert len({panel["title"] for panel in found}) == len(found)
    assert {panel["datasource"]["uid"] for panel in found} <= known


def in_use(expression: str) -> set[str]:
    names = re.findall(r"\bvllm_\w+", expression)
    known = find_names()
    return {name if name in known else re.sub(SUFFIXES, "", name) for name in names}


@pytest.mark.django_db
def test_dashboards_and_alarms_ask_for_metrics_that_exist():
    expressions = [rule["expr"] for rule in rules()]
    for path in DASHBOARDS:
        expressions += [t["expr"] for p in panels(path) for t in p["targets"]]

    asked = set().union(*map(in_use, expressions))

    assert asked <= set(find_names())


@pytest.mark.django_db
def test_a_person_can_see_every_metric_somewhere():
    texts = "".join(path.read_text() for path in [*DASHBOARDS, FILES / "alerts.yml"])

    assert [name for name in find_names() if name not in texts] == []


def test_grafana_finds_the_sources_and_the_dashboards():
    folder = MONITORING / "grafana" / "provisioning"
    sources = yaml.safe_load((folder / "datasources/datasources.yml").read_text())
    boards = yaml.safe_load((folder / "dashboards/dashboards.yml").read_text())

    assert {s["uid"] for s in sources["datasources"]} == {"prometheus", "loki"}
    assert boards["providers"][0]["type"] == "file"
    assert "http_port = 4220" in (MONITORING / "grafana/grafana.ini").read_text()


def test_loki_forgets_after_seven_days():
    config = yaml.safe_load((MONITORING / "loki" / "loki.yml").read_text())

    assert config["limits_config"]["retention_period"] == "168h"
    assert config["compactor"]["retention_enabled"] is True
    assert config["server"]["http_listen_port"] == 3100


def test_alloy_reads_the_keys_that_the_log_has():
    text = (MONITORING / "alloy" / "config.alloy").read_text()
    (block,) = re.findall(r"expressions = \{(.*?)\}", text, flags=re.S)

    assert set(re.findall(r'= "(\w+)"', block)) <= set(written())
    assert text.count("{") == text.count("}")
