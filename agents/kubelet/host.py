"""What one kubelet brings along for each of its pods."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from agents.client.events import EventType
from agents.kubelet.pod_store import PodStore
from agents.kubelet.runtime import PodUid, Runtime
from agents.kubelet.sources import Fetch

Obj = dict[str, Any]


class Events(Protocol):
    """The part of `EventRecorder` that the kubelet needs."""

    def event(self, obj: Obj, kind: EventType, reason: str, message: str, *, field_path: str = "") -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    runtime: Runtime
    runs_processes: bool
    """False: nothing can be probed, mounted or run; simulated containers answer for themselves."""
    may_switch_user: bool
    events: Events
    fetch: Fetch
    store: PodStore
    capacity: Mapping[str, str]
    path: str
    """PATH of containers that set none."""
    now: Callable[[], datetime]
    wake: Callable[[PodUid], None]
    """Look at this pod soon."""
    report: Callable[[PodUid, float], None]
    """Write what the API does not know of this pod yet, after so many seconds."""
