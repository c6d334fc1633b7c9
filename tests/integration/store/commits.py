"""Commits for tests: small objects in two halves."""

from __future__ import annotations

from typing import Any

import orjson

from apiserver.store.base import ChangeType, Commit, Key, ResourceVersion, StoredResource
from broker import subjects

CONFIGMAPS = StoredResource("", "configmaps")
_MARK = b"@rv@"


def halves(obj: dict[str, Any]) -> tuple[bytes, bytes]:
    """The JSON before and after the resourceVersion's digits."""
    marked = {**obj, "metadata": {**obj["metadata"], "resourceVersion": _MARK.decode()}}
    head, _, tail = orjson.dumps(marked).partition(_MARK)
    return head, tail


def commit_of(
    name: str,
    *,
    rv: int = 0,
    change: ChangeType | None = None,
    namespace: str = "default",
    resource: StoredResource = CONFIGMAPS,
    labels: dict[str, str] | None = None,
    data: str = "",
    kind: str = "ConfigMap",
) -> Commit:
    """A create (rv 0), an update, or with `change` a delete."""
    metadata: dict[str, Any] = {"name": name, "namespace": namespace, "uid": f"uid-{name}"}
    if labels:
        metadata["labels"] = labels
    return commit_object(
        {"apiVersion": "v1", "kind": kind, "metadata": metadata, "data": {"v": data}},
        rv=rv,
        change=change or ("MODIFIED" if rv else "ADDED"),
        resource=resource,
    )


def commit_object(obj: dict[str, Any], *, rv: int, change: ChangeType, resource: StoredResource = CONFIGMAPS) -> Commit:
    head, tail = halves(obj)
    namespace, name = obj["metadata"].get("namespace", ""), obj["metadata"]["name"]
    return Commit(
        key=Key(resource, namespace, name),
        type=change,
        expected_rv=ResourceVersion(rv),
        head=head,
        tail=tail,
        subject=subjects.subject_for(resource.group, resource.resource, namespace, name),
        headers=(("Backbeat-Actor", "tester"),),
    )
