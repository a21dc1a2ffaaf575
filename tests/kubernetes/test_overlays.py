"""What the folders beside the base change: workers by load, a bucket, Ray."""

import re

from tests.kubernetes.manifests import (
    environment,
    named,
    ports,
    selected,
    templates,
)
from tests.kubernetes.render import render
from tests.rig.process import ROOT


def test_the_scaler_asks_for_a_metric_that_is_served():
    objects = render("autoscaling")
    (scaler,) = named(objects, "ScaledObject").values()
    target = scaler["spec"]["scaleTargetRef"]
    documented = (ROOT / "docs" / "reference" / "metrics.md").read_text()

    worker = named(objects, target["kind"])[target["name"]]
    assert "replicas" not in worker["spec"]
    for trigger in scaler["spec"]["triggers"]:
        for metric in re.findall(r"vllm_\w+", trigger["metadata"]["query"]):
            assert f"| `{metric}` |" in documented


def test_files_in_a_bucket_need_no_shared_volume():
    objects = render("s3")

    assert not named(objects, "PersistentVolumeClaim")
    for _, template in templates(objects):
        for container in template["spec"]["containers"]:
            found = environment(container, objects)
            assert "DOWNLOAD_ACCEL_PREFIX" not in found
            assert found.get("AWS_STORAGE_BUCKET_NAME") or "nginx" in container["image"]


def test_a_worker_on_ray_is_a_node_without_a_gpu_that_others_may_call():
    objects = render("ray")
    worker = named(objects, "StatefulSet")["vllm-batch-worker"]["spec"]["template"]
    (container,) = worker["spec"]["containers"]
    (cluster,) = named(objects, "RayCluster").values()
    host, port = environment(container, objects)["RAY_ADDRESS"].split(":")

    assert "nvidia.com/gpu" not in container["resources"]["limits"]
    # What KubeRay calls the service of a cluster's head.
    assert host == f"{cluster['metadata']['name']}-head-svc"
    head = cluster["spec"]["headGroupSpec"]["template"]
    assert int(port) == ports(head)["gcs-server"]
    assert len(selected({"vllm-batch/ray": "true"}, objects)) == 3


def test_ray_has_one_version():
    (cluster,) = named(render("ray"), "RayCluster").values()
    required = (ROOT / "requirements-ray.txt").read_text()

    assert f"\nray=={cluster['spec']['rayVersion']}\n" in required
