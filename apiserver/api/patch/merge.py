"""JSON merge patch (RFC 7386): objects are merged key by key, null removes a key, everything else replaces."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from apiserver.api.patch import clone, refuse_deep


def apply(document: Any, patch: Any) -> Any:
    """The patched document. Every patch applies to every document. Raises BadRequest for one nested too deeply."""
    refuse_deep(patch)
    return _merged(document, patch)


def _merged(document: Any, patch: Any) -> Any:
    if not isinstance(patch, Mapping):
        return clone(patch)
    result = dict(document) if isinstance(document, Mapping) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = _merged(result.get(key), value)
    return result
