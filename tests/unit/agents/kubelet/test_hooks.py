"""Lifecycle hooks: found, run within their time."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from agents.kubelet.hooks import hook, run_hook
from agents.kubelet.probing import Target, Verdict
from agents.kubelet.runtime import ContainerId, ExecResult
from tests.unit.agents.kubelet.builders import IP, spec


class Program:
    def __init__(self, code: int, *, ends: bool = True) -> None:
        self.code = code
        self.ends = ends

    async def exec_sync(self, container: ContainerId, command: Sequence[str], *, timeout_seconds: float) -> ExecResult:
        if not self.ends:
            await asyncio.Event().wait()
        return ExecResult(self.code, b"said")


def target(program: Program) -> Target:
    return Target(program, ContainerId("c"), spec(), IP)  # type: ignore[arg-type]  # exec only


EXEC = {"exec": {"command": ["x"]}}


def test_a_hook_is_found_where_there_is_one() -> None:
    assert hook(spec(), "preStop") is None
    assert hook(spec(lifecycle={"preStop": EXEC}), "preStop") == EXEC
    assert hook(spec(lifecycle={"preStop": EXEC}), "postStart") is None


async def test_a_hook_is_good_when_its_command_is() -> None:
    assert await run_hook(target(Program(0)), EXEC, timeout_seconds=5) == Verdict(True, "said")
    assert not (await run_hook(target(Program(1)), EXEC, timeout_seconds=5)).good


async def test_a_hook_ends_with_its_time() -> None:
    verdict = await run_hook(target(Program(0, ends=False)), EXEC, timeout_seconds=0.05)
    assert verdict == Verdict(False, "did not end within 0.05s")


async def test_a_hook_may_only_sleep() -> None:
    assert (await run_hook(target(Program(0)), {"sleep": {"seconds": 0}}, timeout_seconds=5)).good
    cut = await run_hook(target(Program(0)), {"sleep": {"seconds": 60}}, timeout_seconds=0.01)
    assert cut == Verdict(False, "container terminated before sleep hook finished")
