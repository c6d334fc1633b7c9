"""Events are told without ever being in the way."""

from __future__ import annotations

import asyncio
from typing import Any

from agents.client.events import EventRecorder
from agents.client.resources import ResourceRef
from apiserver.api import status
from tests.conftest import eventually

Obj = dict[str, Any]
POD = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web", "namespace": "shop", "uid": "u"}}


class Api:
    """What the recorder sends."""

    def __init__(self) -> None:
        self.made: list[Obj] = []
        self.patches: list[tuple[str, Obj]] = []
        self.refuse: status.StatusError | None = None
        self.refused = 0

    async def create(self, ref: ResourceRef, obj: Obj, *, namespace: str = "") -> Obj:
        self.refused += self.refuse is not None
        if self.refuse is not None:
            raise self.refuse
        self.made.append(obj)
        return obj

    async def patch(self, ref: ResourceRef, name: str, patch: Obj, *, namespace: str = "") -> Obj:
        if all(m["metadata"]["name"] != name for m in self.made):
            raise status.not_found("events", "", name)
        self.patches.append((name, patch))
        return patch


class Recording:
    def __init__(self) -> None:
        self.api = Api()
        self.recorder = EventRecorder(self.api, component="kubelet", host="node-1")  # type: ignore[arg-type]

    async def __aenter__(self) -> Recording:
        self._task = asyncio.create_task(self.recorder.run(), name="events")
        return self

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)


async def test_an_event_says_what_upstreams_says() -> None:
    async with Recording() as r:
        r.recorder.event(POD, "Warning", "BackOff", "Back-off restarting", field_path="spec.containers{a}")
        await eventually(lambda: len(r.api.made) == 1, what="the event is sent")
    [made] = r.api.made
    assert made["involvedObject"] == {
        "kind": "Pod", "apiVersion": "v1", "namespace": "shop", "name": "web", "uid": "u",
        "fieldPath": "spec.containers{a}",
    }  # fmt: skip
    assert made["source"] == {"component": "kubelet", "host": "node-1"}
    assert (made["type"], made["reason"], made["count"]) == ("Warning", "BackOff", 1)
    assert made["metadata"]["name"].startswith("web.")
    assert made["metadata"]["namespace"] == "shop"


async def test_events_about_cluster_scoped_objects_live_in_default() -> None:
    async with Recording() as r:
        r.recorder.event({"kind": "Node", "metadata": {"name": "n"}}, "Normal", "R", "m")
        await eventually(lambda: len(r.api.made) == 1, what="the event is sent")
    assert r.api.made[0]["metadata"]["namespace"] == "default"


async def test_the_same_event_again_is_counted_up_and_made_anew_when_it_is_gone() -> None:
    async with Recording() as r:
        for _ in range(3):
            r.recorder.event(POD, "Normal", "R", "m")
        await eventually(lambda: len(r.api.patches) == 2, what="the event is counted up")
        assert [p["count"] for _, p in r.api.patches] == [2, 3]
        r.api.made.clear()
        r.recorder.event(POD, "Normal", "R", "m")
        await eventually(lambda: len(r.api.made) == 1, what="the event is made anew")
    assert r.api.made[0]["count"] == 1


async def test_what_cannot_be_told_is_dropped_and_the_rest_goes_on() -> None:
    async with Recording() as r:
        r.api.refuse = status.Forbidden("no")
        r.recorder.event(POD, "Normal", "R", "m")
        await eventually(lambda: r.api.refused == 1, what="the event is dropped")
        r.api.refuse = None
        r.recorder.event(POD, "Normal", "R2", "m")
        await eventually(lambda: len(r.api.made) == 1, what="the next event is sent")


async def test_more_events_than_can_wait_are_dropped_at_once() -> None:
    recorder = EventRecorder(Api(), component="x")  # type: ignore[arg-type]
    for n in range(10_100):
        recorder.event(POD, "Normal", "R", str(n))
    assert recorder.dropped == 100


async def test_a_name_too_long_for_an_event_is_left_out() -> None:
    async with Recording() as r:
        r.recorder.event({**POD, "metadata": {**POD["metadata"], "name": "n" * 250}}, "Normal", "R", "m")  # type: ignore[dict-item]
        await eventually(lambda: len(r.api.made) == 1, what="the event is sent")
    assert len(r.api.made[0]["metadata"]["name"]) == 36
