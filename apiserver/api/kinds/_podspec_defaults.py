"""What the spec of a pod gets where its author left fields out.

`default_pod_spec` serves pods and pod templates alike; `default_pod` adds what only a real pod gets, so that a
template reads back as it was written. Both are idempotent and change their argument in place.
"""

from __future__ import annotations

from typing import Any

from apiserver.api.kinds._images import default_pull_policy
from apiserver.api.kinds._pod_resources import default_pod_level_resources
from apiserver.api.kinds._resources import canonical_list, canonical_requirements
from apiserver.api.kinds._volume_defaults import default_field_ref, default_volume

Spec = dict[str, Any]

_PROBES = ("livenessProbe", "readinessProbe", "startupProbe")
_HOOKS = ("postStart", "preStop")
_PROBE_NUMBERS = (("timeoutSeconds", 1), ("periodSeconds", 10), ("successThreshold", 1), ("failureThreshold", 3))


def _default_http_get(action: Spec | None) -> None:
    if action is None:
        return
    if not action.get("path"):
        action["path"] = "/"
    if not action.get("scheme"):
        action["scheme"] = "HTTP"


def _default_probe(probe: Spec) -> None:
    for field, value in _PROBE_NUMBERS:
        if not probe.get(field):
            probe[field] = value
    _default_http_get(probe.get("httpGet"))
    grpc = probe.get("grpc")
    if grpc is not None and grpc.get("service") is None:
        grpc["service"] = ""


def _default_env(env: list[Spec]) -> None:
    for variable in env:
        source = variable.get("valueFrom")
        if source is None:
            continue
        default_field_ref(source.get("fieldRef"))
        file = source.get("fileKeyRef")
        if file is not None and file.get("optional") is None:
            file["optional"] = False


def _default_handlers(container: Spec) -> None:
    for field in _PROBES:
        probe = container.get(field)
        if probe is not None:
            _default_probe(probe)
    lifecycle = container.get("lifecycle")
    if lifecycle:
        for field in _HOOKS:
            _default_http_get((lifecycle.get(field) or {}).get("httpGet"))


def default_container(container: Spec) -> None:
    """Any of the three sorts of container."""
    if not container.get("imagePullPolicy"):
        container["imagePullPolicy"] = default_pull_policy(container.get("image") or "")
    if not container.get("terminationMessagePath"):
        container["terminationMessagePath"] = "/dev/termination-log"
    if not container.get("terminationMessagePolicy"):
        container["terminationMessagePolicy"] = "File"
    resources = container.get("resources")
    if resources:
        canonical_requirements(resources)
    elif resources is None:
        container["resources"] = {}
    for port in container.get("ports") or ():
        if not port.get("protocol"):
            port["protocol"] = "TCP"
    env = container.get("env")
    if env:
        _default_env(env)
    _default_handlers(container)


def _mirror_service_account(spec: Spec) -> None:
    # NB: `serviceAccount` is the old name of the same field; both are always shown, the new one wins.
    name = spec.get("serviceAccountName") or spec.get("serviceAccount")
    if name:
        spec["serviceAccountName"] = spec["serviceAccount"] = name


def default_pod_spec(spec: Spec) -> None:
    """The defaults that a pod and a pod template share."""
    if not spec.get("dnsPolicy"):
        spec["dnsPolicy"] = "ClusterFirst"
    if not spec.get("restartPolicy"):
        spec["restartPolicy"] = "Always"
    if spec.get("securityContext") is None:
        spec["securityContext"] = {}
    if spec.get("terminationGracePeriodSeconds") is None:
        spec["terminationGracePeriodSeconds"] = 30
    if not spec.get("schedulerName"):
        spec["schedulerName"] = "default-scheduler"
    _mirror_service_account(spec)
    for field in ("containers", "initContainers", "ephemeralContainers"):
        for container in spec.get(field) or ():
            default_container(container)
    for volume in spec.get("volumes") or ():
        default_volume(volume)
    overhead = spec.get("overhead")
    if overhead:
        canonical_list(overhead)


def _requests_from_limits(container: Spec) -> None:
    resources = container["resources"]
    limits = resources.get("limits")
    if limits:
        resources["requests"] = {**limits, **(resources.get("requests") or {})}


def _host_ports(containers: list[Spec]) -> None:
    for container in containers:
        for port in container.get("ports") or ():
            if not port.get("hostPort") and port.get("containerPort"):
                port["hostPort"] = port["containerPort"]


def default_pod(pod: Spec) -> None:
    """The defaults of a Pod object."""
    spec = pod.setdefault("spec", {})
    default_pod_spec(spec)
    regular, init = spec.get("containers") or [], spec.get("initContainers") or []
    for container in (*regular, *init):
        _requests_from_limits(container)
    if spec.get("resources"):
        default_pod_level_resources(spec)
    if spec.get("enableServiceLinks") is None:
        spec["enableServiceLinks"] = True
    if spec.get("hostNetwork"):
        _host_ports(regular)
        _host_ports(init)
