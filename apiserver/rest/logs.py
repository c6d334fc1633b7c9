"""`GET pods/NAME/log`: asked of the pod's node over the bus, streamed to the client as it comes.

The kubelet opens no port; the request goes to its subject `nodes.<node>.logs` and the lines come back with flow
control, so a slow reader slows the node's sending and nothing piles up here.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator
from typing import Any

from apiserver.api import status
from apiserver.api.fielderrors import FieldError, forbidden, invalid, invalid_value
from apiserver.rest.call import Call
from apiserver.rest.http import TEXT, Stream
from broker import node_rpc
from broker.connection import Connection
from broker.errors import BusUnavailable

Obj = dict[str, Any]

ANSWER_TIMEOUT_SECONDS = 10.0


class Logs:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def open(self, call: Call, pod: Obj) -> Stream:
        """The first bytes are awaited here, so that a refusal of the node is a Status and not a broken stream."""
        params = _parameters(call, pod)
        node = pod.get("spec", {}).get("nodeName", "")
        if not node:
            return Stream(_nothing(), TEXT)
        chunks = node_rpc.call(self._connection, node, "logs", params, timeout=ANSWER_TIMEOUT_SECONDS)
        try:
            first = await anext(chunks, None)
        except (node_rpc.NodeUnreachable, BusUnavailable) as err:
            raise status.ServiceUnavailable(f'the kubelet of node "{node}" does not answer: {err}') from err
        except node_rpc.NodeError as err:
            raise status.from_status({"reason": err.reason, "message": err.message}, code=err.code) from err
        return Stream(_with_first(first, chunks), TEXT)


async def _nothing() -> AsyncGenerator[bytes, None]:
    no_lines: tuple[bytes, ...] = ()
    for line in no_lines:
        yield line


async def _with_first(first: bytes | None, rest: AsyncGenerator[bytes, None]) -> AsyncGenerator[bytes, None]:
    async with contextlib.aclosing(rest):
        if first is not None:
            yield first
        async for chunk in rest:
            yield chunk


def _parameters(call: Call, pod: Obj) -> Obj:
    query = call.request.query
    params: Obj = {
        "namespace": call.namespace,
        "pod": call.name,
        "uid": pod["metadata"]["uid"],
        "container": _container(pod, query.text("container")),
        "follow": bool(query.flag("follow")),
        "previous": bool(query.flag("previous")),
        "timestamps": bool(query.flag("timestamps")),
        "tailLines": query.integer("tailLines"),
        "sinceSeconds": query.integer("sinceSeconds"),
        "sinceTime": query.text("sinceTime") or None,
        "limitBytes": query.integer("limitBytes"),
    }
    errors = _errors(params)
    if errors:
        raise invalid("PodLogOptions", "", call.name, errors)
    return params


def _errors(params: Obj) -> list[FieldError]:
    """Upstream: `ValidatePodLogOptions`."""
    errors = []
    tail, since, limit = params["tailLines"], params["sinceSeconds"], params["limitBytes"]
    if tail is not None and tail < 0:
        errors.append(invalid_value("tailLines", tail, "must be greater than or equal to 0"))
    if limit is not None and limit < 1:
        errors.append(invalid_value("limitBytes", limit, "must be greater than 0"))
    if since is not None and params["sinceTime"]:
        errors.append(forbidden("", "at most one of `sinceTime` or `sinceSeconds` may be specified"))
    elif since is not None and since < 1:
        errors.append(invalid_value("sinceSeconds", since, "must be greater than 0"))
    return errors


def _container(pod: Obj, asked: str) -> str:
    spec, name = pod.get("spec", {}), pod["metadata"]["name"]
    names = [c["name"] for key in ("initContainers", "containers", "ephemeralContainers") for c in spec.get(key, ())]
    if asked:
        if asked not in names:
            raise status.BadRequest(f"container {asked} is not valid for pod {name}")
        return asked
    if len(spec.get("containers", ())) != 1:
        raise status.BadRequest(
            f"a container name must be specified for pod {name}, choose one of: [{' '.join(names)}]"
        )
    return str(spec["containers"][0]["name"])
