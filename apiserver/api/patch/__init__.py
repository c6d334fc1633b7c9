"""The patches that clients send: `json_patch` (RFC 6902), `merge` (RFC 7386), `strategic` (Kubernetes' own).

Each module has one `apply(document, patch, …)`. They are pure: neither the document nor the patch is ever changed, and
the result shares nothing with the patch, so that one patch may be applied again after a conflict. The result may share
unchanged parts with the document.
"""

from __future__ import annotations

from typing import Any

from apiserver.api import jsondecode
from apiserver.api.status import BadRequest


def refuse_deep(value: Any) -> None:
    """Raises BadRequest for a document or a patch that nests deeper than what can be stored."""
    try:
        jsondecode.refuse_deep(value)
    except jsondecode.NotJSON as err:
        raise BadRequest(f"error decoding patch: {err}") from err


def clone(value: Any) -> Any:
    """A copy of a JSON value that shares nothing with it."""
    if isinstance(value, dict):
        return {k: clone(v) for k, v in value.items()}
    if isinstance(value, list):
        return [clone(v) for v in value]
    return value
