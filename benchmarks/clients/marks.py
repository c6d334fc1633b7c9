"""The objects that benchmarks write, and the mark in each: its number, and when its writer sent it.

The clock is the system's monotonic one, which all processes of one machine share. A mark has a fixed length, so that
all objects of a run have the same size. Watchers find marks in raw bytes.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

DATA_BYTES = 700
MARK = re.compile(rb'"mark":"(\d{7})\.(\d{19})"')
_MARK_BYTES = 7 + 1 + 19
GROUPS = 10
"""A ConfigMap's label `group` is one of so many."""

_NUMBER, _TIME, _GROUP = "7777777", "7777777777777777777", "8888888"
_MARK = f"{_NUMBER}.{_TIME}"

Body = Callable[[int, int], bytes]
"""(number, nanoseconds) → the JSON to send."""


def config_map(prefix: str) -> Body:
    """A ConfigMap with 700 bytes of data, called `<prefix>-<number>`."""
    filler = "x" * (DATA_BYTES - _MARK_BYTES - len("mark") - len("filler"))
    metadata = {"name": f"{prefix}-{_NUMBER}", "labels": {"group": _GROUP}}
    return _template(
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"mark": _MARK, "filler": filler}}
    )


def small_config_map(prefix: str) -> Body:
    """With a few bytes of data: of these there are many."""
    return _template(
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": f"{prefix}-{_NUMBER}"},
            "data": {"mark": _MARK},
        }
    )


def pod(prefix: str, node: str = "") -> Body:
    """A pod of one container with requests; bound to a node where one is given. `<number>` in it is the pod's."""
    requests = {"cpu": "10m", "memory": "16Mi"}
    container = {"name": "main", "image": "registry.example/app:1", "resources": {"requests": requests}}
    bound = {"nodeName": node.replace("<number>", _NUMBER)} if node else {}
    metadata = {"name": f"{prefix}-{_NUMBER}", "labels": {"app": prefix}, "annotations": {"mark": _MARK}}
    return _template(
        {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {**bound, "containers": [container]}}
    )


def data_patch() -> Body:
    """A merge patch that changes a ConfigMap's mark."""
    return _template({"data": {"mark": _MARK}})


def _template(obj: dict[str, Any]) -> Body:
    text = json.dumps(obj, separators=(",", ":")).replace("%", "%%")
    for placeholder, field in ((_TIME, "%(time)019d"), (_GROUP, "%(group)d"), (_NUMBER, "%(number)07d")):
        text = text.replace(placeholder, field)
    parts = text.encode()

    def body(number: int, nanoseconds: int) -> bytes:
        return parts % {b"number": number, b"time": nanoseconds, b"group": number % GROUPS}

    return body
