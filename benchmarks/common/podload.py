"""Pods as a load: made by a Deployment or one by one, and heard of until they run or are gone."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any

from agents.client.resources import DEPLOYMENTS, NAMESPACES, PODS, ResourceRef
from agents.client.rest import RestClient
from benchmarks.common.plane import Failed
from benchmarks.common.stages import Stages

Obj = dict[str, Any]

CREATED, SCHEDULED, RUNNING, GONE = "created", "scheduled", "running", "gone"
NAME = "load"
_LABELS = {"app": NAME}


class WatchEnded(Failed):
    """The API server ended the watch: what came after it is not known."""


async def make_namespace(rest: RestClient, namespace: str) -> None:
    await rest.create(NAMESPACES, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})


async def make_deployment(rest: RestClient, namespace: str, count: int) -> None:
    """One Deployment of that many pods."""
    spec = {"replicas": count, "selector": {"matchLabels": _LABELS}, "template": _template()}
    wanted = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": NAME}, "spec": spec}
    await rest.create(DEPLOYMENTS, wanted, namespace=namespace)


async def make_bare(rest: RestClient, namespace: str, count: int, *, writers: int) -> None:
    """Single pods, by so many writers side by side."""
    numbers = iter(range(count))

    async def write() -> None:
        for number in numbers:
            pod = {"apiVersion": "v1", "kind": "Pod", **_template()}
            pod["metadata"] = {**pod["metadata"], "name": f"{NAME}-{number}"}
            await rest.create(PODS, pod, namespace=namespace)

    async with asyncio.TaskGroup() as group:
        for writer in range(writers):
            group.create_task(write(), name=f"writer-{writer}")


def _template() -> Obj:
    requests = {"cpu": "10m", "memory": "16Mi"}
    container = {"name": "main", "image": "simulated", "resources": {"requests": requests}}
    return {"metadata": {"labels": _LABELS}, "spec": {"containers": [container]}}


async def delete_all(rest: RestClient, ref: ResourceRef, namespace: str) -> None:
    await rest.delete_collection(ref, namespace=namespace, propagation_policy="Background")


@asynccontextmanager
async def heard(rest: RestClient, namespace: str) -> AsyncIterator[Stages]:
    """What becomes of the namespace's pods, as one HTTP watch tells it from now on. Raises WatchEnded, in a group."""
    now = (await rest.list(PODS, namespace=namespace)).resource_version
    stages = Stages(CREATED, SCHEDULED, RUNNING, GONE)
    async with asyncio.TaskGroup() as group:
        watching = group.create_task(_watch(rest, namespace, now, stages), name="watch")
        yield stages
        watching.cancel()


async def _watch(rest: RestClient, namespace: str, since: str, stages: Stages) -> None:
    async for kind, pod in rest.watch(PODS, namespace=namespace, resource_version=since):
        now = time.monotonic()
        for stage in stages_of(kind, pod):
            stages.note(stage, pod["metadata"]["name"], now)
    raise WatchEnded("the watch of the pods ended early")


def stages_of(kind: str, pod: Obj) -> Iterable[str]:
    """Which stages a frame of the watch tells of."""
    if kind == "DELETED":
        return (GONE,)
    status = pod.get("status") or {}
    ready = any(c["type"] == "Ready" and c["status"] == "True" for c in status.get("conditions") or ())
    told = [CREATED]
    if pod["spec"].get("nodeName"):
        told.append(SCHEDULED)
    if status.get("phase") == "Running" and ready:
        told.append(RUNNING)
    return told
