"""Tell the API what the pods have come to, and delete the objects of those that ended.

One write at a time per pod, with the newest status at that moment; several pods side by side. While the API server is
away the newest status waits, and is written within `AWAY_SECONDS` of its return. A status patch carries the pod's uid,
so it never reaches another pod of the same name.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Protocol

import structlog

from agents.client.cause import Cause, because
from agents.client.informer import Informer, is_removed
from agents.client.resources import PODS, ResourceRef
from agents.client.rest import STRATEGIC, ApiUnavailable
from agents.kubelet.runtime import PodUid
from apiserver.api.status import BadRequest, Conflict, Invalid, NotFound, StatusError
from broker.workqueue import WorkQueue

log = structlog.get_logger(__name__)

Obj = dict[str, Any]

AWAY_SECONDS = 1.0


class PodClient(Protocol):
    """The part of `RestClient` that the writer needs."""

    async def patch(
        self,
        ref: ResourceRef,
        name: str,
        patch: Any,
        *,
        namespace: str = "",
        subresource: str = "",
        content_type: str = "",
    ) -> Obj: ...

    async def delete(
        self,
        ref: ResourceRef,
        name: str,
        *,
        namespace: str = "",
        grace_period_seconds: int | None = None,
        uid: str = "",
    ) -> Obj: ...


class Reported(Protocol):
    """A pod as the writer sees it; `PodWorker` is one."""

    release_due: bool

    @property
    def pod(self) -> Obj: ...

    @property
    def local(self) -> Obj: ...

    @property
    def outstanding(self) -> Obj: ...

    @property
    def cause(self) -> Cause | None: ...

    def written(self, sent: Obj, answer: Obj) -> None: ...

    def released(self, *, remains: bool) -> None: ...


class StatusWriter:
    def __init__(
        self,
        rest: PodClient,
        *,
        find: Callable[[PodUid], Reported | None],
        informer: Informer,
        workers: int = 8,
    ) -> None:
        """The informer learns the answer of each write, so that nobody has to wait for its change."""
        self._rest = rest
        self._find = find
        self._informer = informer
        self._workers = workers
        self._queue: WorkQueue[PodUid] = WorkQueue()

    def report(self, uid: PodUid, delay_seconds: float = 0.0) -> None:
        self._queue.add_after(uid, delay_seconds)

    async def run(self) -> None:
        """Write until cancelled."""
        try:
            async with asyncio.TaskGroup() as group:
                for number in range(self._workers):
                    group.create_task(self._work(), name=f"status-writer-{number}")
        finally:
            self._queue.close()

    async def _work(self) -> None:
        while True:
            uid = await self._queue.get()
            try:
                await self._one(uid)
            except ApiUnavailable as err:
                log.debug("status waits for the API server", uid=uid, why=err.message)
                self._queue.add_after(uid, AWAY_SECONDS)
            except StatusError as err:
                failures = self._queue.retry(uid)
                if failures in (1, 5):
                    log.warning("status not written", uid=uid, why=err.message, failures=failures)
            else:
                self._queue.forget(uid)
            finally:
                self._queue.done(uid)

    async def _one(self, uid: PodUid) -> None:
        reported = self._find(uid)
        if reported is None:
            return
        with because(reported.cause):
            await self._say(uid, reported)

    async def _say(self, uid: PodUid, reported: Reported) -> None:
        try:
            await self._write(uid, reported)
        except (Invalid, BadRequest) as err:  # another try says the same; the next change of the status is another
            log.warning("status refused", uid=uid, why=err.message)
        except (NotFound, Conflict) as err:
            log.debug("the pod is gone, or another one has its name", uid=uid, why=err.message)
        if reported.release_due:
            await self._release(uid, reported)

    async def _write(self, uid: PodUid, reported: Reported) -> None:
        patch = reported.outstanding
        if not patch:
            return
        sent, meta = reported.local, reported.pod["metadata"]
        answer = await self._rest.patch(
            PODS,
            meta["name"],
            {"metadata": {"uid": uid}, "status": patch},
            namespace=meta["namespace"],
            subresource="status",
            content_type=STRATEGIC,
        )
        reported.written(sent, answer)
        self._informer.learn(answer)

    async def _release(self, uid: PodUid, reported: Reported) -> None:
        meta = reported.pod["metadata"]
        try:
            answer = await self._rest.delete(
                PODS, meta["name"], namespace=meta["namespace"], grace_period_seconds=0, uid=uid
            )
        except (NotFound, Conflict):
            reported.released(remains=False)
            return
        self._informer.learn_deleted(answer)
        reported.released(remains=not is_removed(answer))
