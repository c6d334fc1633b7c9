"""What hangs below an object: status, scale, binding, eviction, finalize, log.

`SERVED` is the table of them. The server's registry is made with it, so a subresource that is not in it is not in
discovery either and answers 404.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

from apiserver.api import scale as scales
from apiserver.api import status
from apiserver.api.decode import check_patched
from apiserver.api.kinds.pod import apply_binding, validate_binding
from apiserver.rest import reads, strategy, update
from apiserver.rest.call import Call
from apiserver.rest.delete import delete_object
from apiserver.rest.endpoint import PODS, Endpoint, Endpoints
from apiserver.rest.eviction import consume_budget
from apiserver.rest.http import Response, Stream, json_response
from apiserver.rest.logs import Logs
from apiserver.rest.patch import applier, patch
from apiserver.rest.records import Current, Records
from apiserver.rest.update import FINALIZE, STATUS

Obj = dict[str, Any]
Handler = Callable[["Subresources", Call], Awaitable[Response | Stream]]

_PHASES_DONE = ("Succeeded", "Failed")


class Subresources:
    """`serve` answers a call whose path names a subresource."""

    def __init__(self, records: Records, endpoints: Endpoints, logs: Logs) -> None:
        self.records = records
        self.endpoints = endpoints
        self.logs = logs

    async def serve(self, call: Call, parent: Endpoint) -> Response | Stream:
        info = call.request.info
        handler = _HANDLERS.get((info.subresource, info.verb))
        if handler is None:
            raise status.MethodNotAllowed(
                "the server does not allow this method on the requested resource",
                group=parent.resource.group,
                kind=parent.resource.plural,
            )
        return await handler(self, call)

    async def get_object(self, call: Call) -> Response:
        return await reads.get(self.records, call)

    async def update_status(self, call: Call) -> Response:
        return await update.update(self.records, call, STATUS)

    async def patch_status(self, call: Call) -> Response:
        return await patch(self.records, call, STATUS)

    async def finalize(self, call: Call) -> Response:
        return await update.update(self.records, call, FINALIZE)

    async def get_scale(self, call: Call) -> Response:
        current = await self.records.get(call.endpoint, call.namespace, call.name)
        return call.answer_document(scales.scale_of(current.parse()))

    async def update_scale(self, call: Call) -> Response:
        wanted = call.decode(self._scale_endpoint())
        return await self._set_scale(call, lambda _: wanted)

    async def patch_scale(self, call: Call) -> Response:
        scale_endpoint = self._scale_endpoint()
        apply = applier(call, scale_endpoint.schema)

        def build(current: Obj) -> Obj:
            return check_patched(
                apply(current),
                resource=scale_endpoint.resource,
                schema=scale_endpoint.schema,
                mode=call.validation_mode(),
            ).obj

        return await self._set_scale(call, build)

    async def _set_scale(self, call: Call, wanted: Callable[[Obj], Obj]) -> Response:
        def build(current: Current) -> Obj:
            obj = current.parse()
            scale = wanted(scales.scale_of(obj))
            given = scale.get("metadata", {}).get("resourceVersion")
            if given and given != obj["metadata"]["resourceVersion"]:
                r = call.endpoint.resource
                raise status.conflict(r.plural, r.group, call.name, status.MODIFIED_SINCE)
            return scales.apply_scale(obj, scale)

        current = await update.change(self.records, call, call.endpoint, call.name, build)
        return call.answer_document(scales.scale_of(current.parse()))

    def _scale_endpoint(self) -> Endpoint:
        return self.endpoints.shape("autoscaling", "v1", "Scale", "io.k8s.api.autoscaling.v1.Scale")

    async def bind(self, call: Call) -> Response:
        """POST pods/NAME/binding and POST bindings: the scheduler's one command."""
        target = self.endpoints.shape("", "v1", "Binding", "io.k8s.api.core.v1.Binding")
        binding = call.decode(target)
        strategy.place(call.endpoint, binding, call.namespace, call.name)
        name = binding["metadata"].get("name", "")
        pods = self.endpoints.stored_as(PODS)
        if pods is None or not name:
            raise status.BadRequest("name must be provided")
        validate_binding(binding)

        def build(current: Current) -> Obj:
            return apply_binding(current.parse(), binding, datetime.now(UTC))

        await update.change(self.records, call, pods, name, build, part=update.BINDING)
        return json_response(_success(), status=201)

    async def evict(self, call: Call) -> Response:
        """POST pods/NAME/eviction: a DELETE that asks the disruption budgets first."""
        target = self.endpoints.shape("policy", "v1", "Eviction", "io.k8s.api.policy.v1.Eviction")
        eviction = call.decode(target)
        strategy.place(call.endpoint, eviction, call.namespace, call.name)
        pod = await self.records.get(call.endpoint, call.namespace, call.name)
        obj = pod.parse()
        raw = eviction.get("deleteOptions") or {}
        options = strategy.DeleteOptions(
            grace_period_seconds=raw.get("gracePeriodSeconds"),
            uid=(raw.get("preconditions") or {}).get("uid", ""),
            resource_version=(raw.get("preconditions") or {}).get("resourceVersion", ""),
            dry_run=bool(raw.get("dryRun")) or call.dry_run(),
        )
        if obj.get("status", {}).get("phase") not in _PHASES_DONE and not obj["metadata"].get("deletionTimestamp"):
            await consume_budget(self.records, call, self.endpoints, obj, dry_run=options.dry_run)
        await delete_object(self.records, call, call.endpoint, call.name, options)
        return json_response(_success(), status=201)

    async def log(self, call: Call) -> Stream:
        current = await self.records.get(call.endpoint, call.namespace, call.name)
        return await self.logs.open(call, current.parse())


def _success() -> Obj:
    return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201}


_HANDLERS: dict[tuple[str, str], Handler] = {
    ("status", "get"): Subresources.get_object,
    ("status", "update"): Subresources.update_status,
    ("status", "patch"): Subresources.patch_status,
    ("finalize", "update"): Subresources.finalize,
    ("scale", "get"): Subresources.get_scale,
    ("scale", "update"): Subresources.update_scale,
    ("scale", "patch"): Subresources.patch_scale,
    ("binding", "create"): Subresources.bind,
    ("eviction", "create"): Subresources.evict,
    ("log", "get"): Subresources.log,
}
SERVED = frozenset(_HANDLERS)
"""Pairs of subresource and verb. The server's registry has no others."""
