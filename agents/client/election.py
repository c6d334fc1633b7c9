"""One of several processes leads: by a Lease that the leader renews and everybody else watches.

Upstream: client-go's leaderelection, with its durations. Time is counted from when this process saw the lease change,
on its own monotonic clock, so clocks that differ do no harm. `leaseTransitions` counts the leaders: it is the fencing
token of each reign. A leader that cannot renew until its deadline has lost, and its work is cancelled before anybody
else may begin.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

import structlog

from agents.client.resources import LEASES, ResourceRef
from agents.client.rest import ApiUnavailable
from apiserver.api.status import AlreadyExists, Conflict, NotFound, StatusError

log = structlog.get_logger(__name__)

Obj = dict[str, Any]


class LeaseClient(Protocol):
    """The part of `RestClient` that an election needs."""

    async def get(self, ref: ResourceRef, name: str, *, namespace: str = "") -> Obj: ...

    async def create(self, ref: ResourceRef, obj: Obj, *, namespace: str = "") -> Obj: ...

    async def update(self, ref: ResourceRef, obj: Obj) -> Obj: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ElectionSettings:
    lease_seconds: float = 15.0
    """How long others wait for a leader that fell silent."""
    renew_deadline_seconds: float = 10.0
    """How long the leader tries to renew before it steps down. Below `lease_seconds`, or two could lead."""
    retry_seconds: float = 2.0

    def __post_init__(self) -> None:
        if not self.retry_seconds < self.renew_deadline_seconds < self.lease_seconds:
            raise ValueError("want retry < renew deadline < lease duration")


class LostLeadership(Exception):
    """Somebody else may lead now. The process should end and stand again."""


class Election:
    """`lead` waits for its turn, runs the work, and raises LostLeadership when the reign ends early."""

    def __init__(
        self,
        rest: LeaseClient,
        *,
        name: str,
        identity: str,
        namespace: str = "kube-system",
        settings: ElectionSettings | None = None,
        now: Callable[[], float] | None = None,
    ) -> None:
        self._rest = rest
        self._name = name
        self._identity = identity
        self._namespace = namespace
        self._settings = settings or ElectionSettings()
        self._now = now or (lambda: asyncio.get_running_loop().time())
        self._seen: tuple[str, str] = ("", "")
        self._seen_at = 0.0
        self.transitions = 0
        """The fencing token: rises with each new leader."""
        self.leading = False

    async def lead(self, work: Callable[[], Awaitable[None]]) -> None:
        """Returns when the work returns; on cancellation the lease is given back, so that another may begin at once."""
        await self._win()
        log.info("leading", lease=self._name, identity=self._identity, transitions=self.transitions)
        self.leading = True
        working = asyncio.ensure_future(work())
        renewing = asyncio.create_task(self._keep(), name=f"renew-{self._name}")
        try:
            await asyncio.wait({working, renewing}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self.leading = False
            working.cancel()
            renewing.cancel()
            results = await asyncio.gather(working, renewing, return_exceptions=True)
            if not isinstance(results[1], LostLeadership):
                await self._release()
        for result in results:
            if isinstance(result, Exception):
                raise result

    async def _win(self) -> None:
        while not await self._try():
            await asyncio.sleep(self._settings.retry_seconds)

    async def _keep(self) -> None:
        deadline = self._now() + self._settings.renew_deadline_seconds
        while True:
            await asyncio.sleep(self._settings.retry_seconds)
            try:
                async with asyncio.timeout(max(0.1, deadline - self._now())):
                    held = await self._try()
            except TimeoutError:
                held = False
            if held:
                deadline = self._now() + self._settings.renew_deadline_seconds
            elif self._now() >= deadline or self._seen[0] != self._identity:
                log.error("leadership lost", lease=self._name, identity=self._identity, holder=self._seen[0])
                raise LostLeadership(self._name)

    async def _try(self) -> bool:
        """Take or renew the lease. False when somebody else holds it, or nobody can be asked."""
        try:
            return await self._take()
        except (Conflict, AlreadyExists):
            return False
        except (ApiUnavailable, StatusError) as err:
            log.info("lease cannot be renewed", lease=self._name, why=str(err))
            return False

    async def _take(self) -> bool:
        stamp = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        try:
            lease = await self._rest.get(LEASES, self._name, namespace=self._namespace)
        except NotFound:
            spec = self._spec(stamp, acquired=stamp, transitions=0)
            meta = {"name": self._name, "namespace": self._namespace}
            made = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": meta, "spec": spec}
            await self._rest.create(LEASES, made, namespace=self._namespace)
            self._note(self._identity, stamp)
            return True
        spec = lease.get("spec", {})
        holder = spec.get("holderIdentity") or ""
        self._note(holder, spec.get("renewTime") or "")
        expired = self._now() - self._seen_at > float(spec.get("leaseDurationSeconds") or 0)
        if holder not in ("", self._identity) and not expired:
            return False
        mine = holder == self._identity
        self.transitions = int(spec.get("leaseTransitions") or 0) + (0 if mine else 1)
        acquired = spec.get("acquireTime", stamp) if mine else stamp
        wanted = {**lease, "spec": self._spec(stamp, acquired=acquired, transitions=self.transitions)}
        await self._rest.update(LEASES, wanted)
        self._note(self._identity, stamp)
        return True

    def _note(self, holder: str, renewed: str) -> None:
        if self._seen != (holder, renewed):
            self._seen = (holder, renewed)
            self._seen_at = self._now()

    def _spec(self, stamp: str, *, acquired: str, transitions: int) -> Obj:
        return {
            "holderIdentity": self._identity,
            "leaseDurationSeconds": max(1, int(self._settings.lease_seconds)),
            "acquireTime": acquired,
            "renewTime": stamp,
            "leaseTransitions": transitions,
        }

    async def _release(self) -> None:
        """Let the next one begin without waiting for the lease to run out."""
        try:
            lease = await self._rest.get(LEASES, self._name, namespace=self._namespace)
            if lease.get("spec", {}).get("holderIdentity") == self._identity:
                spec = {**lease["spec"], "holderIdentity": "", "leaseDurationSeconds": 1}
                await self._rest.update(LEASES, {**lease, "spec": spec})
        except StatusError as err:
            log.info("lease is left to expire", lease=self._name, why=str(err))
