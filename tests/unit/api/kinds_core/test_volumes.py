"""Volumes, claims, and the classes that they come from."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from apiserver.api.kinds import csi, persistentvolume, persistentvolumeclaim, storageclass, volumeattributesclass
from apiserver.api.kinds import volumeattachment as attachment
from tests.unit.api.kinds_core.objects import a_node, an_object
from tests.unit.api.kinds_workloads.objects import complaints, created, told

CLAIM, VOLUME = persistentvolumeclaim.RULES, persistentvolume.RULES
FIXED = (
    "spec: Forbidden: spec is immutable after creation except resources.requests and volumeAttributesClassName "
    "for bound claims"
)


def a_claim(size: str = "1Gi", **spec: Any) -> dict[str, Any]:
    return an_object(spec={"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": size}}, **spec})


def a_volume(**spec: Any) -> dict[str, Any]:
    base = {"accessModes": ["ReadWriteOnce"], "capacity": {"storage": "1Gi"}, "hostPath": {"path": "/a"}}
    return a_node(spec={key: value for key, value in {**base, **spec}.items() if value is not None})


def test_a_claim_asks_for_a_size_and_a_way_to_be_mounted() -> None:
    assert complaints(CLAIM, an_object()) == [
        "spec.accessModes: Required value: at least 1 access mode is required",
        "spec.resources[storage]: Required value",
    ]
    assert complaints(CLAIM, a_claim("0", accessModes=["ReadWriteOncePod", "ReadWriteMany"])) == [
        "spec.accessModes: Forbidden: may not use ReadWriteOncePod with other access modes",
        'spec.resources[storage]: Invalid value: "0": must be greater than zero',
    ]


def test_a_claims_source_is_known_under_both_fields() -> None:
    source = {"kind": "PersistentVolumeClaim", "name": "a"}
    assert created(CLAIM, a_claim(dataSource=source))["spec"]["dataSourceRef"] == source
    assert created(CLAIM, a_claim(dataSourceRef=source))["spec"]["dataSource"] == source
    other = {"apiGroup": "a.b", "kind": "Snapshot", "name": "c"}
    assert complaints(CLAIM, a_claim(dataSource=source, dataSourceRef=other)) == [
        'spec: Invalid value: "spec.dataSource": must match dataSourceRef'
    ]


def changed(old: dict[str, Any], **spec: Any) -> list[str]:
    new = copy.deepcopy(old)
    new["spec"].update(spec)
    return told(CLAIM.validate_update(new, old))


def test_a_claim_is_bound_once_and_grows_while_it_is() -> None:
    old = created(CLAIM, a_claim())
    larger = {"requests": {"storage": "2Gi"}}
    assert changed(old, volumeName="v", storageClassName="fast") == []
    assert changed(old, resources=larger) == [FIXED]
    old["status"] = {"phase": "Bound", "capacity": {"storage": "1Gi"}}
    old["spec"]["volumeName"] = "v"
    assert changed(old, resources=larger, volumeAttributesClassName="gold") == []
    assert changed(old, volumeName="w") == [FIXED]
    assert changed(old, resources={"requests": {"storage": "1Mi"}}) == [
        "spec.resources.requests.storage: Forbidden: field can not be less than status.capacity"
    ]


def test_a_claim_may_shrink_back_after_an_expansion_that_failed() -> None:
    old = created(CLAIM, a_claim("4Gi"))
    old["status"] = {"phase": "Bound", "capacity": {"storage": "1Gi"}}
    assert changed(old, resources={"requests": {"storage": "2Gi"}}) == []


def test_a_volume_has_one_place() -> None:
    assert complaints(VOLUME, a_volume(hostPath=None)) == ["spec: Required value: must specify a volume type"]
    assert complaints(VOLUME, a_volume(nfs={"server": "s", "path": "/p"})) == [
        "spec.nfs: Forbidden: may not specify more than 1 volume type"
    ]
    assert complaints(VOLUME, a_volume(hostPath=None, local={"path": "/a/../b"})) == [
        "spec.local.path: Invalid value: \"/a/../b\": must not contain '..'",
        "spec.nodeAffinity: Required value: Local volume requires node affinity",
    ]


def test_a_volume_has_a_size_and_a_driver_has_a_name() -> None:
    found = complaints(VOLUME, a_node(spec={"csi": {}}))
    assert [complaint.partition(": Invalid value")[0] for complaint in found] == [
        "spec.accessModes: Required value",
        "spec.capacity: Required value",
        'spec.capacity: Unsupported value: null: supported values: "storage"',
        "spec.csi.driver: Required value",
        "spec.csi.driver",
        "spec.csi.volumeHandle: Required value",
    ]


def test_a_volumes_place_stays() -> None:
    old = created(VOLUME, a_volume())
    new = copy.deepcopy(old)
    new["spec"] |= {"capacity": {"storage": "2Gi"}, "hostPath": {"path": "/b"}, "volumeMode": "Block"}
    assert told(VOLUME.validate_update(new, old)) == [
        "spec.persistentvolumesource: Forbidden: spec.persistentvolumesource is immutable after creation",
        'volumeMode: Invalid value: "Block": field is immutable',
    ]


def test_a_driver_may_be_told_of_its_secret_for_growing_later() -> None:
    old = created(VOLUME, a_volume(hostPath=None, csi={"driver": "a.b", "volumeHandle": "h"}))
    new = copy.deepcopy(old)
    new["spec"]["csi"]["controllerExpandSecretRef"] = {"name": "s"}
    assert VOLUME.validate_update(new, old) == []
    assert VOLUME.validate_update(old, new) != []


def test_a_class_stays_what_it_is() -> None:
    rules = storageclass.RULES
    old = created(rules, a_node(provisioner="a.b/c"))
    assert (old["reclaimPolicy"], old["volumeBindingMode"]) == ("Delete", "Immediate")
    new = {**old, "provisioner": "d", "parameters": {"a": "b"}, "volumeBindingMode": "WaitForFirstConsumer"}
    assert told(rules.validate_update(new, old)) == [
        "parameters: Forbidden: updates to parameters are forbidden.",
        "provisioner: Forbidden: updates to provisioner are forbidden.",
        'volumeBindingMode: Invalid value: "WaitForFirstConsumer": field is immutable',
    ]
    assert rules.validate_update({**old, "allowVolumeExpansion": True}, old) == []


@pytest.mark.parametrize(
    ("fields", "found"),
    [
        ({}, "provisioner: Required value"),
        (
            {"provisioner": "a", "reclaimPolicy": "Recycle"},
            'reclaimPolicy: Unsupported value: "Recycle": supported values: "Delete", "Retain"',
        ),
        ({"provisioner": "a", "parameters": {"": "b"}}, 'parameters: Invalid value: "": field can not be empty.'),
        (
            {"provisioner": "a", "parameters": {"a": "b" * 256 * 1024}},
            "parameters: Too long: may not be more than 262144 bytes",
        ),
        (
            {"provisioner": "a", "allowedTopologies": [{"matchLabelExpressions": [{"key": "a"}]}]},
            "allowedTopologies[0].matchLabelExpressions[0].values: Required value",
        ),
    ],
)
def test_a_classes_fields_are_checked(fields: dict[str, Any], found: str) -> None:
    assert complaints(storageclass.RULES, a_node(**fields)) == [found]


def test_attributes_have_a_driver_and_something_to_change() -> None:
    assert complaints(volumeattributesclass.RULES, a_node()) == [
        "driverName: Required value",
        "parameters: Required value: must contain at least one key/value pair",
    ]


def test_a_driver_may_change_its_mind_about_some_things() -> None:
    old = created(csi.DRIVER, a_node())
    assert old["spec"]["fsGroupPolicy"] == "ReadWriteOnceWithFSType"
    new = copy.deepcopy(old)
    new["spec"]["requiresRepublish"] = True
    assert csi.DRIVER.validate_update(new, old) == []
    new["spec"]["attachRequired"] = False
    assert told(csi.DRIVER.validate_update(new, old)) == [
        "spec.attachedRequired: Invalid value: false: field is immutable"
    ]


def test_what_a_driver_said_of_a_node_stays() -> None:
    old = a_node(spec={"drivers": [{"name": "a.b", "nodeID": "n"}]})
    count = a_node(spec={"drivers": [{"name": "a.b", "nodeID": "n", "allocatable": {"count": 1}}]})
    other = a_node(spec={"drivers": [{"name": "a.b", "nodeID": "m"}, {"name": "c.d", "nodeID": "n"}]})
    assert csi.NODE.validate_update(count, old) == []
    assert csi.NODE.validate_update(a_node(spec={"drivers": []}), old) == []
    assert told(csi.NODE.validate_update(other, old)) == [
        'spec.drivers[0]: Invalid value: {"name":"a.b","nodeID":"m"}: field is immutable'
    ]


def test_an_attachment_is_of_one_volume_to_one_node_for_good() -> None:
    rules = attachment.RULES
    assert complaints(rules, a_node(spec={"attacher": "a.b", "nodeName": "n"})) == [
        "spec.source: Required value: must specify exactly one of inlineVolumeSpec and persistentVolumeName"
    ]
    old = created(rules, a_node(spec={"attacher": "a.b", "nodeName": "n", "source": {"persistentVolumeName": "v"}}))
    assert old["status"] == {"attached": False}
    new = copy.deepcopy(old)
    new["spec"]["nodeName"] = "m"
    assert told(rules.validate_update(new, old))[0].endswith(": field is immutable")
