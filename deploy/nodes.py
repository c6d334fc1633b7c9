"""Which nodes are Ready, in the API server's words."""

from __future__ import annotations

import json
import ssl
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ANSWER_SECONDS = 5.0


class ApiSilent(Exception):
    """The API server cannot be asked (yet). The message says why."""


@dataclass(frozen=True, slots=True)
class ApiQuestion:
    """Ask the API server at `server` as the user of `token`."""

    server: str
    ca: Path
    token: str = field(repr=False)

    def nodes(self) -> Mapping[str, str]:
        """Each node's name, and why it is not Ready (empty: it is). Blocks. Raises ApiSilent."""
        context = ssl.create_default_context(cafile=str(self.ca))
        headers = {"Authorization": f"Bearer {self.token}", "Accept": "application/json"}
        request = urllib.request.Request(f"{self.server}/api/v1/nodes", headers=headers)  # noqa: S310  always https
        opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context)
        )
        try:
            with opener.open(request, timeout=ANSWER_SECONDS) as answer:
                document: dict[str, Any] = json.loads(answer.read())
        except urllib.error.HTTPError as err:
            raise ApiSilent(f"the API server answers {err.code}") from err
        except (OSError, ValueError) as err:
            raise ApiSilent(f"the API server does not answer: {err}") from err
        return {node["metadata"]["name"]: why_not_ready(node) for node in document["items"]}


def why_not_ready(node: Mapping[str, Any]) -> str:
    """Pure. Empty when the node is Ready."""
    for condition in node.get("status", {}).get("conditions", ()):
        if condition.get("type") == "Ready":
            if condition.get("status") == "True":
                return ""
            return str(condition.get("message") or condition.get("reason") or "not ready")
    return "its kubelet has not reported yet"
