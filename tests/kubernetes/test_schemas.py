"""Every object is what Kubernetes, kustomize and the operators take."""

import json
import shutil
import subprocess

import jsonschema
import kubernetes_validate
import pytest
import yaml

from tests.kubernetes.manifests import templates
from tests.kubernetes.render import FOLDER, FOLDERS, render
from tests.kubernetes.schemas import CUSTOM

# The oldest that a distribution still supports, and the newest that is known.
VERSIONS = ("1.31", "1.37")
each_folder = pytest.mark.parametrize("name", FOLDERS)


@each_folder
@pytest.mark.parametrize("version", VERSIONS)
def test_kubernetes_takes_every_object(name, version):
    for one in render(name):
        if one["kind"] not in CUSTOM:
            kubernetes_validate.validate(one, version, strict=True)


@each_folder
def test_custom_resources_have_what_they_need_and_nothing_unknown(name):
    for one in render(name):
        if one["kind"] in CUSTOM:
            jsonschema.validate(one, CUSTOM[one["kind"]])


@each_folder
def test_every_pod_is_a_pod(name):
    for pod, template in templates(render(name)):
        whole = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": pod, **template.get("metadata", {})},
            "spec": template["spec"],
        }
        kubernetes_validate.validate(whole, VERSIONS[-1], strict=True)


@pytest.mark.parametrize("wrong", ["replica", "serviceNames"])
def test_a_field_that_does_not_exist_is_found(wrong):
    (worker,) = [one for one in render("base") if one["kind"] == "StatefulSet"]
    worker["spec"][wrong] = 1

    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(worker, VERSIONS[-1], strict=True)


@pytest.mark.skipif(not shutil.which("kubectl"), reason="kubectl is not here")
@each_folder
def test_kubectl_renders_the_same(name):
    done = subprocess.run(
        ["kubectl", "kustomize", str(FOLDER / name)], capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, "")

    theirs = sorted(json.dumps(o, sort_keys=True) for o in _all(done.stdout))
    assert theirs == sorted(json.dumps(o, sort_keys=True) for o in render(name))


def _all(text: str) -> list[object]:
    return list(yaml.safe_load_all(text))
