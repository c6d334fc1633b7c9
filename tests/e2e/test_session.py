"""The README's session, with every kubectl there is and the official Python client, on real processes."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from kubernetes import client, config, watch

from tests.plane import ControlPlane, clean_environment, kubectl_binary, kubectl_versions, wait_for

WEB = Path(__file__).parents[2] / "examples" / "web.yaml"
READY_SECONDS = 120.0
_OLDEST, _NEWEST = "1.30", max(kubectl_versions(), key=lambda v: int(v.split(".")[1]), default="1.30")

pytestmark = [pytest.mark.timeout(400), pytest.mark.xdist_group("session")]


@pytest.fixture(scope="module")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    with ControlPlane(tmp_path_factory.mktemp("session")) as running:
        yield running


class Web:
    """The example in a namespace of its own, by one version of kubectl."""

    def __init__(self, plane: ControlPlane, version: str, namespace: str) -> None:
        self.plane = plane
        self.version = version
        self.namespace = namespace

    def kubectl(self, *args: str, **options: Any) -> str:
        ran = self.plane.kubectl(*args, "-n", self.namespace, version=self.version, **options)
        return ran.out + ran.err

    def pods(self) -> list[dict[str, Any]]:
        return list(self.plane.get("pods", "-n", self.namespace, "-l", "app=web")["items"])

    def ready(self, count: int) -> bool:
        found = [p for p in self.pods() if not p["metadata"].get("deletionTimestamp")]
        ready = [p for p in found if any(s["ready"] for s in p["status"].get("containerStatuses", ()))]
        return len(found) == len(ready) == count

    def wait_ready(self, count: int) -> None:
        wait_for(lambda: self.ready(count), timeout_seconds=READY_SECONDS, what=f"{count} ready pods")

    def rolled_out(self) -> str:
        return self.kubectl("rollout", "status", "deployment/web", f"--timeout={READY_SECONDS:g}s")


@pytest.fixture(params=sorted({_OLDEST, _NEWEST}))
def web(plane: ControlPlane, request: pytest.FixtureRequest) -> Iterator[Web]:
    kubectl_binary(request.param)
    found = Web(plane, request.param, f"web-{request.param.replace('.', '-')}-{time.monotonic_ns() % 100_000}")
    found.plane.kubectl("create", "namespace", found.namespace, version=request.param)
    found.kubectl("apply", "-f", str(WEB))
    found.wait_ready(3)
    yield found
    found.plane.kubectl("delete", "namespace", found.namespace, "--wait=false")


def test_the_session_of_the_readme_does_what_it_says(web: Web) -> None:
    wide = web.kubectl("get", "pods", "-o", "wide")
    assert wide.count("Running") == 3
    assert {p["spec"]["nodeName"] for p in web.pods()} == {"node-1", "node-2"}

    web.kubectl("scale", "deployment", "web", "--replicas=5")
    web.wait_ready(5)
    gone = web.pods()[0]["metadata"]["name"]
    web.kubectl("delete", "pod", gone)
    web.wait_ready(5)
    assert gone not in {p["metadata"]["name"] for p in web.pods()}

    before = {p["metadata"]["uid"] for p in web.pods()}
    web.kubectl("rollout", "restart", "deployment", "web")
    assert "successfully rolled out" in web.rolled_out()
    web.wait_ready(5)
    assert not before & {p["metadata"]["uid"] for p in web.pods()}
    assert web.kubectl("rollout", "history", "deployment", "web").count("<none>") == 2
    restarted = _template(web)
    web.kubectl("rollout", "undo", "deployment", "web")
    assert "successfully rolled out" in web.rolled_out()
    assert _template(web) != restarted

    name = web.pods()[0]["metadata"]["name"]
    told = web.kubectl("describe", "pod", name)
    assert f"Successfully assigned {web.namespace}/{name} to" in told
    assert "Readiness:" in told
    assert "ScalingReplicaSet" in web.kubectl("get", "events")
    assert "listening on http://" in web.kubectl("logs", name)


def _template(web: Web) -> dict[str, Any]:
    return dict(web.plane.get("deployment", "web", "-n", web.namespace)["spec"]["template"])


def test_a_watched_list_shows_a_pod_coming_up(web: Web) -> None:
    command = [str(kubectl_binary(web.version)), f"--kubeconfig={web.plane.kubeconfig}", "-n", web.namespace]
    old = {p["metadata"]["name"] for p in web.pods()}
    with subprocess.Popen(
        [*command, "get", "pods", "-w", "--no-headers"], stdout=subprocess.PIPE, text=True, env=clean_environment()
    ) as watching:
        assert watching.stdout is not None
        try:
            assert {watching.stdout.readline().split()[0] for _ in old} == old
            web.kubectl("scale", "deployment", "web", "--replicas=4")
            seen = list(_until_ready(watching.stdout, old))
        finally:
            watching.terminate()
    assert seen[0] == "Pending"
    assert seen[-1] == "Running"


def _until_ready(lines: Iterable[str], old: set[str]) -> Iterator[str]:
    """The states of the new pod."""
    for line in lines:
        name, ready, state, *_ = line.split()
        if name not in old:
            yield state
            if ready == "1/1":
                return


@pytest.mark.parametrize("victim", ["apiserver", "scheduler", "controllers", "kubelet-node-1", "nats", "redis"])
def test_whatever_is_killed_comes_back_and_all_converges(plane: ControlPlane, victim: str) -> None:
    web = Web(plane, _NEWEST, f"killed-{victim}")
    kubectl_binary(_NEWEST)
    plane.kubectl("create", "namespace", web.namespace)
    web.kubectl("apply", "-f", str(WEB))
    pid = plane.kill(victim)
    plane.wait_restarted(victim, not_pid=pid)
    wait_for(
        lambda: plane.kubectl("scale", "deployment", "web", "--replicas=4", "-n", web.namespace, check=False).code == 0,
        what="the deployment to be scaled",
    )
    web.wait_ready(4)
    plane.kubectl("delete", "namespace", web.namespace, "--wait=true", f"--timeout={READY_SECONDS:g}s")


def test_kubectl_create_sends_protobuf_and_is_understood(plane: ControlPlane) -> None:
    kubectl_binary(_NEWEST)
    run = plane.kubectl
    run("create", "namespace", "made")
    for what in (
        ("configmap", "settings", "--from-literal=a=1"),
        ("secret", "generic", "password", "--from-literal=p=geheim"),
        ("serviceaccount", "robot"),
        ("deployment", "app", "--image=app:1", "--", "sleep", "1000"),
        ("service", "clusterip", "app", "--tcp=80:8080"),
        ("job", "once", "--image=app:1", "--", "true"),
        ("cronjob", "often", "--image=app:1", "--schedule=* * * * *", "--", "true"),
        ("role", "reader", "--verb=get", "--resource=pods"),
        ("rolebinding", "reader", "--role=reader", "--serviceaccount=made:robot"),
        ("quota", "small", "--hard=pods=10"),
        ("poddisruptionbudget", "one", "--selector=app=app", "--min-available=1"),
        ("priorityclass", "high", "--value=1000"),
        ("ingress", "web", "--rule=example.com/*=app:80"),
    ):
        assert "created" in run("create", *what, "-n", "made", version=_NEWEST).out
    assert run("get", "secret", "password", "-n", "made", "-o", "jsonpath={.data.p}").out == "Z2VoZWlt"
    run("delete", "namespace", "made", f"--timeout={READY_SECONDS:g}s")


def test_the_official_python_client_runs_the_same_session(plane: ControlPlane) -> None:
    api = config.new_client_from_config(config_file=str(plane.kubeconfig))
    core, apps = client.CoreV1Api(api), client.AppsV1Api(api)
    core.create_namespace(client.V1Namespace(metadata=client.V1ObjectMeta(name="python")))
    apps.create_namespaced_deployment("python", _deployment())
    _wait_ready(core, 2)
    apps.patch_namespaced_deployment_scale("web", "python", {"spec": {"replicas": 3}})
    _wait_ready(core, 3)
    pods = core.list_namespaced_pod("python", label_selector="app=web")
    seen: list[str] = []
    core.delete_namespaced_pod(pods.items[0].metadata.name, "python")
    following = watch.Watch()
    for change in following.stream(
        core.list_namespaced_pod, "python", resource_version=pods.metadata.resource_version, timeout_seconds=60
    ):
        seen.append(change["type"])
        if {"ADDED", "DELETED"} <= set(seen):
            following.stop()
    assert {"ADDED", "MODIFIED", "DELETED"} <= set(seen)
    _wait_ready(core, 3)
    name = core.list_namespaced_pod("python", label_selector="app=web").items[0].metadata.name
    assert "hello" in core.read_namespaced_pod_log(name, "python")
    assert any(e.reason == "SuccessfulCreate" for e in core.list_namespaced_event("python").items)
    with pytest.raises(client.ApiException) as refused:
        apps.create_namespaced_deployment("python", _deployment())
    assert refused.value.status == 409
    core.delete_namespace("python")
    api.close()


def _deployment() -> client.V1Deployment:
    container = client.V1Container(name="web", image="any", command=["sh", "-c", "echo hello; exec sleep 1000"])
    template = client.V1PodTemplateSpec(
        metadata=client.V1ObjectMeta(labels={"app": "web"}),
        spec=client.V1PodSpec(containers=[container], termination_grace_period_seconds=1),
    )
    return client.V1Deployment(
        metadata=client.V1ObjectMeta(name="web"),
        spec=client.V1DeploymentSpec(
            replicas=2, selector=client.V1LabelSelector(match_labels={"app": "web"}), template=template
        ),
    )


def _wait_ready(core: client.CoreV1Api, count: int) -> None:
    def ready() -> bool:
        pods = core.list_namespaced_pod("python", label_selector="app=web").items
        alive = [p for p in pods if p.metadata.deletion_timestamp is None]
        states = [s.ready for p in alive for s in p.status.container_statuses or ()]
        return len(alive) == count == len(states) and all(states)

    wait_for(ready, timeout_seconds=READY_SECONDS, what=f"{count} ready pods")
