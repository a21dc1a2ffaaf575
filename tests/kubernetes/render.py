"""What `kubectl kustomize` makes of a folder, for the few fields that ours use.

Strict: a field that it does not know is an error, so nothing is silently left out.
Where kubectl is installed a test holds both against each other.
"""

import copy
from pathlib import Path
from typing import Any

import yaml

from tests.rig.process import ROOT

FOLDER = ROOT / "docker" / "kubernetes"
FOLDERS = sorted(path.parent.name for path in FOLDER.glob("*/kustomization.yaml"))
KNOWN = {"apiVersion", "kind", "namespace", "resources", "images", "patches"}
UNSCOPED = {"Namespace"}
Json = dict[str, Any]


def render(name: str) -> list[Json]:
    """Return the objects of a folder."""
    return _render(FOLDER / name)


def _render(folder: Path) -> list[Json]:
    order = yaml.safe_load((folder / "kustomization.yaml").read_text())
    assert set(order) <= KNOWN, set(order) - KNOWN
    found: list[Json] = []
    for resource in order["resources"]:
        path = folder / resource
        found += _render(path.resolve()) if path.is_dir() else _read(path)
    for one in found:
        if "namespace" in order and one["kind"] not in UNSCOPED:
            one["metadata"]["namespace"] = order["namespace"]
        for image in order.get("images", []):
            _rename(one, image)
    for patch in order.get("patches", []):
        _patch(found, patch)
    return found


def _read(path: Path) -> list[Json]:
    # What YAML's anchors share is several things, as in kubectl.
    objects = yaml.safe_load_all(path.read_text())
    return [copy.deepcopy(_unshared(one)) for one in objects]


def _unshared(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _unshared(one) for key, one in value.items()}
    return [_unshared(one) for one in value] if isinstance(value, list) else value


def _rename(value: Any, image: Json) -> None:
    """Give every container with this image its new name and tag."""
    if isinstance(value, list):
        for one in value:
            _rename(one, image)
    elif isinstance(value, dict):
        if str(value.get("image")).partition(":")[0] == image["name"]:
            name = image.get("newName", image["name"])
            value["image"] = f"{name}:{image['newTag']}"
        for one in value.values():
            _rename(one, image)


def _patch(found: list[Json], patch: Json) -> None:
    """Carry out a JSON patch (RFC 6902) on the one object that it names, or drop it."""
    assert set(patch) == {"target", "patch"}, patch
    kind, name = patch["target"]["kind"], patch["target"]["name"]
    (target,) = [
        one for one in found if (one["kind"], one["metadata"]["name"]) == (kind, name)
    ]
    steps = yaml.safe_load(patch["patch"])
    if isinstance(steps, dict):
        assert steps["$patch"] == "delete" and len(steps) == 4
        found.remove(target)
        return
    for step in steps:
        *way, last = [_unescaped(part) for part in step["path"].split("/")[1:]]
        place: Any = target
        for part in way:
            place = place[int(part)] if isinstance(place, list) else place[part]
        _do(step, place, last)


def _unescaped(part: str) -> str:
    return part.replace("~1", "/").replace("~0", "~")


def _do(step: Json, place: Any, last: str) -> None:
    if isinstance(place, list) and step["op"] == "add":
        place.insert(len(place) if last == "-" else int(last), step["value"])
        return
    key: Any = int(last) if isinstance(place, list) else last
    if step["op"] == "remove":
        del place[key]
        return
    assert step["op"] == "add" or (step["op"] == "replace" and place[key] is not None)
    place[key] = step["value"]
