"""The manifests name what exists: settings, commands, ports, metrics, pods."""

import re

import pytest
from django.core.management import get_commands, load_command_class
from django.urls import resolve

from tests.kubernetes.manifests import (
    containers,
    environment,
    named,
    ports,
    selected,
    templates,
)
from tests.kubernetes.render import FOLDERS, Json, render
from tests.rig.process import ROOT
from vllm_batch.environment import Environment

each_folder = pytest.mark.parametrize("name", FOLDERS)
# Read by gunicorn, the Hugging Face libraries and Ray; POD_IP by the manifests.
OTHERS = {"WEB_CONCURRENCY", "WEB_THREADS", "HF_HOME", "POD_IP", "RAY_ADDRESS"}
SITE = ROOT / "docker" / "nginx" / "templates" / "vllm-batch.conf.template"
SECRETS = {"DATABASE_URL", "SECRET_KEY"}
PAGE = ROOT / "docs" / "how-to" / "deploy-on-kubernetes.md"


def images(name: str, image: str) -> list[Json]:
    """Return the containers of a folder that run an image of ours."""
    return [
        container
        for _, template in templates(render(name))
        for container in containers(template)
        if f"/{image}:" in container["image"]
    ]


@each_folder
def test_every_variable_is_a_setting_with_a_value_it_takes(name, monkeypatch):
    objects = render(name)
    for _, template in templates(objects):
        for container in containers(template):
            found = environment(container, objects)
            if "nginx" in container["image"]:
                continue
            assert set(found) <= set(Environment.model_fields) | OTHERS
            with monkeypatch.context() as here:
                for variable, value in found.items():
                    here.setenv(variable, value)
                Environment()


@each_folder
def test_nginx_gets_every_variable_of_its_template(name):
    wanted = set(re.findall(r"\$\{(\w+)\}", SITE.read_text()))
    for container in images(name, "vllm-batch-nginx"):
        assert set(environment(container, [])) == wanted


@each_folder
def test_every_image_has_a_dockerfile(name):
    known = {"server": "Dockerfile", "worker": "worker.Dockerfile"}
    known |= {"nginx": "nginx.Dockerfile", "ray": "worker.Dockerfile"}
    for _, template in templates(render(name)):
        for container in containers(template):
            found = re.search(r"/vllm-batch-([\w-]+):", container["image"])
            assert found, container["image"]
            assert (ROOT / "docker" / known[found[1]]).exists()


@each_folder
def test_every_command_and_option_is_one(name):
    for _, template in templates(render(name)):
        for container in containers(template):
            words = container.get("command", [])
            text = " ".join(words)
            for command in re.findall(r"manage\.py (\w+)", text):
                app = get_commands()[command]
                parser = load_command_class(
                    app if isinstance(app, str) else app.__module__, command
                ).create_parser("manage.py", command)
                known = {o for action in parser._actions for o in action.option_strings}
                given = re.findall(r"(--[\w-]+)", text[text.index("manage.py") :])
                assert set(given) <= known, command


def test_gunicorn_listens_where_nginx_asks():
    (server,) = [
        c for c in images("base", "vllm-batch-server") if c["name"] == "server"
    ]
    (nginx,) = images("base", "vllm-batch-nginx")
    bound = re.findall(r"--bind=0\.0\.0\.0:(\d+)", " ".join(server["command"]))
    variables = environment(nginx, [])

    assert variables["SERVER_ADDRESS"] == f"127.0.0.1:{bound[0]}"
    assert [port["containerPort"] for port in server["ports"]] == [int(bound[0])]
    listened = int(variables["NGINX_LISTEN"])
    assert [port["containerPort"] for port in nginx["ports"]] == [listened]
    config = re.findall(r"--config=(\S+)", " ".join(server["command"]))[0]
    assert (ROOT / config).exists()


def test_downloads_go_by_the_location_and_the_folder_that_there_are():
    (server,) = [
        c for c in images("base", "vllm-batch-server") if c["name"] == "server"
    ]
    (nginx,) = images("base", "vllm-batch-nginx")
    objects = render("base")
    prefix = environment(server, objects)["DOWNLOAD_ACCEL_PREFIX"]

    assert f"location {prefix} {{" in SITE.read_text()
    folder = environment(nginx, [])["FILES_FOLDER"]
    assert folder == environment(server, objects)["DATA_DIR"] + "/batch"


@each_folder
def test_a_worker_serves_its_metrics_at_the_port_that_is_probed(name):
    objects = render(name)
    for container in images(name, "vllm-batch-worker"):
        if container["name"] != "worker":
            continue
        port = int(environment(container, objects)["WORKER_METRICS_PORT"])
        assert container["ports"] == [{"name": "metrics", "containerPort": port}]


@each_folder
def test_every_probe_asks_a_port_and_a_path_that_exist(name):
    for _, template in templates(render(name)):
        known = ports(template)
        for container in containers(template):
            for kind in ("startupProbe", "livenessProbe", "readinessProbe"):
                probe = container.get(kind, {})
                asked = probe.get("httpGet") or probe.get("tcpSocket")
                if asked:
                    assert asked["port"] in known
                if asked and "path" in asked:
                    assert resolve(asked["path"])


def test_only_readiness_asks_for_the_database():
    (server,) = [
        c for c in images("base", "vllm-batch-server") if c["name"] == "server"
    ]

    assert server["livenessProbe"]["httpGet"]["path"] == "/health/live"
    assert server["readinessProbe"]["httpGet"]["path"] == "/health"


@each_folder
def test_services_budgets_and_policies_select_pods_with_their_ports(name):
    objects = render(name)
    for service in named(objects, "Service").values():
        pods = selected(service["spec"]["selector"], objects)
        assert pods
        for port in service["spec"].get("ports", []):
            assert all(port["targetPort"] in ports(pod) for pod in pods)
    for kind in ("PodDisruptionBudget", "PodMonitor"):
        for one in named(objects, kind).values():
            pods = selected(one["spec"]["selector"]["matchLabels"], objects)
            assert pods
            for end in one["spec"].get("podMetricsEndpoints", []):
                assert all(end["port"] in ports(pod) for pod in pods)
    for policy in named(objects, "NetworkPolicy").values():
        pods = selected(policy["spec"]["podSelector"]["matchLabels"], objects)
        known = {port for pod in pods for port in ports(pod).values()}
        rules = policy["spec"]["ingress"]
        assert {p["port"] for rule in rules for p in rule.get("ports", [])} <= known


def test_the_ingress_leads_to_the_service():
    objects = render("base")
    (rule,) = named(objects, "Ingress")["vllm-batch"]["spec"]["rules"]
    (path,) = rule["http"]["paths"]
    backend = path["backend"]["service"]
    service = named(objects, "Service")[backend["name"]]

    assert backend["port"]["name"] in [p["name"] for p in service["spec"]["ports"]]
    (server,) = [
        c for c in images("base", "vllm-batch-server") if c["name"] == "server"
    ]
    hosts = environment(server, objects)["ALLOWED_HOSTS"].split(",")
    assert {rule["host"], "localhost", "10.1.2.3"} == set(hosts)


@each_folder
def test_a_pod_mounts_what_it_has_and_claims_what_there_is(name):
    objects = render(name)
    claims = named(objects, "PersistentVolumeClaim")
    own = {
        claim["metadata"]["name"]
        for one in named(objects, "StatefulSet").values()
        for claim in one["spec"].get("volumeClaimTemplates", [])
    }
    for pod, template in templates(objects):
        volumes = {one["name"]: one for one in template["spec"].get("volumes", [])}
        mounts = [m for c in containers(template) for m in c.get("volumeMounts", [])]
        more = own if pod == "vllm-batch-worker" else set()
        assert {mount["name"] for mount in mounts} == set(volumes) | more
        for volume in volumes.values():
            claim = volume.get("persistentVolumeClaim", {}).get("claimName")
            assert claim is None or claim in claims


@each_folder
def test_there_is_time_to_drain(name):
    objects = render(name)
    for _, template in templates(objects):
        grace = template["spec"].get("terminationGracePeriodSeconds", 30)
        for container in template["spec"]["containers"]:
            if container["name"] == "worker":
                found = environment(container, objects)
                assert grace > int(found["WORKER_DRAIN_SECONDS"]) + 10
            if "gunicorn" in container.get("command", []):
                code = (ROOT / "vllm_batch" / "gunicorn.py").read_text()
                graceful = int(re.findall(r"graceful_timeout = (\d+)", code)[0])
                before = container["lifecycle"]["preStop"]["exec"]["command"]
                assert grace > int(before[1]) + graceful


@each_folder
def test_every_pod_is_restricted(name):
    for _, template in templates(render(name)):
        pod = template["spec"]["securityContext"]
        assert pod["runAsNonRoot"] and pod["seccompProfile"]["type"] == "RuntimeDefault"
        for container in containers(template):
            own = container["securityContext"]
            assert own["allowPrivilegeEscalation"] is False
            assert own["capabilities"] == {"drop": ["ALL"]}


def test_a_worker_has_one_gpu_and_the_name_of_its_pod():
    (worker,) = [
        c for c in images("base", "vllm-batch-worker") if c["name"] == "worker"
    ]
    (host,) = [one for one in worker["env"] if one["name"] == "WORKER_HOST"]

    assert worker["resources"]["limits"]["nvidia.com/gpu"] == "1"
    assert host["valueFrom"]["fieldRef"]["fieldPath"] == "metadata.name"


@each_folder
def test_secrets_are_only_referred_to_and_the_page_says_how_to_make_them(name):
    objects = render(name)
    referred = {
        source["secretRef"]["name"]
        for _, template in templates(objects)
        for container in containers(template)
        for source in container.get("envFrom", [])
        if "secretRef" in source
    }

    assert not named(objects, "Secret")
    assert referred == {"vllm-batch"}
    assert all(f"--from-literal={key}=" in PAGE.read_text() for key in SECRETS)
