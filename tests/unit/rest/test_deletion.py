"""What a DELETE does to an object, at a given moment."""

from datetime import UTC, datetime, timedelta
from typing import Any

from apiserver.api.meta import rfc3339
from apiserver.rest.deletion import DeleteOptions, Deletion, begin_deletion, is_finished
from apiserver.rest.endpoint import Endpoint, Endpoints

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
MARKED = Deletion(remove=False, changed=True)
REMOVED = Deletion(remove=True, changed=True)
UNCHANGED = Deletion(remove=False, changed=False)


def _endpoint(plural: str, group: str = "") -> Endpoint:
    found = Endpoints().find(group, "v1", plural)
    assert found is not None
    return found


def _pod(**metadata: Any) -> dict[str, Any]:
    spec = {"nodeName": "n", "terminationGracePeriodSeconds": 30}
    return {"metadata": {"name": "a", "generation": 1, **metadata}, "spec": spec}


def _ending(seconds: int, *, since: int) -> dict[str, Any]:
    """A pod whose deletion began `since` seconds ago with a grace of `seconds`."""
    end = NOW + timedelta(seconds=seconds - since)
    return _pod(deletionTimestamp=rfc3339(end), deletionGracePeriodSeconds=seconds)


def _delete(obj: dict[str, Any], plural: str = "pods", **options: Any) -> Deletion:
    return begin_deletion(_endpoint(plural), obj, DeleteOptions(**options), NOW)


def test_the_first_delete_marks_a_pod_and_counts() -> None:
    pod = _pod()
    assert _delete(pod) == MARKED
    assert pod["metadata"] == {
        "name": "a",
        "generation": 2,
        "deletionTimestamp": rfc3339(NOW + timedelta(seconds=30)),
        "deletionGracePeriodSeconds": 30,
    }


def test_a_later_delete_may_only_shorten() -> None:
    for asked in (None, 30, 60):
        pod = _ending(30, since=10)
        assert _delete(pod, grace_period_seconds=asked) == UNCHANGED
    pod = _ending(30, since=10)
    assert _delete(pod, grace_period_seconds=15) == MARKED
    assert pod["metadata"]["deletionTimestamp"] == rfc3339(NOW + timedelta(seconds=5))
    assert pod["metadata"]["deletionGracePeriodSeconds"] == 15


def test_a_grace_that_has_passed_already_leaves_a_second() -> None:
    pod = _ending(30, since=20)
    assert _delete(pod, grace_period_seconds=5) == MARKED
    assert pod["metadata"]["deletionTimestamp"] == rfc3339(NOW)
    assert pod["metadata"]["deletionGracePeriodSeconds"] == 1


def test_a_grace_of_nothing_removes() -> None:
    assert _delete(_pod(), grace_period_seconds=0) == REMOVED
    assert _delete(_ending(30, since=10), grace_period_seconds=0) == REMOVED
    assert _delete(_ending(0, since=0)) == REMOVED


def test_finalizers_hold_a_pod_after_its_grace_and_nothing_else_after_none() -> None:
    held = _pod(finalizers=["example.com/a"])
    assert _delete(held, grace_period_seconds=0) == MARKED
    assert held["metadata"]["deletionGracePeriodSeconds"] == 0
    config_map: dict[str, Any] = {"metadata": {"name": "a", "finalizers": ["example.com/a"]}}
    assert _delete(config_map, "configmaps") == MARKED
    assert config_map["metadata"]["deletionTimestamp"] == rfc3339(NOW)
    assert _delete(config_map, "configmaps") == UNCHANGED
    assert not is_finished(_endpoint("configmaps"), config_map)
    del config_map["metadata"]["finalizers"]
    assert is_finished(_endpoint("configmaps"), config_map)


def test_a_policy_becomes_a_finalizer_but_for_events_which_nobody_collects() -> None:
    config_map: dict[str, Any] = {"metadata": {"name": "a"}}
    assert _delete(config_map, "configmaps", propagation_policy="Foreground") == MARKED
    assert config_map["metadata"]["finalizers"] == ["foregroundDeletion"]
    assert _delete(config_map, "configmaps", propagation_policy="Background") == REMOVED
    assert _delete({"metadata": {"name": "a"}}, "events", propagation_policy="Foreground") == REMOVED


def test_a_namespace_waits_for_both_of_its_finalizers() -> None:
    endpoint = _endpoint("namespaces")
    namespace: dict[str, Any] = {"metadata": {"name": "a"}, "spec": {"finalizers": ["kubernetes"]}}
    assert _delete(namespace, "namespaces") == MARKED
    assert namespace["status"] == {"phase": "Terminating"}
    assert "deletionGracePeriodSeconds" not in namespace["metadata"]
    assert _delete(namespace, "namespaces") == UNCHANGED
    namespace["spec"]["finalizers"] = []
    namespace["metadata"]["finalizers"] = ["example.com/a"]
    assert not is_finished(endpoint, namespace)
    namespace["metadata"]["finalizers"] = []
    assert is_finished(endpoint, namespace)


def test_what_is_not_being_deleted_is_never_finished() -> None:
    assert not is_finished(_endpoint("pods"), _pod())
    assert not is_finished(_endpoint("pods"), _ending(30, since=40))
