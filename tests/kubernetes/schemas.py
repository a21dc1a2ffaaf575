"""Schemas of the custom resources: what ours use of them, and what they require.

Kubernetes' own come complete from the package kubernetes-validate. No package has
those of KEDA, the Prometheus operator and KubeRay, so these are written by hand from
their references, and no field beyond those here is allowed: a typing error shows.
"""

from typing import Any

Json = dict[str, Any]
TEXT, WHOLE, FLAG = {"type": "string"}, {"type": "integer"}, {"type": "boolean"}
ANY = {"type": "object"}


def _object(required: str = "", **properties: Json) -> Json:
    return {
        "type": "object",
        "properties": properties,
        "required": required.split(),
        "additionalProperties": False,
    }


def _list(items: Json) -> Json:
    return {"type": "array", "items": items, "minItems": 1}


def _resource(api: str, kind: str, spec: Json) -> Json:
    return _object(
        "apiVersion kind metadata spec",
        apiVersion={"const": api},
        kind={"const": kind},
        metadata=_object("name", name=TEXT, namespace=TEXT, labels=ANY),
        spec=spec,
    )


POD_MONITOR = _resource(
    "monitoring.coreos.com/v1",
    "PodMonitor",
    _object(
        "selector podMetricsEndpoints",
        selector=_object("matchLabels", matchLabels=ANY),
        podMetricsEndpoints=_list(
            _object("port", port=TEXT, path=TEXT, interval=TEXT, scheme=TEXT)
        ),
    ),
)

_RULE = _object(
    "type value periodSeconds",
    type={"enum": ["Pods", "Percent"]},
    value=WHOLE,
    periodSeconds={"type": "integer", "minimum": 1, "maximum": 1800},
)
_BEHAVIOR = _object(
    stabilizationWindowSeconds={"type": "integer", "minimum": 0, "maximum": 3600},
    policies=_list(_RULE),
)
SCALED_OBJECT = _resource(
    "keda.sh/v1alpha1",
    "ScaledObject",
    _object(
        "scaleTargetRef triggers",
        scaleTargetRef=_object("name", apiVersion=TEXT, kind=TEXT, name=TEXT),
        minReplicaCount=WHOLE,
        maxReplicaCount=WHOLE,
        pollingInterval=WHOLE,
        cooldownPeriod=WHOLE,
        advanced=_object(
            horizontalPodAutoscalerConfig=_object(
                behavior=_object(scaleDown=_BEHAVIOR, scaleUp=_BEHAVIOR)
            )
        ),
        triggers=_list(
            _object(
                "type metadata",
                type={"const": "prometheus"},
                # KEDA takes texts only.
                metadata=_object(
                    "serverAddress query threshold",
                    serverAddress=TEXT,
                    query=TEXT,
                    threshold={"type": "string", "pattern": r"^\d+(\.\d+)?$"},
                    activationThreshold={"type": "string", "pattern": r"^\d+$"},
                ),
            )
        ),
    ),
)

# Pods in it are checked as pods.
_GROUP: Json = {"rayStartParams": {"type": "object", "additionalProperties": TEXT}}
_GROUP["template"] = _object("spec", metadata=ANY, spec=ANY)
RAY_CLUSTER = _resource(
    "ray.io/v1",
    "RayCluster",
    _object(
        "headGroupSpec",
        rayVersion=TEXT,
        enableInTreeAutoscaling=FLAG,
        autoscalerOptions=ANY,
        headGroupSpec=_object("template", serviceType=TEXT, **_GROUP),
        workerGroupSpecs=_list(
            _object(
                "groupName template",
                groupName=TEXT,
                replicas=WHOLE,
                minReplicas=WHOLE,
                maxReplicas=WHOLE,
                **_GROUP,
            )
        ),
    ),
)

CUSTOM = {
    "PodMonitor": POD_MONITOR,
    "ScaledObject": SCALED_OBJECT,
    "RayCluster": RAY_CLUSTER,
}
