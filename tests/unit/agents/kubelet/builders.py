"""Pods, containers and observations as tests need them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from agents.kubelet.backoff import Backoff
from agents.kubelet.observed import Observed
from agents.kubelet.runtime import Container, ContainerId, ContainerState, PodUid, Sandbox, SandboxConfig, SandboxId

Obj = dict[str, Any]

NOW = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)
UID = PodUid("uid-1")
IP = "127.64.0.2"
SANDBOX = Sandbox(SandboxId(UID), SandboxConfig(UID, "default", "web", "node-1", "web"), IP, True, NOW)


def later(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def spec(name: str = "main", **more: Any) -> Obj:
    return {"name": name, "image": "none", "command": ["run"], **more}


def pod(*containers: Obj, status: Obj | None = None, metadata: Obj | None = None, **more: Any) -> Obj:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "web", "namespace": "default", "uid": UID, "generation": 1, **(metadata or {})},
        "spec": {
            "nodeName": "node-1",
            "restartPolicy": "Always",
            "terminationGracePeriodSeconds": 30,
            "containers": list(containers or (spec(),)),
            **more,
        },
        "status": status or {"phase": "Pending"},
    }


def deleted(obj: Obj, *, grace: int = 30) -> Obj:
    marks = {"deletionTimestamp": later(grace).isoformat(), "deletionGracePeriodSeconds": grace}
    return {**obj, "metadata": {**obj["metadata"], **marks}}


def running(name: str = "main", *, attempt: int = 0) -> Container:
    return container(name, ContainerState.RUNNING, attempt=attempt)


def exited(name: str = "main", code: int = 0, *, attempt: int = 0, at: datetime = NOW) -> Container:
    return container(name, ContainerState.EXITED, attempt=attempt, code=code, at=at)


def created(name: str = "main", *, attempt: int = 0) -> Container:
    return container(name, ContainerState.CREATED, attempt=attempt)


def container(
    name: str, state: ContainerState, *, attempt: int = 0, code: int = 0, at: datetime = NOW, image: str = "none"
) -> Container:
    return Container(
        id=ContainerId(f"{name}-{attempt}"),
        sandbox_id=SANDBOX.id,
        pod_uid=UID,
        name=name,
        attempt=attempt,
        image=image,
        state=state,
        created_at=NOW + timedelta(seconds=attempt),
        started_at=NOW if state is not ContainerState.CREATED else None,
        finished_at=at if state is ContainerState.EXITED else None,
        exit_code=code,
        reason=("Error" if code else "Completed") if state is ContainerState.EXITED else "",
    )


def observed(*containers: Container, healthy: bool = True, **more: Any) -> Observed:
    """With a sandbox; what runs has started and is ready unless not `healthy`."""
    up = frozenset(c.id for c in containers if c.state is ContainerState.RUNNING) if healthy else frozenset()
    known: Obj = {"sandbox": SANDBOX, "node_ip": "127.64.0.1", "ready": up, "started": up}
    return Observed(containers=containers, **(known | more))


def waiting_for(seconds: float) -> Backoff:
    return Backoff(timedelta(seconds=seconds), NOW)
