"""Whose log is meant, and what kubelet says when there is none."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest

from agents.kubelet.log_requests import LogRequests, chosen, log_options
from agents.kubelet.runtime import ContainerId, LogOptions, NoSuchContainer
from broker.node_rpc import NodeError
from tests.unit.agents.kubelet.builders import NOW, Obj, pod

ENDED = {"terminated": {"exitCode": 1, "containerID": "process://old"}}


def stated(state: Obj, *, last: Obj | None = None, container: str = "process://new") -> Obj:
    one = {"name": "main", "state": state, "lastState": last or {}, "containerID": container}
    return pod(status={"phase": "Running", "containerStatuses": [one]})


@pytest.mark.parametrize(
    ("of", "previous", "container"),
    [
        (stated({"running": {}}), False, "new"),
        (stated({"running": {}}, last=ENDED), True, "old"),
        (stated(ENDED), False, "old"),
        (stated({"waiting": {"reason": "CrashLoopBackOff"}}, last=ENDED), False, "old"),
    ],
)
def test_the_container_that_is_meant(of: Obj, previous: bool, container: str) -> None:
    assert chosen(of, "main", previous=previous) == container


@pytest.mark.parametrize(
    ("of", "previous", "message"),
    [
        (
            stated({"waiting": {"reason": "ContainerCreating"}}, container=""),
            False,
            'container "main" in pod "web" is waiting to start: ContainerCreating',
        ),
        (stated({"running": {}}), True, 'previous terminated container "main" in pod "web" not found'),
        (stated({"terminated": {}}), False, 'container "main" in pod "web" is terminated'),
        (stated({}), False, 'container "main" in pod "web" is waiting to start - no logs yet'),
        (pod(), False, 'container "main" in pod "web" is not available'),
    ],
)
def test_what_has_no_log_says_so_in_upstreams_words(of: Obj, previous: bool, message: str) -> None:
    with pytest.raises(NodeError) as refused:
        chosen(of, "main", previous=previous)
    assert (refused.value.code, refused.value.reason, refused.value.message) == (400, "BadRequest", message)


def test_a_container_that_the_pod_has_not() -> None:
    with pytest.raises(NodeError, match='container "other" not found in pod "web"'):
        chosen(pod(), "other", previous=False)


def test_options() -> None:
    assert log_options({}, NOW) == LogOptions()
    given = {"follow": True, "timestamps": True, "tailLines": 0, "limitBytes": 5, "sinceSeconds": 60}
    assert log_options(given, NOW) == LogOptions(
        follow=True, timestamps=True, tail_lines=0, limit_bytes=5, since=datetime(2026, 3, 1, 11, 59, tzinfo=UTC)
    )
    assert log_options({"sinceTime": "2026-03-01T12:00:00Z"}, NOW).since == NOW


class Logs:
    async def read_logs(self, container: ContainerId, options: LogOptions) -> AsyncIterator[bytes]:
        if container == "old":
            raise NoSuchContainer("no container old")
        yield b"one\n"
        yield b"two\n"


async def asked(of: Obj | None, **params: Any) -> bytes:
    requests = LogRequests(Logs(), lambda uid: of)  # type: ignore[arg-type]  # only what is asked of it
    return b"".join([b async for b in requests.logs({"pod": "web", "container": "main", **params})])


async def test_lines_come_as_they_are() -> None:
    assert await asked(stated({"running": {}})) == b"one\ntwo\n"


async def test_a_pod_that_is_not_here() -> None:
    with pytest.raises(NodeError, match='pod "web" cannot be found - no logs available'):
        await asked(None)


async def test_a_log_that_was_removed_meanwhile() -> None:
    with pytest.raises(NodeError, match="no container old") as refused:
        await asked(stated({"running": {}}, last=ENDED), previous=True)
    assert refused.value.code == 400
