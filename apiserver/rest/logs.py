"""`GET pods/NAME/log`: asked of the pod's node over the bus, streamed to the client as it comes.

The kubelet opens no port; the request goes to its subject `nodes.<node>.logs` and the lines come back with flow
control, so a slow reader slows the node's sending and nothing piles up here.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from broker.connection import Connection

from apiserver.api import status
from apiserver.rest.call import Call
from apiserver.rest.http import TEXT, Stream
from broker import node_rpc

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
        except node_rpc.NodeUnreachable as err:
            raise status.ServiceUnavailable(f'the kubelet of node "{node}" does not answer: {err}') from err
        except node_rpc.NodeError as err:
            raise status.from_status({"reason": err.reason, "message": err.message}, code=err.code) from err
        return Stream(_with_first(first, chunks), TEXT)


async def _nothing() -> AsyncIterator[bytes]:
    for chunk in ():
        yield chunk


async def _with_first(first: bytes | None, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    if first is not None:
        yield first
    async for chunk in rest:
        yield chunk


def _parameters(call: Call, pod: Obj) -> Obj:
    query = call.request.query
    container = _container(pod, query.text("container"))
    params: Obj = {
        "namespace": call.namespace,
        "pod": call.name,
        "uid": pod["metadata"]["uid"],
        "container": container,
        "follow": bool(query.flag("follow")),
        "previous": bool(query.flag("previous")),
        "timestamps": bool(query.flag("timestamps")),
        "tailLines": query.integer("tailLines"),
        "sinceSeconds": query.integer("sinceSeconds"),
        "sinceTime": query.text("sinceTime") or None,
        "limitBytes": query.integer("limitBytes"),
    }
    if params["sinceSeconds"] is not None and params["sinceTime"]:
        raise _invalid("at most one of `sinceTime` or `sinceSeconds` may be specified")
    for key, least in (("tailLines", 0), ("sinceSeconds", 1), ("limitBytes", 1)):
        if params[key] is not None and params[key] < least:
            raise _invalid(f"{key}: Invalid value: {params[key]}: must be greater than or equal to {least}")
    return params


def _invalid(why: str) -> status.Invalid:
    return status.Invalid(f'PodLogOptions "" is invalid: {why}', kind="PodLogOptions")


def _container(pod: Obj, asked: str) -> str:
    spec = pod.get("spec", {})
    names = [c["name"] for key in ("containers", "initContainers", "ephemeralContainers") for c in spec.get(key, ())]
    name = pod["metadata"]["name"]
    if asked:
        if asked not in names:
            raise status.BadRequest(f"container {asked} is not valid for pod {name}")
        return asked
    containers = [c["name"] for c in spec.get("containers", ())]
    if len(containers) > 1:
        raise status.BadRequest(
            f"a container name must be specified for pod {name}, choose one of: [{' '.join(containers)}]"
        )
    return str(containers[0])
