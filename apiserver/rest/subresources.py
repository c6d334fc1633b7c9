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
from apiserver.api.kinds.pod import apply_binding, validate_binding
from apiserver.rest import eviction, strategy, update
from apiserver.rest.call import Call
from apiserver.rest.endpoint import PODS, Endpoint, Endpoints
from apiserver.rest.http import Response, Stream, json_response
from apiserver.rest.logs import Logs
from apiserver.rest.patch import Patcher, patch
from apiserver.rest.reads import Reader
from apiserver.rest.records import Current, Records
from apiserver.rest.routes import not_allowed
from apiserver.rest.update import FINALIZE, SCALE, STATUS
from apiserver.subscriptions.credentials import CredentialDesk

Obj = dict[str, Any]
Handler = Callable[["Subresources", Call], Awaitable[Response | Stream]]


class Subresources:
    """`serve` answers a call whose path names a subresource."""

    def __init__(
        self, records: Records, reader: Reader, endpoints: Endpoints, logs: Logs, credentials: CredentialDesk
    ) -> None:
        self.records = records
        self.reader = reader
        self.endpoints = endpoints
        self.logs = logs
        self.desk = credentials

    async def serve(self, call: Call) -> Response | Stream:
        info = call.request.info
        handler = _HANDLERS.get((info.subresource, info.verb))
        if handler is None:
            raise not_allowed()
        return await handler(self, call)

    async def get_object(self, call: Call) -> Response:
        return await self.reader.get(call)

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
        call.check_options("UpdateOptions")
        wanted = call.decode(self._scale_endpoint())
        strategy.place(call.endpoint, wanted, call.namespace)
        strategy.check_name(wanted, call.name)
        return await self._set_scale(call, lambda _: wanted)

    async def patch_scale(self, call: Call) -> Response:
        patcher = Patcher.of(call, self._scale_endpoint())
        response = await self._set_scale(call, patcher.apply)
        call.warnings += patcher.warnings
        return response

    async def _set_scale(self, call: Call, wanted: Callable[[Obj], Obj]) -> Response:
        def build(current: Current) -> Obj:
            obj = current.parse()
            scale = wanted(scales.scale_of(obj))
            scaled = scales.apply_scale(obj, scale)
            version = scale["metadata"].get("resourceVersion") or obj["metadata"]["resourceVersion"]
            scaled["metadata"] = {**obj["metadata"], "resourceVersion": version}
            return scaled

        current = await update.change(self.records, call, call.endpoint, call.name, build, part=SCALE)
        return call.answer_document(scales.scale_of(current.parse()))

    def _scale_endpoint(self) -> Endpoint:
        return self.endpoints.shape("autoscaling", "v1", "Scale", "io.k8s.api.autoscaling.v1.Scale")

    async def bind(self, call: Call) -> Response:
        """POST pods/NAME/binding and POST bindings: the scheduler's one command."""
        call.check_options("CreateOptions")
        binding = call.decode(self.endpoints.shape("", "v1", "Binding", "io.k8s.api.core.v1.Binding"))
        name = strategy.place(call.endpoint, binding, call.namespace).get("name", "")
        if call.name and name != call.name:
            raise status.BadRequest("name in URL does not match name in Binding object")
        pods = self.endpoints.stored_as(PODS)
        if pods is None or not name:
            raise status.BadRequest("name is required")
        validate_binding(binding)

        def build(current: Current) -> Obj:
            return apply_binding(current.parse(), binding, datetime.now(UTC))

        await update.change(self.records, call, pods, name, build, part=update.BINDING)
        return json_response(_SUCCESS, status=201)

    async def evict(self, call: Call) -> Response:
        await eviction.evict(self.records, call, self.endpoints)
        return json_response(_SUCCESS, status=201)

    async def credentials(self, call: Call) -> Response:
        """POST subscriptions/NAME/credentials."""
        asked = call.decode(
            self.endpoints.shape(
                "broker.backbeat.dev",
                "v1",
                "SubscriptionCredentials",
                "dev.backbeat.broker.v1.SubscriptionCredentials",
            )
        )
        subscription = await self.records.get(call.endpoint, call.namespace, call.name)
        return json_response(await self.desk.issue(subscription.parse(), asked, call.user), status=201)

    async def log(self, call: Call) -> Stream:
        current = await self.records.get(call.endpoint, call.namespace, call.name)
        return await self.logs.open(call, current.parse())


_SUCCESS = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201}

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
    ("credentials", "create"): Subresources.credentials,
}
SERVED = frozenset(_HANDLERS)
"""Pairs of subresource and verb. The server's registry has no others."""
