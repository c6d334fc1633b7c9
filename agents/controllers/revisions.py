"""A Deployment's templates and the ReplicaSets that stand for them: names, hashes, revisions, annotations. Pure.

Upstream: pkg/controller/deployment/util.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import orjson

from agents.controllers import ownership

Obj = dict[str, Any]

HASH_LABEL = "pod-template-hash"
REVISION = "deployment.kubernetes.io/revision"
REVISION_HISTORY = "deployment.kubernetes.io/revision-history"
DESIRED = "deployment.kubernetes.io/desired-replicas"
MAX_REPLICAS = "deployment.kubernetes.io/max-replicas"
HISTORY_LENGTH = 2000
"""Characters of the revision history; the oldest revisions are left out beyond."""
_NAME_LENGTH = 253
_NOT_COPIED = frozenset(
    {
        "kubectl.kubernetes.io/last-applied-configuration",
        REVISION,
        REVISION_HISTORY,
        DESIRED,
        MAX_REPLICAS,
        "deprecated.deployment.rollback.to",
    }
)
_MAPS = frozenset({"labels", "annotations", "nodeSelector", "matchLabels", "limits", "requests"})
_HASH_LETTERS = "bcdfghjklmnpqrstvwxz2456789"


def template_hash(template: Obj, collisions: int) -> str:
    """A short safe string that names a template; `collisions` gives another one when a name was taken."""
    raw = orjson.dumps(template, option=orjson.OPT_SORT_KEYS) + (str(collisions).encode() if collisions else b"")
    digest = hashlib.sha256(raw).digest()
    return "".join(_HASH_LETTERS[b % len(_HASH_LETTERS)] for b in digest[:10])


def same_template(a: Obj, b: Obj) -> bool:
    """Equal but for the hash label. What is empty equals what is absent, as for upstream's semantic equality."""
    return bool(_comparable(a) == _comparable(b))


def _comparable(template: Obj) -> Any:
    meta = dict(template.get("metadata") or {})
    meta["labels"] = {k: v for k, v in (meta.get("labels") or {}).items() if k != HASH_LABEL}
    meta.pop("creationTimestamp", None)
    return _without_empty({**template, "metadata": meta})


def _without_empty(value: Any) -> Any:
    """Lists and maps that hold nothing are left out. An empty object is not a map: `emptyDir: {}` says something."""
    if isinstance(value, dict):
        return {k: _without_empty(v) for k, v in value.items() if not _is_nothing(k, v)}
    if isinstance(value, list):
        return [_without_empty(v) for v in value]
    return value


def _is_nothing(key: str, value: Any) -> bool:
    return value is None or value == [] or (value == {} and key in _MAPS)


def find_new(deployment: Obj, sets: Sequence[Obj]) -> Obj | None:
    """The ReplicaSet of the present template; the oldest where there are several."""
    template = _comparable(deployment["spec"]["template"])
    matching = [rs for rs in sets if _comparable(rs["spec"]["template"]) == template]
    return min(matching, key=lambda rs: (rs["metadata"]["creationTimestamp"], rs["metadata"]["name"]), default=None)


def revision_of(obj: Obj) -> int:
    text = obj["metadata"].get("annotations", {}).get(REVISION, "0")
    return int(text) if text.isdigit() else 0


def next_revision(olds: Sequence[Obj]) -> int:
    return max((revision_of(rs) for rs in olds), default=0) + 1


def new_set(deployment: Obj, *, olds: Sequence[Obj], replicas: int, most: int) -> Obj:
    """The ReplicaSet to create for the present template. `most`: what all sets together may have."""
    spec, meta = deployment["spec"], deployment["metadata"]
    hashed = template_hash(spec["template"], deployment.get("status", {}).get("collisionCount", 0))
    template_meta = dict(spec["template"].get("metadata", {}))
    template_meta["labels"] = {**template_meta.get("labels", {}), HASH_LABEL: hashed}
    selector = {**spec["selector"], "matchLabels": {**spec["selector"].get("matchLabels", {}), HASH_LABEL: hashed}}
    annotations = revised(deployment, {}, next_revision(olds))
    return {
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "metadata": {
            "name": f"{meta['name'][: _NAME_LENGTH - len(hashed) - 1]}-{hashed}",
            "namespace": meta["namespace"],
            "labels": template_meta["labels"],
            "annotations": sized(deployment, annotations, most),
            "ownerReferences": [ownership.owner_reference(deployment, "apps/v1", "Deployment")],
        },
        "spec": {
            "replicas": replicas,
            "minReadySeconds": spec.get("minReadySeconds", 0),
            "selector": selector,
            "template": {**spec["template"], "metadata": template_meta},
        },
    }


def revised(deployment: Obj, before: dict[str, str], revision: int) -> dict[str, str]:
    """The annotations of the new set: the Deployment's own, and its revision, which only rises."""
    given = deployment["metadata"].get("annotations", {})
    made = {**before, **{k: v for k, v in given.items() if k not in _NOT_COPIED}}
    old = before.get(REVISION, "")
    if old and not old.isdigit():
        return made
    if not old or int(old) < revision:
        made[REVISION] = str(revision)
        if old:
            made[REVISION_HISTORY] = _history(before.get(REVISION_HISTORY, ""), old)
    return made


def _history(before: str, revision: str) -> str:
    revisions = [*(r for r in before.split(",") if r), revision]
    while len(",".join(revisions)) > HISTORY_LENGTH and len(revisions) > 1:
        revisions.pop(0)
    return ",".join(revisions)


def sized(deployment: Obj, before: dict[str, str], most: int) -> dict[str, str]:
    """The annotations that say what numbers a set was sized for."""
    return {**before, DESIRED: str(deployment["spec"].get("replicas", 1)), MAX_REPLICAS: str(most)}
