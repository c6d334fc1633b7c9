"""Changes as the API server tells them, made up."""

from __future__ import annotations

import json
from typing import Any

from deploy.commands.changes import Told, read

DAY = "2026-05-01T12:00:"


def line(rv: int, kind: str = "MODIFIED", *, subject: str = "changes.core.pods.default.web._", **more: Any) -> bytes:
    """`obj` is merged into the object."""
    obj = {"metadata": {"name": subject.split(".")[4], "resourceVersion": str(rv)}, **more.pop("obj", {})}
    document = {
        "resourceVersion": rv,
        "subject": subject,
        "actor": "ann",
        "time": f"{DAY}{rv % 60:02}.000000Z",
        **more,
        "frame": {"type": kind, "object": obj},
    }
    return json.dumps(document).encode() + b"\n"


def told(rv: int, kind: str = "MODIFIED", **more: Any) -> Told:
    return read(line(rv, kind, **more))


def failure(code: int, reason: str, message: str) -> bytes:
    status = {"kind": "Status", "code": code, "reason": reason, "message": message}
    return json.dumps({"frame": {"type": "ERROR", "object": status}}).encode() + b"\n"
