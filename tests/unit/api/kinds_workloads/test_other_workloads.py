from __future__ import annotations

import copy
from typing import Any

import pytest

from apiserver.api.kinds import (
    controllerrevision,
    cronjob,
    daemonset,
    horizontalpodautoscaler,
    job,
    poddisruptionbudget,
    podtemplate,
    priorityclass,
    replicationcontroller,
    statefulset,
)
from apiserver.api.kinds._cron import BadSchedule, check_schedule
from apiserver.api.kinds._label_selectors import selector_text
from tests.unit.api.kinds_workloads.objects import NOW, complaints, container, created, template, told, workload


def a_job(**spec: Any) -> dict[str, Any]:
    made = workload("Job", "batch/v1", template=template(restartPolicy="Never"), **spec)
    del made["spec"]["selector"]
    return made


def a_cron_job(**spec: Any) -> dict[str, Any]:
    inner = {"spec": {"template": template(restartPolicy="OnFailure")}}
    base = {"schedule": "*/5 * * * *", "jobTemplate": inner}
    return {"metadata": {"name": "tick", "namespace": "default"}, "spec": {**base, **spec}}


def an_autoscaler(**spec: Any) -> dict[str, Any]:
    base = {"maxReplicas": 5, "scaleTargetRef": {"kind": "Deployment", "name": "web"}}
    return {"metadata": {"name": "web"}, "spec": {**base, **spec}}


def a_class(name: str, value: int) -> dict[str, Any]:
    return {"metadata": {"name": name}, "value": value}


def row(rules: Any, made: dict[str, Any]) -> tuple[Any, ...]:
    cells = tuple(rules.row(made, NOW))
    assert len(cells) == len(rules.columns)
    return cells


def test_a_stateful_set_gets_its_defaults_and_its_claims_are_volumes() -> None:
    claim = {
        "metadata": {"name": "data"},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
    }
    mounts = [{"name": "data", "mountPath": "/data"}]
    pods = template(containers=[container(volumeMounts=mounts)])
    made = workload("StatefulSet", serviceName="web", volumeClaimTemplates=[claim], template=pods)
    assert complaints(statefulset.RULES, made) == []
    spec = made["spec"]
    assert spec["updateStrategy"] == {"type": "RollingUpdate", "rollingUpdate": {"partition": 0, "maxUnavailable": 1}}
    assert spec["podManagementPolicy"] == "OrderedReady"
    assert spec["persistentVolumeClaimRetentionPolicy"] == {"whenDeleted": "Retain", "whenScaled": "Retain"}
    assert spec["volumeClaimTemplates"][0]["spec"]["volumeMode"] == "Filesystem"
    assert row(statefulset.RULES, made)[:2] == ("web", "0/1")


def test_little_of_a_stateful_set_may_change() -> None:
    old = created(statefulset.RULES, workload("StatefulSet", serviceName="a"))
    new = copy.deepcopy(old)
    new["spec"]["replicas"] = 9
    assert statefulset.RULES.validate_update(new, old) == []
    new["spec"]["serviceName"] = "b"
    (complaint,) = told(statefulset.RULES.validate_update(new, old))
    assert complaint.startswith("spec: Forbidden: updates to statefulset spec for fields other than 'replicas'")


def test_a_daemon_set_replaces_one_pod_at_a_time() -> None:
    made = created(daemonset.RULES, workload("DaemonSet"))
    assert made["spec"]["updateStrategy"]["rollingUpdate"] == {"maxUnavailable": 1, "maxSurge": 0}
    assert complaints(daemonset.RULES, workload("DaemonSet")) == []
    both = {"rollingUpdate": {"maxUnavailable": 1, "maxSurge": 1}}
    assert complaints(daemonset.RULES, workload("DaemonSet", updateStrategy=both)) == [
        "spec.updateStrategy.rollingUpdate.maxSurge: Invalid value: 1: may not be set when maxUnavailable is non-zero"
    ]
    assert row(daemonset.RULES, made)[6] == "<none>"


def test_a_replication_controller_takes_its_selector_from_its_template() -> None:
    made = workload("ReplicationController", "v1", selector=None)
    assert complaints(replicationcontroller.RULES, made) == []
    assert made["spec"]["selector"] == {"app": "web"}
    assert made["metadata"]["labels"] == {"app": "web"}
    assert row(replicationcontroller.RULES, made)[-1] == "app=web"


def test_a_job_finds_its_pods_by_its_uid() -> None:
    made = a_job()
    assert complaints(job.RULES, made) == []
    spec = made["spec"]
    assert spec["selector"] == {"matchLabels": {"batch.kubernetes.io/controller-uid": "u-2"}}
    assert spec["template"]["metadata"]["labels"] == {
        "app": "web",
        "batch.kubernetes.io/controller-uid": "u-2",
        "batch.kubernetes.io/job-name": "web",
        "controller-uid": "u-2",
        "job-name": "web",
    }
    assert (spec["backoffLimit"], spec["completions"], spec["parallelism"]) == (6, 1, 1)
    assert (spec["completionMode"], spec["suspend"]) == ("NonIndexed", False)


def test_a_jobs_pods_must_end() -> None:
    made = workload("Job", "batch/v1")
    del made["spec"]["selector"]
    assert complaints(job.RULES, made) == [
        'spec.template.spec.restartPolicy: Required value: valid values: "OnFailure", "Never"'
    ]
    assert complaints(job.RULES, a_job(completionMode="Indexed", parallelism=2)) == [
        "spec.completions: Required value: when completion mode is Indexed"
    ]


def test_a_jobs_template_is_fixed_once_it_may_have_run() -> None:
    old = created(job.RULES, a_job(suspend=True))
    new = copy.deepcopy(old)
    new["spec"]["template"]["spec"]["nodeSelector"] = {"a": "b"}
    assert job.RULES.validate_update(new, old) == []
    old["status"]["startTime"] = "2026-01-02T11:00:00Z"
    (complaint,) = told(job.RULES.validate_update(new, old))
    assert complaint.startswith("spec.template: Invalid value: ")
    assert complaint.endswith("field is immutable")


@pytest.mark.parametrize(
    ("status", "cells"),
    [
        ({}, ("Running", "0/1", "")),
        ({"startTime": "2026-01-02T11:59:00Z"}, ("Running", "0/1", "60s")),
        (
            {
                "startTime": "2026-01-02T11:00:00Z",
                "completionTime": "2026-01-02T11:00:05Z",
                "succeeded": 1,
                "conditions": [{"type": "Complete", "status": "True"}],
            },
            ("Complete", "1/1", "5s"),
        ),
        ({"conditions": [{"type": "Suspended", "status": "True"}]}, ("Suspended", "0/1", "")),
    ],
)
def test_a_jobs_row_says_how_it_fares(status: dict[str, Any], cells: tuple[str, ...]) -> None:
    made = created(job.RULES, a_job())
    made["status"] = status
    assert row(job.RULES, made)[1:4] == cells


def test_a_cron_job_has_a_schedule_and_a_short_name() -> None:
    made = a_cron_job()
    assert complaints(cronjob.RULES, made) == []
    assert made["spec"]["concurrencyPolicy"] == "Allow"
    assert row(cronjob.RULES, made)[1:6] == ("*/5 * * * *", "<none>", "False", 0, "<none>")
    assert complaints(cronjob.RULES, a_cron_job(timeZone="Mars/Olympus")) == [
        'spec.timeZone: Invalid value: "Mars/Olympus": unknown time zone Mars/Olympus'
    ]
    assert complaints(cronjob.RULES, a_cron_job(schedule="TZ=UTC * * * * *"))[0].startswith("spec.schedule: Invalid")
    assert cronjob.validate_name("a" * 53) == ["must be no more than 52 characters"]


@pytest.mark.parametrize("text", ["* * * * *", "0 0 1 jan SUN", "*/15 1-5 ? * mon-fri", "@daily", "@every 1h30m"])
def test_good_schedules_are_read(text: str) -> None:
    check_schedule(text)


@pytest.mark.parametrize("text", ["", "* * * *", "60 * * * *", "5-1 * * * *", "*/0 * * * *", "a * * * *", "@never"])
def test_bad_schedules_are_refused(text: str) -> None:
    with pytest.raises(BadSchedule):
        check_schedule(text)


def test_an_autoscaler_measures_cpu_unless_told_otherwise() -> None:
    made = an_autoscaler()
    assert complaints(horizontalpodautoscaler.RULES, made) == []
    assert made["spec"]["minReplicas"] == 1
    assert row(horizontalpodautoscaler.RULES, made)[1:6] == ("Deployment/web", "cpu: <unknown>/80%", "1", 5, 0)
    assert complaints(horizontalpodautoscaler.RULES, an_autoscaler(minReplicas=6)) == [
        "spec.maxReplicas: Invalid value: 5: must be greater than or equal to `minReplicas`"
    ]


def test_a_budget_bounds_one_side_only() -> None:
    rules = poddisruptionbudget.RULES
    made = {"metadata": {"name": "b"}, "spec": {"minAvailable": "50%", "selector": {}}}
    assert complaints(rules, made) == []
    assert row(rules, made)[1:4] == ("50%", "N/A", 0)
    both = {"minAvailable": 1, "maxUnavailable": 1}
    (complaint,) = complaints(rules, {"metadata": {"name": "b"}, "spec": both})
    assert complaint.endswith("minAvailable and maxUnavailable cannot be both set")


def test_users_priorities_are_bounded_and_system_names_reserved() -> None:
    rules = priorityclass.RULES
    assert complaints(rules, a_class("high", 10**9)) == []
    assert complaints(rules, a_class("high", 10**9 + 1)) == [
        "value: Forbidden: maximum allowed value of a user defined priority is 1000000000"
    ]
    assert complaints(rules, a_class("system-mine", 1)) == [
        (
            "metadata.name: Forbidden: priority class names with 'system-' prefix are reserved for system use only. "
            "error: it is not allowed to add this priority class"
        )
    ]
    assert complaints(rules, a_class("system-node-critical", 2_000_001_000)) == []
    assert told(rules.validate_update(a_class("a", 1), a_class("a", 2))) == [
        "value: Forbidden: may not be changed in an update."
    ]


def test_a_revision_keeps_its_data() -> None:
    rules = controllerrevision.RULES
    old: dict[str, Any] = {"metadata": {"name": "r"}, "data": {"a": 1}, "revision": 1}
    assert rules.validate(old) == []
    assert told(rules.validate_update({**old, "data": {"a": 2}}, old)) == [
        'data: Invalid value: {"a":2}: field is immutable'
    ]
    owner = {"apiVersion": "apps/v1", "kind": "StatefulSet", "name": "web", "controller": True}
    old["metadata"]["ownerReferences"] = [owner]
    assert row(rules, old)[1:3] == ("statefulset.apps/web", 1)


def test_a_bare_template_is_checked_like_any_other() -> None:
    made = {"metadata": {"name": "t"}, "template": template()}
    assert complaints(podtemplate.RULES, made) == []
    assert row(podtemplate.RULES, made) == ("t", "main", "nginx:1.27", "app=web")


def test_a_table_shows_selectors_as_lists_take_them() -> None:
    expressions = [
        {"key": "a", "operator": "In", "values": ["y", "x"]},
        {"key": "c", "operator": "DoesNotExist"},
    ]
    selector = {"matchLabels": {"b": "2"}, "matchExpressions": expressions}
    assert selector_text(selector) == "a in (x,y),b=2,!c"
    assert selector_text({}) == selector_text(None) == "<none>"
