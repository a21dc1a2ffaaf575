"""Questions about rendered objects."""

from collections.abc import Iterator
from typing import Any

Json = dict[str, Any]


def named(objects: list[Json], kind: str) -> dict[str, Json]:
    """Return the objects of a kind by their names."""
    return {one["metadata"]["name"]: one for one in objects if one["kind"] == kind}


def templates(objects: list[Json]) -> Iterator[tuple[str, Json]]:
    """Yield each pod template with a name for it, Ray's groups too."""
    for one in objects:
        name, spec = one["metadata"]["name"], one.get("spec", {})
        if one["kind"] in ("Deployment", "StatefulSet", "Job"):
            yield name, spec["template"]
        for group in [spec.get("headGroupSpec"), *spec.get("workerGroupSpecs", [])]:
            if group:
                yield f"{name}-{group.get('groupName', 'head')}", group["template"]


def containers(template: Json) -> list[Json]:
    """Return the containers of a pod, those that run first included."""
    spec = template["spec"]
    return [*spec.get("initContainers", []), *spec["containers"]]


def environment(container: Json, objects: list[Json]) -> dict[str, str]:
    """Return what a container finds set, as far as the manifests know it."""
    found: dict[str, str] = {}
    maps = named(objects, "ConfigMap")
    for source in container.get("envFrom", []):
        if "configMapRef" in source:
            found |= maps[source["configMapRef"]["name"]]["data"]
    for one in container.get("env", []):
        found[one["name"]] = one.get("value", "10.1.2.3")
    for name, value in found.items():
        found[name] = value.replace("$(POD_IP)", "10.1.2.3")
    return found


def ports(template: Json) -> dict[str, int]:
    """Return a pod's ports by name."""
    return {
        port["name"]: port["containerPort"]
        for container in containers(template)
        for port in container.get("ports", [])
    }


def selected(selector: Json, objects: list[Json]) -> list[Json]:
    """Return the pod templates with these labels."""
    wanted = selector.items()
    return [
        template
        for _, template in templates(objects)
        if wanted <= template.get("metadata", {}).get("labels", {}).items()
    ]
