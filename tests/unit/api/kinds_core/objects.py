"""Small objects of the core kinds to start a test from."""

from __future__ import annotations

import base64
from typing import Any

from tests.unit.api.kinds_workloads.objects import CREATED


def an_object(name: str = "a", *, namespace: str = "default", **fields: Any) -> dict[str, Any]:
    return {"metadata": {"name": name, "namespace": namespace, "uid": "u-1", "creationTimestamp": CREATED}, **fields}


def a_node(**fields: Any) -> dict[str, Any]:
    made = an_object("node-1", **fields)
    del made["metadata"]["namespace"]
    return made


def a_service(*ports: dict[str, Any], **spec: Any) -> dict[str, Any]:
    return an_object("web", spec={"ports": list(ports) or [{"port": 80}], **spec})


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()
