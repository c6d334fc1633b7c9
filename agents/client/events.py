"""Kubernetes Events: what an agent did or could not do, told to users.

Never in the way: `event` returns at once; what cannot be sent in time is dropped and counted in the log. What is said
again is counted up, and what is said too often is left out (`correlator`).
"""

from __future__ import annotations

import asyncio
import secrets
import time
import uuid
from datetime import UTC, datetime
from typing import Any, Literal

import structlog

from agents.client.correlator import Correlator, Telling
from agents.client.resources import EVENTS
from agents.client.rest import RestClient
from apiserver.api.status import Conflict, NotFound, StatusError

log = structlog.get_logger(__name__)

Obj = dict[str, Any]
EventType = Literal["Normal", "Warning"]

_QUEUE = 10_000
"""Of a burst that is larger, what comes last is dropped."""
_MESSAGE_LENGTH = 1024
_NAME_LENGTH = 253


class EventRecorder:
    """`run` sends; `event` may be called before and without it."""

    def __init__(self, rest: RestClient, *, component: str, host: str = "") -> None:
        self._rest = rest
        self._component = component
        self._host = host
        self._queue: asyncio.Queue[Obj] = asyncio.Queue(_QUEUE)
        self._correlator = Correlator()
        self.dropped = 0

    def named(self, component: str) -> EventRecorder:
        """A recorder of another component of this process; its events are sent by this one's `run`."""
        other = EventRecorder(self._rest, component=component, host=self._host)
        other._queue = self._queue
        return other

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
                "name": _name_for(meta["name"]),
                "namespace": meta.get("namespace") or "default",
            },
            "involvedObject": {k: v for k, v in involved.items() if v},
            "type": kind,
            "reason": reason,
            "message": message[:_MESSAGE_LENGTH],
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
        telling = self._correlator.observe(event, time.monotonic())
        if telling is None:
            self.dropped += 1
        elif not telling.told.name or not await self._count_up(telling):
            await self._rest.create(EVENTS, telling.event, namespace=event["metadata"]["namespace"])
            telling.sent()

    async def _count_up(self, telling: Telling) -> bool:
        """False when the object that told it is gone."""
        event = telling.event
        patch = {
            "count": telling.told.count,
            "lastTimestamp": event["lastTimestamp"],
            "message": event["message"],
        }
        try:
            await self._rest.patch(EVENTS, telling.told.name, patch, namespace=event["metadata"]["namespace"])
        except (NotFound, Conflict):
            telling.forgotten()
            return False
        return True


def _name_for(name: str) -> str:
    """The object's name and something unique; a name that would get too long is left out."""
    made = f"{name}.{secrets.token_hex(8)}"
    return made if len(made) <= _NAME_LENGTH else str(uuid.uuid4())
