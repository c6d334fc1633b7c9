"""The official Python client against the server: everything that its users do with any Kubernetes."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
import yaml
from kubernetes import client, config, dynamic, utils, watch
from kubernetes.client.exceptions import ApiException
from kubernetes.dynamic.exceptions import ConflictError, NotFoundError
from kubernetes.informer import informer
from kubernetes.leaderelection import electionconfig, leaderelection
from kubernetes.leaderelection.resourcelock.leaselock import LeaseLock

from deploy.kubeconfig import write_kubeconfig
from tests.integration.rest.server import TestServer
from tests.servers import wait_until

Core = client.CoreV1Api


@pytest.fixture(scope="module")
def k8s(server: TestServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[client.ApiClient]:
    """From a kubeconfig, as users have it; also the default of everything that makes its own client."""
    path = tmp_path_factory.mktemp("kube") / "config"
    write_kubeconfig(path, server=server.url, ca_pem=server.pki.ca.read_bytes(), user="admin", token=server.token())
    config.load_kube_config(str(path))
    with client.ApiClient() as made:
        yield made
        made.rest_client.pool_manager.clear()


@pytest.fixture
def core(k8s: client.ApiClient) -> Core:
    return Core(k8s)


@pytest.fixture
def apps(k8s: client.ApiClient) -> client.AppsV1Api:
    return client.AppsV1Api(k8s)


def _config_map(name: str, **data: str) -> client.V1ConfigMap:
    return client.V1ConfigMap(metadata=client.V1ObjectMeta(name=name), data=data)


def _deployment(name: str, replicas: int = 1) -> client.V1Deployment:
    labels = {"app": name}
    container = client.V1Container(name="main", image="web", ports=[client.V1ContainerPort(container_port=80)])
    template = client.V1PodTemplateSpec(
        metadata=client.V1ObjectMeta(labels=labels), spec=client.V1PodSpec(containers=[container])
    )
    spec = client.V1DeploymentSpec(
        replicas=replicas, selector=client.V1LabelSelector(match_labels=labels), template=template
    )
    return client.V1Deployment(metadata=client.V1ObjectMeta(name=name), spec=spec)


def _failed(call: Any, *args: Any, **options: Any) -> ApiException:
    with pytest.raises(ApiException) as failed:
        call(*args, **options)
    return failed.value


def test_the_server_says_what_it_is(k8s: client.ApiClient) -> None:
    assert client.VersionApi(k8s).get_code().minor == "36"
    groups = {group.name for group in client.ApisApi(k8s).get_api_versions().groups}
    assert {"apps", "batch", "rbac.authorization.k8s.io", "events.k8s.io"} <= groups
    assert "pods" in {resource.name for resource in client.CoreV1Api(k8s).get_api_resources().resources}


def test_create_read_replace_list_delete(core: Core, ns: str) -> None:
    made = core.create_namespaced_config_map(ns, _config_map("a", x="1"))
    assert isinstance(made.metadata.creation_timestamp, datetime)
    assert core.read_namespaced_config_map("a", ns).data == {"x": "1"}
    made.data = {"x": "2"}
    replaced = core.replace_namespaced_config_map("a", ns, made)
    assert (replaced.data, replaced.metadata.uid) == ({"x": "2"}, made.metadata.uid)
    stale = _failed(core.replace_namespaced_config_map, "a", ns, made)
    assert (stale.status, stale.reason) == (409, "Conflict")
    assert [one.metadata.name for one in core.list_namespaced_config_map(ns).items] == ["a"]
    assert core.delete_namespaced_config_map("a", ns)["status"] == "Success"
    gone = _failed(core.read_namespaced_config_map, "a", ns)
    assert (gone.status, gone.reason, '"reason":"NotFound"' in gone.body) == (404, "Not Found", True)


def test_every_core_kind_that_people_make(core: Core, ns: str) -> None:
    secret = client.V1Secret(metadata=client.V1ObjectMeta(name="a"), string_data={"p": "x"})
    assert core.create_namespaced_secret(ns, secret).data == {"p": "eA=="}
    service = client.V1Service(
        metadata=client.V1ObjectMeta(name="a"),
        spec=client.V1ServiceSpec(selector={"app": "a"}, ports=[client.V1ServicePort(port=80, target_port="http")]),
    )
    made = core.create_namespaced_service(ns, service)
    assert (made.spec.type, made.spec.ports[0].target_port) == ("ClusterIP", "http")
    account = client.V1ServiceAccount(metadata=client.V1ObjectMeta(name="a"))
    assert core.create_namespaced_service_account(ns, account).metadata.name == "a"
    pod = client.V1Pod(
        metadata=client.V1ObjectMeta(name="a"),
        spec=client.V1PodSpec(
            containers=[
                client.V1Container(
                    name="main",
                    image="web",
                    resources=client.V1ResourceRequirements(requests={"cpu": "0.5", "memory": "1Gi"}),
                )
            ]
        ),
    )
    assert core.create_namespaced_pod(ns, pod).status.qos_class == "Burstable"
    event = client.CoreV1Event(
        metadata=client.V1ObjectMeta(name="a"),
        involved_object=client.V1ObjectReference(kind="Pod", name="a", namespace=ns),
        reason="Tested",
        message="it was",
        type="Normal",
        first_timestamp=datetime.now(UTC),
    )
    assert core.create_namespaced_event(ns, event).reason == "Tested"


def test_patches_of_each_kind(apps: client.AppsV1Api, ns: str) -> None:
    apps.create_namespaced_deployment(ns, _deployment("a"))
    strategic = {"spec": {"template": {"spec": {"containers": [{"name": "main", "image": "web:2"}]}}}}
    patched = apps.patch_namespaced_deployment("a", ns, strategic)
    assert patched.spec.template.spec.containers[0].image == "web:2"
    assert patched.spec.template.spec.containers[0].ports[0].container_port == 80
    operations = [{"op": "replace", "path": "/spec/replicas", "value": 3}]
    assert apps.patch_namespaced_deployment("a", ns, operations).spec.replicas == 3
    merge = {"metadata": {"labels": {"a": "b"}}}
    merged = apps.patch_namespaced_deployment("a", ns, merge, _content_type="application/merge-patch+json")
    assert merged.metadata.labels == {"a": "b"}


def test_scale_and_status(apps: client.AppsV1Api, ns: str) -> None:
    apps.create_namespaced_deployment(ns, _deployment("a"))
    scale = apps.read_namespaced_deployment_scale("a", ns)
    assert (scale.spec.replicas, scale.status.selector) == (1, "app=a")
    scale.spec.replicas = 4
    assert apps.replace_namespaced_deployment_scale("a", ns, scale).spec.replicas == 4
    apps.patch_namespaced_deployment_scale("a", ns, {"spec": {"replicas": 5}})
    status = apps.patch_namespaced_deployment_status("a", ns, {"status": {"replicas": 5, "readyReplicas": 2}})
    assert (status.spec.replicas, status.status.ready_replicas) == (5, 2)


def test_pages(core: Core, ns: str) -> None:
    for i in range(7):
        core.create_namespaced_config_map(ns, _config_map(f"c{i}"))
    names: list[str] = []
    token: str | None = None
    while True:
        page = core.list_namespaced_config_map(ns, limit=3, _continue=token)
        names += [one.metadata.name for one in page.items]
        token = page.metadata._continue
        if not token:
            break
    assert names == [f"c{i}" for i in range(7)]


def test_selectors_and_a_wrong_one(core: Core, ns: str) -> None:
    for name, tier in (("a", "front"), ("b", "back")):
        body = _config_map(name)
        body.metadata.labels = {"tier": tier}
        core.create_namespaced_config_map(ns, body)
    chosen = core.list_namespaced_config_map(ns, label_selector="tier in (front)")
    assert [one.metadata.name for one in chosen.items] == ["a"]
    named = core.list_namespaced_config_map(ns, field_selector="metadata.name=b")
    assert [one.metadata.name for one in named.items] == ["b"]
    assert _failed(core.list_namespaced_config_map, ns, label_selector="!!").status == 400


def test_delete_options(core: Core, apps: client.AppsV1Api, ns: str) -> None:
    made = core.create_namespaced_config_map(ns, _config_map("a"))
    wrong = client.V1DeleteOptions(preconditions=client.V1Preconditions(uid="other"))
    assert _failed(core.delete_namespaced_config_map, "a", ns, body=wrong).status == 409
    right = client.V1DeleteOptions(preconditions=client.V1Preconditions(uid=made.metadata.uid))
    assert core.delete_namespaced_config_map("a", ns, body=right, dry_run="All")["status"] == "Success"
    core.delete_namespaced_config_map("a", ns, body=right)
    apps.create_namespaced_deployment(ns, _deployment("a"))
    apps.delete_namespaced_deployment("a", ns, propagation_policy="Foreground")
    assert apps.read_namespaced_deployment("a", ns).metadata.finalizers == ["foregroundDeletion"]
    core.create_namespaced_config_map(ns, _config_map("b"))
    core.delete_collection_namespaced_config_map(ns)
    assert core.list_namespaced_config_map(ns).items == []


def test_a_dry_run_stores_nothing(core: Core, ns: str) -> None:
    core.create_namespaced_config_map(ns, _config_map("a"), dry_run="All", field_validation="Strict")
    assert _failed(core.read_namespaced_config_map, "a", ns).status == 404


def test_an_invalid_object_names_its_fields(apps: client.AppsV1Api, ns: str) -> None:
    body = _deployment("a")
    body.spec.template.metadata.labels = {"app": "other"}
    failed = _failed(apps.create_namespaced_deployment, ns, body)
    assert failed.status == 422
    assert "spec.template.metadata.labels" in failed.body


def test_a_watch_goes_on_where_it_was(core: Core, ns: str) -> None:
    core.create_namespaced_config_map(ns, _config_map("a"))
    version = core.list_namespaced_config_map(ns).metadata.resource_version
    core.create_namespaced_config_map(ns, _config_map("b"))
    core.patch_namespaced_config_map("a", ns, {"data": {"x": "1"}})
    core.delete_namespaced_config_map("b", ns)
    watching = watch.Watch()
    seen = []
    for event in watching.stream(core.list_namespaced_config_map, ns, resource_version=version, timeout_seconds=30):
        seen.append((event["type"], event["object"].metadata.name))
        if len(seen) == 3:
            watching.stop()
    assert seen == [("ADDED", "b"), ("MODIFIED", "a"), ("DELETED", "b")]


def test_a_watch_ends_at_its_time(core: Core, ns: str) -> None:
    core.create_namespaced_config_map(ns, _config_map("a"))
    events = list(watch.Watch().stream(core.list_namespaced_config_map, ns, timeout_seconds=1))
    assert [(e["type"], e["object"].metadata.name) for e in events] == [("ADDED", "a")]


def test_an_informer_keeps_up(core: Core, ns: str) -> None:
    core.create_namespaced_config_map(ns, _config_map("before"))
    shared = informer.SharedInformer(core.list_namespaced_config_map, namespace=ns)
    seen: list[tuple[str, str]] = []
    for kind in ("ADDED", "MODIFIED", "DELETED"):
        shared.add_event_handler(kind, lambda obj, kind=kind: seen.append((kind, obj.metadata.name)))
    shared.start()
    try:
        wait_until(lambda: ("ADDED", "before") in seen, what="the initial list")
        core.create_namespaced_config_map(ns, _config_map("later"))
        core.patch_namespaced_config_map("before", ns, {"data": {"x": "1"}})
        core.delete_namespaced_config_map("later", ns)
        wait_until(lambda: ("DELETED", "later") in seen, what="the last change")
        assert seen == [("ADDED", "before"), ("ADDED", "later"), ("MODIFIED", "before"), ("DELETED", "later")]
        assert [one.metadata.name for one in shared.cache.list()] == ["before"]
        assert shared.cache.list()[0].data == {"x": "1"}
    finally:
        # Its thread waits for the next line: give it one, so that it sees that it should stop.
        stopping = threading.Thread(target=shared.stop)
        stopping.start()
        wait_until(lambda: _poke(core, ns, stopping), what="the informer stopped")


def _poke(core: Core, ns: str, stopping: threading.Thread) -> bool:
    core.create_namespaced_config_map(ns, client.V1ConfigMap(metadata=client.V1ObjectMeta(generate_name="poke-")))
    stopping.join(timeout=0.2)
    return not stopping.is_alive()


def test_the_dynamic_client_finds_kinds_and_changes_objects(k8s: client.ApiClient, ns: str) -> None:
    anything = dynamic.DynamicClient(k8s)
    deployments = anything.resources.get(api_version="apps/v1", kind="Deployment")
    body = yaml.safe_load(
        """
        apiVersion: apps/v1
        kind: Deployment
        metadata: {name: a}
        spec:
          selector: {matchLabels: {app: a}}
          template:
            metadata: {labels: {app: a}}
            spec: {containers: [{name: main, image: web}]}
        """
    )
    made = deployments.create(body=body, namespace=ns)
    assert made.spec.replicas == 1
    patch = {"spec": {"replicas": 2}}
    patched = deployments.patch(
        name="a", namespace=ns, body=patch, content_type="application/strategic-merge-patch+json"
    )
    assert patched.spec.replicas == 2
    stale = {**body, "metadata": {"name": "a", "resourceVersion": made.metadata.resourceVersion}}
    with pytest.raises(ConflictError):
        deployments.replace(body=stale, namespace=ns)
    assert deployments.scale.get(name="a", namespace=ns).spec.replicas == 2
    assert [one.metadata.name for one in deployments.get(namespace=ns).items] == ["a"]
    for event in deployments.watch(namespace=ns, timeout=1):
        assert (event["type"], event["object"].metadata.name) == ("ADDED", "a")
    deployments.delete(name="a", namespace=ns)
    with pytest.raises(NotFoundError):
        deployments.get(name="a", namespace=ns)
    short = anything.resources.get(short_names=["cm"])
    assert short is not None


def test_files_are_created_as_they_are(k8s: client.ApiClient, core: Core, ns: str) -> None:
    documents = [
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"x": "1"}},
        {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "a"}, "spec": {"ports": [{"port": 80}]}},
    ]
    utils.create_from_yaml(k8s, yaml_objects=documents, namespace=ns)
    assert core.read_namespaced_service("a", ns).spec.ports[0].protocol == "TCP"


def test_a_leader_is_elected_by_a_lease(k8s: client.ApiClient, ns: str) -> None:
    leading, leave, left = threading.Event(), threading.Event(), threading.Event()

    class Leaves(Exception):
        """How this library is told to give up leading."""

    def lead() -> None:
        leading.set()
        leave.wait(timeout=60)
        raise Leaves

    settings = electionconfig.Config(
        LeaseLock("leader", ns, "candidate-1"),
        lease_duration=17,
        renew_deadline=15,
        retry_period=1,
        onstarted_leading=lead,
        onstopped_leading=left.set,
    )
    candidate = threading.Thread(target=leaderelection.LeaderElection(settings).run, daemon=True)
    candidate.start()
    assert leading.wait(timeout=30)
    leases = client.CoordinationV1Api(k8s)
    lease = leases.read_namespaced_lease("leader", ns)
    assert (lease.spec.holder_identity, lease.spec.lease_duration_seconds) == ("candidate-1", 17)

    def renewed() -> bool:
        return bool(leases.read_namespaced_lease("leader", ns).spec.renew_time > lease.spec.renew_time)

    wait_until(renewed, timeout_seconds=30, what="the lease is renewed")
    leave.set()
    assert left.wait(timeout=30)
    candidate.join(timeout=30)


def test_bindings_and_evictions(core: Core, ns: str) -> None:
    container = client.V1Container(name="main", image="web")
    core.create_namespaced_pod(
        ns, client.V1Pod(metadata=client.V1ObjectMeta(name="a"), spec=client.V1PodSpec(containers=[container]))
    )
    target = client.V1ObjectReference(api_version="v1", kind="Node", name="node-1")
    binding = client.V1Binding(metadata=client.V1ObjectMeta(name="a"), target=target)
    # The client reads the Status of the answer as a Binding, which misses its target.
    core.create_namespaced_pod_binding("a", ns, binding, _preload_content=False)
    assert core.read_namespaced_pod("a", ns).spec.node_name == "node-1"
    assert _failed(core.create_namespaced_pod_binding, "a", ns, binding).status == 409
    eviction = client.V1Eviction(metadata=client.V1ObjectMeta(name="a"))
    core.create_namespaced_pod_eviction("a", ns, eviction)
    assert core.read_namespaced_pod("a", ns).metadata.deletion_grace_period_seconds == 30


def test_access_reviews(k8s: client.ApiClient) -> None:
    authorization = client.AuthorizationV1Api(k8s)
    asked = client.V1ResourceAttributes(verb="create", resource="pods", namespace="default")
    review = client.V1SelfSubjectAccessReview(spec=client.V1SelfSubjectAccessReviewSpec(resource_attributes=asked))
    assert authorization.create_self_subject_access_review(review).status.allowed is True


def test_namespaces_and_nodes(core: Core) -> None:
    names = {one.metadata.name for one in core.list_namespace().items}
    assert {"default", "kube-system", "kube-public", "kube-node-lease"} <= names
    node = client.V1Node(metadata=client.V1ObjectMeta(name="py-node", labels={"a": "b"}))
    core.create_node(node)
    core.patch_node_status("py-node", {"status": {"capacity": {"cpu": "4"}}})
    assert core.read_node("py-node").status.capacity == {"cpu": "4"}
    core.delete_node("py-node")
