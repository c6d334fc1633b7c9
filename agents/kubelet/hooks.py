"""Lifecycle hooks: postStart right after a container's start, preStop before it is asked to end."""

from __future__ import annotations

import asyncio
from typing import Any

from agents.kubelet.probing import Target, Verdict, ask

Obj = dict[str, Any]

POST_START_TIMEOUT_SECONDS = 600.0


def hook(spec: Obj, kind: str) -> Obj | None:
    """`kind`: postStart, preStop."""
    found: Obj | None = (spec.get("lifecycle") or {}).get(kind)
    return found or None


async def run_hook(target: Target, handler: Obj, *, timeout_seconds: float) -> Verdict:
    """Not good when it failed or took longer than its time."""
    if "sleep" in handler:
        return await _sleep(float(handler["sleep"].get("seconds") or 0), timeout_seconds)
    try:
        async with asyncio.timeout(timeout_seconds):
            return await ask(target, handler, timeout_seconds=timeout_seconds)
    except TimeoutError:
        return Verdict(False, f"did not end within {timeout_seconds:g}s")


async def _sleep(seconds: float, timeout_seconds: float) -> Verdict:
    await asyncio.sleep(min(seconds, timeout_seconds))
    if seconds > timeout_seconds:
        return Verdict(False, "container terminated before sleep hook finished")
    return Verdict(True)
