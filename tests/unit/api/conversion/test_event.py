from __future__ import annotations

import copy
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from apiserver.api.conversion import from_storage, to_storage
from apiserver.api.schema import schema_for
from apiserver.api.schema_check import check
from tests.unit.api.decode.bodies import PODS, resource
from tests.unit.api.shapes import objects, tries

SERVED = resource("events", "events.k8s.io")
CORE = schema_for("io.k8s.api.core.v1.Event")
EVENTS = schema_for("io.k8s.api.events.v1.Event")

STORED: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "Event",
    "metadata": {"name": "e", "namespace": "default"},
    "involvedObject": {"kind": "Pod", "name": "p"},
    "reason": "Started",
    "message": "Started container",
    "type": "Normal",
    "source": {"component": "kubelet", "host": "n1"},
    "firstTimestamp": "2024-01-01T00:00:00Z",
    "lastTimestamp": "2024-01-01T00:00:01Z",
    "count": 2,
    "eventTime": "2024-01-01T00:00:00.000001Z",
    "series": {"count": 3, "lastObservedTime": "2024-01-01T00:00:00.000002Z"},
    "action": "Starting",
    "related": {"kind": "Node", "name": "n1"},
    "reportingComponent": "kubelet",
    "reportingInstance": "n1",
}


def test_an_event_has_other_names_in_its_newer_group() -> None:
    assert from_storage(SERVED, STORED) == {
        "apiVersion": "events.k8s.io/v1",
        "kind": "Event",
        "metadata": {"name": "e", "namespace": "default"},
        "regarding": {"kind": "Pod", "name": "p"},
        "reason": "Started",
        "note": "Started container",
        "type": "Normal",
        "deprecatedSource": {"component": "kubelet", "host": "n1"},
        "deprecatedFirstTimestamp": "2024-01-01T00:00:00Z",
        "deprecatedLastTimestamp": "2024-01-01T00:00:01Z",
        "deprecatedCount": 2,
        "eventTime": "2024-01-01T00:00:00.000001Z",
        "series": {"count": 3, "lastObservedTime": "2024-01-01T00:00:00.000002Z"},
        "action": "Starting",
        "related": {"kind": "Node", "name": "n1"},
        "reportingController": "kubelet",
        "reportingInstance": "n1",
    }


@tries(200)
@given(st.data())
def test_nothing_is_lost_between_the_versions(data: st.DataObject) -> None:
    stored = data.draw(objects(CORE)) | {"apiVersion": "v1", "kind": "Event"}
    served = from_storage(SERVED, copy.deepcopy(stored))
    assert to_storage(SERVED, served) == stored
    assert check(EVENTS, copy.deepcopy(served)).unknown == []


@tries(200)
@given(st.data())
def test_what_is_served_is_stored_in_the_stored_version_s_own_fields(data: st.DataObject) -> None:
    served = data.draw(objects(EVENTS)) | {"apiVersion": "events.k8s.io/v1", "kind": "Event"}
    before = copy.deepcopy(served)
    stored = to_storage(SERVED, served)
    assert served == before
    assert check(CORE, copy.deepcopy(stored)).unknown == []
    assert from_storage(SERVED, stored) == served


def test_a_kind_of_one_version_stays_as_it_is() -> None:
    pod = {"apiVersion": "v1", "kind": "Pod"}
    assert to_storage(PODS, pod) is pod
    assert from_storage(PODS, pod) is pod
    assert from_storage(resource("events"), STORED) is STORED
