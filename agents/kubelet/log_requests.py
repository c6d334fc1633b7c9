"""`kubectl logs`, answered on the node: which container's log is meant, and its lines.

Refusals have the words of upstream's kubelet (`validateContainerLogStatus`), which users and tools search for.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from agents.kubelet.podspec import Obj, all_containers, named, stated
from agents.kubelet.runtime import ContainerId, LogOptions, NoSuchContainer, PodUid, Runtime, RuntimeFailure
from broker.node_rpc import NodeError

FindPod = Callable[[PodUid], Obj | None]
"""The pod with its newest status."""


class LogRequests:
    def __init__(self, runtime: Runtime, find: FindPod) -> None:
        self._runtime = runtime
        self._find = find

    async def logs(self, params: dict[str, Any]) -> AsyncGenerator[bytes, None]:
        """The handler of the node request `logs`. Raises NodeError."""
        pod = self._find(PodUid(str(params.get("uid") or "")))
        if pod is None:
            raise NodeError(404, "NotFound", f'pod "{params.get("pod")}" cannot be found - no logs available')
        container = chosen(pod, str(params.get("container") or ""), previous=bool(params.get("previous")))
        options = log_options(params, datetime.now(UTC))
        try:
            async for block in self._runtime.read_logs(container, options):
                yield block
        except NoSuchContainer as err:
            raise _refused(f"failed to get the log of the container: {err}") from err
        except RuntimeFailure as err:
            raise NodeError(500, "InternalError", str(err)) from err


def log_options(params: dict[str, Any], now: datetime) -> LogOptions:
    since = None
    if params.get("sinceSeconds") is not None:
        since = now - timedelta(seconds=int(params["sinceSeconds"]))
    elif params.get("sinceTime"):
        since = datetime.fromisoformat(str(params["sinceTime"]))
    return LogOptions(
        follow=bool(params.get("follow")),
        timestamps=bool(params.get("timestamps")),
        tail_lines=_integer(params.get("tailLines")),
        since=since,
        limit_bytes=_integer(params.get("limitBytes")),
    )


def _integer(value: Any) -> int | None:
    return None if value is None else int(value)


def chosen(pod: Obj, container: str, *, previous: bool) -> ContainerId:
    """Whose log is meant. Raises NodeError."""
    name = pod["metadata"]["name"]
    if named(all_containers(pod), container) is None:
        raise _refused(f'container "{container}" not found in pod "{name}"')
    status = named(list(stated(pod)), container)
    if status is None:
        raise _refused(f'container "{container}" in pod "{name}" is not available')
    here = f'container "{container}" in pod "{name}"'
    state, last = status.get("state") or {}, (status.get("lastState") or {}).get("terminated") or {}
    if previous:
        return _id(last.get("containerID"), f"previous terminated {here} not found")
    if "running" in state:
        return _id(status.get("containerID"), f"{here} is waiting to start - no logs yet")
    if "terminated" in state:
        return _id(state["terminated"].get("containerID") or last.get("containerID"), f"{here} is terminated")
    if last:
        return _id(last.get("containerID"), f"{here} is terminated")
    if "waiting" in state:
        raise _refused(f"{here} is waiting to start: {state['waiting'].get('reason', '')}")
    raise _refused(f"{here} is waiting to start - no logs yet")


def _id(text: str | None, refusal: str) -> ContainerId:
    if not text:
        raise _refused(refusal)
    return ContainerId(text.partition("://")[2])


def _refused(message: str) -> NodeError:
    return NodeError(400, "BadRequest", message)
