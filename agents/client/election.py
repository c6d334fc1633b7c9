"""One of several processes leads: by a Lease that the leader renews and everybody else watches.

Upstream: client-go's leaderelection, with its durations. Time is counted from when this process saw the lease change,
on its own monotonic clock, so clocks that differ do no harm. `leaseTransitions` counts the reigns: it is the fencing
token of each.

Promised: two do not lead at once, as long as their clocks run equally fast. A reign is sure only until
`renew_deadline_seconds` after the last renewal was *sent*; others wait `lease_seconds` from when they saw it. At that
deadline a leader that could not renew has lost, and its work is cancelled before anybody else may begin. A process that
was stopped and wakes up late finds `sure` false at once: `RestClient.guarded(lambda: election.sure)` writes nothing.

Not promised: that a request which was on its way at that moment is not carried out. What it writes names the version
that it replaces.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol
from urllib.parse import quote

import structlog

from agents.client.resources import LEASES, ResourceRef
from apiserver.api.status import AlreadyExists, Conflict, NotFound, StatusError

log = structlog.get_logger(__name__)

Obj = dict[str, Any]

RELEASE_SECONDS = 2.0
"""How long an orderly end may take to give the lease back."""
UNHELD_SECONDS = 0.2
"""Between two tries for a lease that nobody is known to hold: a new control plane has no namespace for it at first."""


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
    """`lead` waits for its turn, runs the work, and raises LostLeadership when the reign ends early.

    `identity` MUST be another one in each process that lives at the same time. A process that was started again under
    its old identity leads again at once.
    """

    def __init__(
        self,
        rest: LeaseClient,
        *,
        name: str,
        identity: str,
        namespace: str = "kube-system",
        settings: ElectionSettings | None = None,
        now: Callable[[], float] | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._rest = rest
        self._name = name
        self._identity = identity
        self._namespace = namespace
        self._settings = settings or ElectionSettings()
        self._now = now or (lambda: asyncio.get_running_loop().time())
        self._sleep = sleep
        self._seen: tuple[str, str] = ("", "")
        self._seen_at = 0.0
        self._sure_until = 0.0
        self.transitions = 0
        """The fencing token: rises with each reign."""
        self.leading = False

    @property
    def fence(self) -> str:
        """What the API server holds this reign's writes to."""
        return f"{quote(self._namespace)}/{quote(self._name)};{quote(self._identity, safe='')};{self.transitions}"

    @property
    def sure(self) -> bool:
        """This process leads, and nobody else can."""
        return self.leading and self._now() < self._sure_until

    @property
    def holder(self) -> str:
        """Who led when the lease was last seen."""
        return self._seen[0]

    async def lead(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Returns when the work returns; on cancellation the lease is given back, so that another may begin at once."""
        await self._win()
        log.info("leading", lease=self._name, identity=self._identity, transitions=self.transitions)
        self.leading = True
        working = asyncio.create_task(work(), name=f"lead-{self._name}")
        renewing = asyncio.create_task(self._keep(), name=f"renew-{self._name}")
        try:
            await asyncio.wait({working, renewing}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            working.cancel()
            renewing.cancel()
            results = await asyncio.gather(working, renewing, return_exceptions=True)
            self.leading = False
            if not isinstance(results[1], LostLeadership):
                await self._release()
        for result in results:
            if isinstance(result, Exception):
                raise result

    async def _win(self) -> None:
        while not await self._try():
            taken = self.holder not in ("", self._identity)
            await self._sleep(self._settings.retry_seconds if taken else UNHELD_SECONDS)

    async def _keep(self) -> None:
        while True:
            await self._sleep(max(0.0, min(self._settings.retry_seconds, self._sure_until - self._now())))
            try:
                async with asyncio.timeout(max(0.1, self._sure_until - self._now())):
                    held = await self._try()
            except TimeoutError:
                held = False
            if not held and (self._now() >= self._sure_until or self._seen[0] != self._identity):
                log.error("leadership lost", lease=self._name, identity=self._identity, holder=self._seen[0])
                raise LostLeadership(self._name)

    async def _try(self) -> bool:
        """Take or renew the lease. False when somebody else holds it, or nobody can be asked."""
        began = self._now()
        try:
            held = await self._take()
        except (Conflict, AlreadyExists):
            return False
        except StatusError as err:
            log.info("lease cannot be renewed", lease=self._name, why=str(err))
            return False
        if held:
            self._sure_until = began + self._settings.renew_deadline_seconds
        return held

    async def _take(self) -> bool:
        stamp = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        try:
            lease = await self._rest.get(LEASES, self._name, namespace=self._namespace)
        except NotFound:
            await self._create(stamp)
            return True
        spec = lease.get("spec", {})
        holder = spec.get("holderIdentity") or ""
        self._note(holder, spec.get("renewTime") or "")
        expired = self._now() - self._seen_at > float(spec.get("leaseDurationSeconds") or 0)
        if holder not in ("", self._identity) and not expired:
            return False
        goes_on = holder == self._identity and self.leading
        transitions = int(spec.get("leaseTransitions") or 0) + (0 if goes_on else 1)
        acquired = spec.get("acquireTime", stamp) if goes_on else stamp
        wanted = {**lease, "spec": self._spec(stamp, acquired=acquired, transitions=transitions)}
        await self._rest.update(LEASES, wanted)
        self.transitions = transitions
        self._note(self._identity, stamp)
        return True

    async def _create(self, stamp: str) -> None:
        spec = self._spec(stamp, acquired=stamp, transitions=0)
        meta = {"name": self._name, "namespace": self._namespace}
        made = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": meta, "spec": spec}
        await self._rest.create(LEASES, made, namespace=self._namespace)
        self.transitions = 0
        self._note(self._identity, stamp)

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
            async with asyncio.timeout(RELEASE_SECONDS):
                lease = await self._rest.get(LEASES, self._name, namespace=self._namespace)
                if lease.get("spec", {}).get("holderIdentity") == self._identity:
                    spec = {**lease["spec"], "holderIdentity": "", "leaseDurationSeconds": 1}
                    await self._rest.update(LEASES, {**lease, "spec": spec})
        except (StatusError, TimeoutError) as err:
            log.info("lease is left to expire", lease=self._name, why=str(err) or "no answer in time")
