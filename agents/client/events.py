"""Kubernetes Events: what an agent did or could not do, told to users.

Never in the way: `event` returns at once; what cannot be sent in time is dropped and counted in the log. The same
event again within ten minutes is counted up in the object that is there already, as upstream's correlator does.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections import OrderedDict
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

import structlog

from agents.client.resources import EVENTS
from agents.client.rest import RestClient
from apiserver.api.status import Conflict, NotFound, StatusError

log = structlog.get_logger(__name__)

Obj = dict[str, Any]
EventType = Literal["Normal", "Warning"]

SAME_WITHIN_SECONDS = 600.0
_QUEUE = 2000
_REMEMBERED = 4096


@dataclass(slots=True)
class _Sent:
    name: str
    namespace: str
    count: int
    at: float


class EventRecorder:
    """`run` sends; `event` may be called before and without it."""

    def __init__(self, rest: RestClient, *, component: str, host: str = "") -> None:
        self._rest = rest
        self._component = component
        self._host = host
        self._queue: asyncio.Queue[Obj] = asyncio.Queue(_QUEUE)
        self._sent: OrderedDict[tuple[str, ...], _Sent] = OrderedDict()
        self.dropped = 0

    def event(self, obj: Obj, kind: EventType, reason: str, message: str, *, field_path: str = "") -> None:
        """`obj` is what the event is about; it needs kind, apiVersion and metadata."""
        try:
            self._queue.put_nowait(self._make(obj, kind, reason, message, field_path))
        except asyncio.QueueFull:
            self.dropped += 1

    def _make(self, obj: Obj, kind: EventType, reason: str, message: str, field_path: str) -> Obj:
        meta = obj["metadata"]
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        involved = {
            "kind": obj.get("kind", ""),
            "apiVersion": obj.get("apiVersion", ""),
            "namespace": meta.get("namespace", ""),
            "name": meta["name"],
            "uid": meta.get("uid", ""),
            "resourceVersion": meta.get("resourceVersion", ""),
            "fieldPath": field_path,
        }
        return {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {
                "name": f"{meta['name']}.{secrets.token_hex(8)}",
                "namespace": meta.get("namespace") or "default",
            },
            "involvedObject": {k: v for k, v in involved.items() if v},
            "type": kind,
            "reason": reason,
            "message": message[:1024],
            "source": {"component": self._component, **({"host": self._host} if self._host else {})},
            "reportingComponent": self._component,
            "reportingInstance": self._host,
            "firstTimestamp": now,
            "lastTimestamp": now,
            "count": 1,
        }

    async def run(self) -> None:
        """Send until cancelled."""
        while True:
            event = await self._queue.get()
            try:
                await self._send(event)
            except StatusError as err:
                self.dropped += 1
                log.debug("event not recorded", reason=event["reason"], why=err.message)
            if self.dropped and self._queue.empty():
                log.info("events were dropped", count=self.dropped)
                self.dropped = 0

    async def _send(self, event: Obj) -> None:
        about = event["involvedObject"]
        key = (about.get("uid", ""), about.get("fieldPath", ""), event["type"], event["reason"], event["message"])
        known = self._sent.get(key)
        if known is not None and time.monotonic() - known.at < SAME_WITHIN_SECONDS:
            known.count += 1
            patch = {"count": known.count, "lastTimestamp": event["lastTimestamp"]}
            try:
                await self._rest.patch(EVENTS, known.name, patch, namespace=known.namespace)
            except (NotFound, Conflict):
                del self._sent[key]
            else:
                return
        meta = event["metadata"]
        await self._rest.create(EVENTS, event, namespace=meta["namespace"])
        self._sent[key] = _Sent(meta["name"], meta["namespace"], 1, time.monotonic())
        if len(self._sent) > _REMEMBERED:
            self._sent.popitem(last=False)
