"""What a kubelet tells of a pod names the change that it carries out, and nothing once that is done."""

from __future__ import annotations

import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from agents.client.cause import Cause, because, current
from agents.client.resources import ResourceRef
from agents.kubelet.process_runtime import ProcessRuntime, stop_everything
from agents.kubelet.runtime import ContainerState
from tests.conftest import eventually
from tests.integration.kubelet.node import SLEEP, Api, Node, container, pod_object, process_node, shell


class Telling(Api):
    """Notes why each write is made."""

    def __init__(self) -> None:
        super().__init__()
        self.reasons: list[tuple[str, int | None]] = []

    async def patch(self, ref: ResourceRef, name: str, patch: Any, **where: Any) -> dict[str, Any]:
        self._note("patch")
        return await super().patch(ref, name, patch, **where)

    async def delete(self, ref: ResourceRef, name: str, **where: Any) -> dict[str, Any]:
        self._note("delete")
        return await super().delete(ref, name, **where)

    def _note(self, verb: str) -> None:
        why = current()
        self.reasons.append((verb, why.rv if why is not None else None))

    def take(self) -> list[tuple[str, int | None]]:
        """What was noted since."""
        reasons, self.reasons = self.reasons, []
        return reasons


@pytest.fixture
def api() -> Telling:
    return Telling()


@pytest.fixture
async def node(api: Telling, tmp_path: Path) -> AsyncIterator[Node]:
    async with process_node(api, tmp_path / "kubelet") as made:
        yield made
    stop_everything(tmp_path / "kubelet", grace_seconds=0)


async def test_a_start_and_an_end_name_what_asked_for_them_and_a_crash_in_between_nothing(
    node: Node, api: Telling
) -> None:
    with because(Cause.now(101)):
        api.put(pod_object("web", shell(SLEEP)))
    await node.ready("web")
    assert set(api.take()) == {("patch", 101)}

    await _kill(node)
    await node.status("web", lambda s: container(s)["restartCount"] == 1 and container(s)["ready"], what="restarted")
    assert set(api.take()) == {("patch", None)}

    with because(Cause.now(202)):
        api.mark_deleted("web", grace=0)
    await node.gone("web")
    reasons = api.take()
    assert reasons[-1] == ("delete", 202)
    assert {why for _, why in reasons} == {202}


async def _kill(node: Node) -> None:
    """The container's process."""
    assert isinstance(node.runtime, ProcessRuntime)
    (found,) = [c for c in await node.containers("web") if c.state is ContainerState.RUNNING]
    pid = int(node.runtime._containers[found.id][1].directory.fields("process")["pid"])
    os.kill(pid, signal.SIGKILL)
    await eventually(lambda: not Path(f"/proc/{pid}").exists(), what="the process is gone")
